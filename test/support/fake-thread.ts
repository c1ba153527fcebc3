import type { MessagePort } from 'node:worker_threads';
import { Call, type CallEvents } from '../../src/call.ts';
import type { KeylaneError } from '../../src/errors.ts';
import type { ShardThread, StartThread, ThreadTask } from '../../src/host/shard-thread.ts';
import { deferred } from '../../src/util/deferred.ts';
import { encode } from '../../src/wire/codec.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { Ledger } from '../../src/wire/ledger.ts';
import type { Command, Reply, RunCommand } from '../../src/wire/protocol.ts';
import { toWire } from '../../src/wire/wire-error.ts';
import { settled } from './fake-clock.ts';

/** The far end of a shard's port: reads what it is told, through the real codec, and says what a test lets it say. */
export class FakePort {
  /** What was told, in the order it came. */
  readonly commands: Command[] = [];
  /** Frames in which it came. */
  frames = 0;
  readonly #reader = new FrameReader<Command>();
  #heard: (frame: Uint8Array) => void = () => {};

  /** The near end, as ShardClient uses it. */
  get port(): MessagePort {
    return this as unknown as MessagePort;
  }

  get runs(): RunCommand[] {
    return this.commands.filter((command) => command.kind === 'run');
  }

  /** Commands of one kind. */
  told<K extends Command['kind']>(kind: K): Extract<Command, { kind: K }>[] {
    return this.commands.filter((command): command is Extract<Command, { kind: K }> => command.kind === kind);
  }

  on(_event: 'message', heard: (frame: Uint8Array) => void): void {
    this.#heard = heard;
  }

  postMessage(frame: Uint8Array): void {
    this.frames++;
    this.#reader.read(frame, {
      run: (command) => this.commands.push(command),
      response: () => {
        throw new Error('a shard is sent no responses');
      },
      other: (command) => this.commands.push(command),
    });
  }

  say(...replies: Reply[]): void {
    const refused = (_reply: Reply, why: Error) => {
      throw why;
    };
    for (const frame of encode(replies, refused)) this.#heard(frame);
  }

  /** Answers a run with this, or with its own request. */
  answer({ slot, id, request }: RunCommand, response: unknown = request): void {
    this.say({ kind: 'response', slot, id, queuedUs: 1, openUs: 2, runUs: 3, reused: true, response });
  }

  fail({ slot, id }: { slot: number; id: number }, error: KeylaneError): void {
    this.say({ kind: 'error', slot, id, queuedUs: 1, openUs: 2, runUs: 3, reused: false, error: toWire(error) });
  }
}

/** A shard's thread without a thread. It does nothing by itself: a test says when it serves, answers and exits. */
export class FakeThread extends FakePort implements ShardThread {
  readonly task: ThreadTask;
  readonly ledger: Ledger;
  readonly exited: Promise<Error | undefined>;
  /** Times it was told to end. */
  terminations = 0;
  hasExited = false;
  /** The share of its time that it says to be at work. */
  busy = 0;
  readonly #exited = deferred<Error | undefined>();

  constructor(task: ThreadTask) {
    super();
    this.task = task;
    this.ledger = new Ledger(task.ledger);
    this.exited = this.#exited.promise;
  }

  #active = 0;
  #idle = 0;

  /** As if a second had passed since it was asked. */
  loopTime(): { active: number; idle: number } {
    this.#active += 1_000 * this.busy;
    this.#idle += 1_000 * (1 - this.busy);
    return { active: this.#active, idle: this.#idle };
  }

  terminate(): void {
    this.terminations++;
  }

  ready(): void {
    this.say({ kind: 'ready' });
  }

  /** Resolves when its supervisor has heard of it. */
  async exit(error?: Error): Promise<void> {
    this.hasExited = true;
    this.#exited.resolve(error);
    await settled();
  }
}

/** Starts fake threads and remembers them. */
export class FakeThreads {
  readonly all: FakeThread[] = [];

  readonly start: StartThread = (task) => {
    const thread = new FakeThread(task);
    this.all.push(thread);
    return thread;
  };

  get last(): FakeThread {
    const last = this.all.at(-1);
    if (!last) throw new Error('no thread was started');
    return last;
  }

  /** Threads that have not exited: what may own a key. */
  get alive(): FakeThread[] {
    return this.all.filter(({ hasExited }) => !hasExited);
  }
}

/** A call whose `settlements` count how often its caller heard of it. */
export class CountedCall extends Call {
  readonly settlements: { count: number };

  constructor(key: string, request: unknown = null, events: Partial<CallEvents> = {}) {
    const settlements = { count: 0 };
    const how = { mode: 'once' as const, priority: 0, deadline: Number.POSITIVE_INFINITY, now: 0 };
    super('echo', { key, lane: key, target: null, request }, how, {
      ...events,
      settled(call) {
        settlements.count++;
        events.settled?.(call);
      },
    });
    this.settlements = settlements;
  }
}
