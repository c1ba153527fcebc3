import type { MessagePort } from 'node:worker_threads';
import { encode } from '../../src/wire/codec.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { Ledger } from '../../src/wire/ledger.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { CachePart, Command, Reply, RunCommand } from '../../src/wire/protocol.ts';
import { serve } from '../../workers/shard.ts';
import { FakeClock, settled } from './fake-clock.ts';
import { FakeDriver } from './fake-driver.ts';

const LIMITS: Limits = {
  ...{ connectionsPerLane: 2, connectionsPerShard: 100, opensPerKey: 8, breaker: false, idleMs: 300_000 },
  ...{ maxLifetimeMs: 0, checkAfterMs: 0, leakMs: 0, connectTimeoutMs: 10_000 },
};

/** What a peer answers here: a text, that may be a no, and may have a version. */
export interface Answer {
  text: string;
  no?: true;
  etag?: string;
  /** For how long it says that it holds. */
  ttlMs?: number;
}

/** A real shard without a thread: a fake clock, a driver at gates, and both ends of its port. */
export class InsideShard {
  readonly clock = new FakeClock(1_000);
  readonly driver: FakeDriver = Object.assign(new FakeDriver(100), {
    ok: ({ no }: Answer) => !no,
    etag: ({ etag }: Answer) => etag,
    ttlMs: ({ ttlMs }: Answer) => ttlMs,
  });
  readonly replies: Reply[] = [];
  readonly ledger: Ledger;
  readonly ended: Promise<void>;
  #heard: (frame: Uint8Array) => void = () => {};
  #lastSlot = 0;
  #lastAsk = 0;

  constructor(limits: Partial<Limits> = {}) {
    const memory = Ledger.memory(4_096);
    this.ledger = new Ledger(memory);
    const reader = new FrameReader<Reply>();
    const port = {
      on: (_event: 'message', heard: (frame: Uint8Array) => void) => {
        this.#heard = heard;
      },
      close: () => {},
      postMessage: (frame: Uint8Array) =>
        reader.read(frame, {
          run: () => {},
          response: (slot, id, queuedUs, openUs, runUs, reused, response, cache) =>
            this.replies.push({ kind: 'response', slot, id, queuedUs, openUs, runUs, reused, response, cache }),
          other: (reply) => this.replies.push(reply),
        }),
    };
    const task = { ledger: memory, limits: { ...LIMITS, ...limits }, drivers: {}, traceMs: 0 };
    this.ended = serve({ ...task, port: port as unknown as MessagePort }, this.clock, async () => this.driver);
  }

  /** Tells it this, and waits until it has said what it has to say at once. */
  async say(...commands: Command[]): Promise<void> {
    for (const frame of encode(commands, () => {})) this.#heard(frame);
    await turns();
  }

  /** Asks for an answer that may be remembered. */
  async ask(item: string, cache: Partial<CachePart> = {}, more: Partial<RunCommand> = {}): Promise<Asked> {
    const slot = ++this.#lastSlot;
    const command: RunCommand = {
      ...{ kind: 'run', slot, id: slot, mode: 'once', driver: 'fake', key: 'host', lane: 'host', target: null },
      ...{ request: item, deadline: Number.POSITIVE_INFINITY, priority: 0, ...more },
      cache: {
        ...{ digest: item, name: `list:${item}`, tags: [], ttlMs: 1_000, staleMs: 0, negativeMs: 0, fresh: false },
        ...cache,
      },
    };
    await this.say(command);
    return new Asked(this, slot);
  }

  async cancel({ slot }: Asked): Promise<void> {
    await this.say({ kind: 'cancel', slot, id: slot });
  }

  /** How many answers it has forgotten. */
  async invalidate(...patterns: string[]): Promise<number> {
    const ask = ++this.#lastAsk;
    await this.say({ kind: 'invalidate', ask, patterns });
    const reply = this.replies.find((one) => one.kind === 'invalidated' && one.ask === ask);
    return (reply as Extract<Reply, { kind: 'invalidated' }>).forgotten;
  }

  async stats() {
    const ask = ++this.#lastAsk;
    await this.say({ kind: 'stats', ask });
    const reply = this.replies.find((one) => one.kind === 'stats' && one.ask === ask);
    return (reply as Extract<Reply, { kind: 'stats' }>).stats;
  }

  /** Requests that are at the peer. */
  get fetches(): number {
    return this.driver.executes.length;
  }

  /** Lets the connection open for which the first request waits. */
  async connect(): Promise<void> {
    this.driver.letOpen();
    await turns();
  }

  /** Lets the oldest request reach the peer, without an answer. */
  sent(): void {
    this.driver.executes[0]?.about.context.sent();
  }

  /** The peer answers the oldest request. */
  async answer(answer: Answer | string | symbol): Promise<void> {
    const gate = this.driver.executes.shift();
    if (!gate) throw new Error('nothing is at the peer');
    gate.open(typeof answer === 'string' ? { text: answer } : answer);
    await turns();
  }

  async fail(error: Error): Promise<void> {
    const gate = this.driver.executes.shift();
    if (!gate) throw new Error('nothing is at the peer');
    gate.fail(error);
    await turns();
  }
}

/** One request and what has become of it. */
export class Asked {
  readonly slot: number;
  readonly #shard: InsideShard;

  constructor(shard: InsideShard, slot: number) {
    this.#shard = shard;
    this.slot = slot;
  }

  /** `hit 0 text`, `ERR_CONNECT not_started`, or nothing yet. Throws where it was answered twice. */
  get told(): string | undefined {
    const replies = this.#shard.replies.filter(
      (reply) => (reply.kind === 'response' || reply.kind === 'error') && reply.slot === this.slot,
    );
    if (replies.length > 1) throw new Error(`answered ${replies.length} times`);
    const [reply] = replies;
    if (reply?.kind === 'error') return `${reply.error.code} ${reply.error.outcome}`;
    if (reply?.kind !== 'response') return undefined;
    const { text } = reply.response as Answer;
    return `${reply.cache?.status} ${reply.cache?.ageMs} ${text}`;
  }

  get wasSent(): boolean {
    return this.#shard.ledger.wasSent(this.slot, this.slot);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await settled();
}
