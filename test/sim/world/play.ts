import { type EngineStats, ShardedEngine } from '../../../src/engine.ts';
import type { KeylaneError } from '../../../src/errors.ts';
import { resolveOptions } from '../../../src/options.ts';
import { Shards } from '../../../src/shards.ts';
import type { DriverName, Outcome, Spec } from '../../../src/types.ts';
import { spec, type WorldRequest, worldDriver } from './driver.ts';
import { Peers } from './peers.ts';
import { type VirtualThread, VirtualThreads } from './thread.ts';
import { ThreadClock, World } from './world.ts';

/** What came of a request, by the caller's side. */
interface Settled {
  number: number;
  idempotent: boolean;
  outcome: Outcome;
  code: string | undefined;
  attempts: number | undefined;
}

export interface Played {
  world: World;
  hash: string;
}

const CLOSE_MS = 5_000;
/** Faults happen so long, and what is left must end so long after the last. */
const HOSTILE_MS = 20_000;
const LIVENESS_MS = 150_000;
/** Longer than any host is shunned. */
const FORGOTTEN_MS = 100_000;

/**
 * One run of the real engine (admission, shards' supervision, shard, pools, batch, tries) in a world of one seed: virtual
 * threads and hosts that die, refuse, hang, lie in wait. Safety is watched all along; then the faults stop, and everything
 * must come to an end.
 */
export async function play(seed: number): Promise<Played> {
  const world = new World(seed);
  const before = Math.random;
  // Jitter is chance too.
  Math.random = () => world.random.next();
  try {
    await new Play(world).run();
  } finally {
    Math.random = before;
  }
  return { world, hash: world.hash };
}

class Play {
  readonly #world: World;
  readonly #peers: Peers;
  readonly #threads: VirtualThreads;
  readonly #engine: ShardedEngine;
  readonly #settled: Settled[] = [];
  readonly #limits: { connectionsPerLane: number; connectionsPerShard: number };
  readonly #keys: string[];
  #submitted = 0;
  /** Calls and batches that have not ended. */
  #going = 0;
  /** As they were told to whoever asked; and whether some were told to nobody. */
  readonly #told: Record<string, number> = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  #unread = false;

  constructor(world: World) {
    this.#world = world;
    const { random } = world;
    this.#peers = new Peers(world);
    this.#threads = new VirtualThreads(world, (thread) => worldDriver(world, this.#peers, thread));
    const connectionsPerShard = 2 + random.below(8);
    this.#limits = { connectionsPerLane: Math.min(1 + random.below(3), connectionsPerShard), connectionsPerShard };
    this.#keys = Array.from({ length: 1 + random.below(12) }, (_, index) => `host-${index}`);
    const maxInFlight = random.pick([4, 16, 64, 1_000]);
    const options = resolveOptions({
      shards: 1 + random.below(3),
      maxInFlight,
      closeTimeoutMs: CLOSE_MS,
      shardBlockedMs: 2_000,
      moveKeys: world.chance(0.7),
      limits: {
        ...this.#limits,
        opensPerKey: 1 + random.below(3),
        inFlightPerKey: Math.min(random.pick([2, 8, 1_000]), maxInFlight),
        queuedPerKey: random.pick([1, 10, 1_000]),
        idleMs: random.pick([50, 1_000, 30_000]),
        connectTimeoutMs: random.pick([200, 2_000]),
        maxLifetimeMs: random.pick([1_000, 10_000, 0]),
        checkAfterMs: random.pick([20, 1_000, 0]),
        groups: random.pick([{}, { red: 1 }, { red: 2, blue: 3 }]),
        ratePerKey: random.pick([5, 100, 10_000]),
        burstPerKey: random.pick([1, 10]),
        bytesInFlight: random.pick([1 << 10, 1 << 28]),
        breaker: random.pick([false, { failures: 1 + random.below(5), openMs: 500, maxOpenMs: 20_000 }]),
      },
      onEvent: (event) => {
        world.note(`event ${JSON.stringify(event)}`);
        world.sometimes.add(`event ${event.type}`);
      },
    });
    const clock = new ThreadClock(world.clock);
    const shards = new Shards(options, {}, clock, this.#threads.start);
    const specs = new Map<string, Spec>([['world', spec as unknown as Spec]]);
    this.#engine = new ShardedEngine(shards, specs, options, clock);
  }

  async run(): Promise<void> {
    const world = this.#world;
    this.#later(this.#calls.bind(this), 1 + world.random.below(80), HOSTILE_MS);
    this.#later(this.#batch.bind(this), world.random.below(4), HOSTILE_MS);
    this.#later(this.#prewarm.bind(this), world.random.below(3), HOSTILE_MS);
    this.#later(() => this.#peers.hangUp(), world.random.below(30), HOSTILE_MS);
    this.#later(this.#hurt.bind(this), world.random.below(5), HOSTILE_MS);
    this.#later(this.#heat.bind(this), world.random.below(4), HOSTILE_MS);
    await world.live(HOSTILE_MS, () => {
      this.#watch();
      return false;
    });
    world.hostile = false;
    this.#peers.heal();
    for (const thread of this.#threads.alive) if (thread.blocked) thread.die('blocked, and nobody would know');
    await world.live(LIVENESS_MS, () => {
      this.#watch();
      return this.#going === 0;
    });
    if (this.#going > 0) world.never(`${this.#going} calls had no end, long after the last fault`);
    await this.#serveAgain();
    await this.#close();
    this.#judge();
  }

  /** Calls `what` so many times, at random moments. */
  #later(what: () => void, times: number, within: number): void {
    for (let i = 0; i < times; i++) this.#world.after(this.#world.random.next() * within, what);
  }

  #request(): WorldRequest {
    const { random } = this.#world;
    return { key: random.pick(this.#keys), user: random.pick(['anna', 'ben']), number: this.#submitted++ };
  }

  #calls(): void {
    const { random } = this.#world;
    for (let left = 1 + random.below(random.pick([1, 6, 30])); left > 0; left--) this.#call();
  }

  #call(): void {
    const world = this.#world;
    const { random } = world;
    const request = this.#request();
    const idempotent = world.chance(0.3);
    const controller = new AbortController();
    const options = {
      timeoutMs: random.pick([20, 500, 5_000, 60_000]),
      priority: random.below(5) - 2,
      attempts: random.pick([1, 1, 3]),
      idempotent,
      labels: random.pick([[], ['red'], ['red', 'blue'], ['green']]),
      signal: controller.signal,
    };
    if (world.chance(0.15)) world.after(world.delay(0.1, 3_000), () => controller.abort());
    this.#going++;
    const { number } = request;
    const settle = (outcome: Outcome, code: string | undefined) => {
      this.#going--;
      this.#settle({ number, idempotent, outcome, code, attempts: undefined });
    };
    this.#engine.run('world' as DriverName, request as never, options).then(
      (yes) => settle((yes as unknown) === true ? 'ok' : 'failed', undefined),
      (error: KeylaneError) => settle(error.outcome, error.code),
    );
  }

  #batch(): void {
    const world = this.#world;
    const requests = Array.from({ length: 1 + world.random.below(60) }, () => this.#request());
    const idempotent = world.chance(0.3);
    const most = world.chance(0.2) ? world.random.below(requests.length) : requests.length;
    const options = {
      concurrency: world.random.pick([1, 5, 200]),
      timeoutMs: world.random.pick([500, 5_000, 60_000]),
      attempts: world.random.pick([1, 3]),
      labels: world.random.pick([[], ['blue']]),
      idempotent,
    };
    this.#going++;
    const read = async () => {
      let results = 0;
      const batch = this.#engine.batch('world' as DriverName, requests as never, options);
      for await (const { request, outcome, error, attempts } of batch) {
        const { number } = request as unknown as WorldRequest;
        this.#settle({ number, idempotent, outcome, code: error?.code, attempts });
        if (++results > most) {
          world.sometimes.add('a batch was left early');
          this.#unread = true;
          break;
        }
      }
      if (results < requests.length && results <= most)
        world.never(`a batch of ${requests.length} gave ${results} results`);
    };
    read().then(
      () => this.#going--,
      (error) => world.never(`a batch threw ${String(error)}`),
    );
  }

  #prewarm(): void {
    const world = this.#world;
    const requests = Array.from({ length: 1 + world.random.below(20) }, () => this.#request());
    const controller = new AbortController();
    if (world.chance(0.3)) world.after(world.delay(1, 1_000), () => controller.abort());
    const options = { perKey: 1 + world.random.below(3), timeoutMs: 5_000, signal: controller.signal };
    this.#going++;
    this.#engine.prewarm('world' as DriverName, requests as never, options).then(
      ({ ready, failed }) => {
        this.#going--;
        world.note(`prewarmed ${ready}, not ${failed.length}`);
        if (ready > 0) world.sometimes.add('connections were prewarmed');
      },
      (error) => world.never(`prewarm threw ${String(error)}`),
    );
  }

  #hurt(): void {
    const world = this.#world;
    if (!world.hostile || this.#threads.alive.length === 0) return;
    const thread: VirtualThread = world.random.pick(this.#threads.alive);
    if (world.chance(0.3)) {
      world.note(`thread ${thread.number} stands still`);
      world.sometimes.add('a thread stood still');
      thread.block();
    } else {
      world.sometimes.add('a thread died');
      thread.die('killed');
    }
  }

  /** One thread has much to do from now on, the others little: time to move keys. */
  #heat(): void {
    if (this.#threads.alive.length === 0) return;
    const hot = this.#world.random.pick(this.#threads.alive);
    for (const thread of this.#threads.alive) thread.load(thread === hot ? 0.95 : this.#world.random.next() / 2);
  }

  #settle(settled: Settled): void {
    const { number, outcome, code, attempts } = settled;
    this.#world.note(`request ${number} is ${outcome} ${code ?? ''} ${attempts ?? ''}`);
    this.#world.sometimes.add(`outcome ${outcome}${code === undefined ? '' : ` ${code}`}`);
    if ((attempts ?? 1) > 1) this.#world.sometimes.add('a request was tried again');
    this.#settled.push(settled);
    this.#told[outcome]!++;
  }

  /** What must hold at any moment. (The bound of a lane is the pool model's: what is closing does not count there.) */
  #watch(): void {
    const byThread = new Map<VirtualThread, number>();
    for (const { thread } of this.#peers.connections) byThread.set(thread, (byThread.get(thread) ?? 0) + 1);
    for (const [thread, count] of byThread) {
      if (count > this.#limits.connectionsPerShard)
        this.#world.never(`thread ${thread.number} holds ${count} connections`);
    }
  }

  /** Once what was learned of bad hosts is forgotten, every one of them is served, and at once: nobody waits in vain. */
  async #serveAgain(): Promise<void> {
    const world = this.#world;
    await world.live(FORGOTTEN_MS, () => false);
    let bad = 0;
    let left = 10 * this.#keys.length;
    const requests = Array.from({ length: left }, (_, i) => ({
      ...this.#request(),
      key: this.#keys[i % this.#keys.length],
    }));
    const read = async () => {
      const options = { attempts: 1, timeoutMs: 5_000, concurrency: 1_000 };
      for await (const { key, outcome, error } of this.#engine.batch(
        'world' as DriverName,
        requests as never,
        options,
      )) {
        left--;
        this.#told[outcome]!++;
        if (outcome === 'ok') continue;
        bad++;
        world.note(`${key} is not served: ${error?.code} ${error?.message}`);
      }
    };
    void read();
    await world.live(10_000, () => left === 0);
    if (bad + left > 0) world.never(`of calls to healthy hosts ${bad} failed and ${left} had no end`);
  }

  async #close(): Promise<void> {
    const world = this.#world;
    const { inFlight, queued, requests } = await this.#stats();
    for (const [outcome, counted] of Object.entries(requests.world?.outcomes ?? {})) {
      const told = this.#told[outcome] ?? 0;
      if (counted < told || (counted > told && !this.#unread))
        world.never(`${counted} requests were counted as ${outcome}, and ${told} told`);
    }
    if (inFlight + queued > 0) world.never(`${inFlight} in flight and ${queued} queued when all had ended`);
    let closed = false;
    void this.#engine.close().then(() => {
      closed = true;
    });
    await world.live(CLOSE_MS + 10_000, () => closed);
    if (!closed) world.never('close did not end');
    await world.live(60_000, () => false);
    if (this.#peers.connections.size > 0) world.never(`${this.#peers.connections.size} connections are left`);
    if (this.#threads.alive.length > 0) world.never(`${this.#threads.alive.length} threads are left`);
    if (world.clock.pending > 0) world.never(`${world.clock.pending} timers are left`);
  }

  async #stats(): Promise<Pick<EngineStats, 'inFlight' | 'queued' | 'requests'>> {
    let found: EngineStats | undefined;
    void this.#engine.stats().then((stats) => {
      found = stats;
    });
    await this.#world.live(10_000, () => found !== undefined);
    if (!found) this.#world.never('stats gave no answer');
    return found ?? { inFlight: 0, queued: 0, requests: {} };
  }

  /** Outcomes against what the hosts have seen. */
  #judge(): void {
    const world = this.#world;
    const seen = new Set<number>();
    for (const { number, idempotent, outcome, code } of this.#settled) {
      if (seen.has(number)) world.never(`request ${number} was settled twice`);
      seen.add(number);
      const ran = this.#peers.ran.get(number) ?? 0;
      const yes = this.#peers.saidYes.get(number) ?? 0;
      if (outcome === 'not_started' && ran > 0) world.never(`request ${number} ran and is not_started (${code})`);
      if (outcome === 'ok' && yes === 0) world.never(`request ${number} is ok and no host said so`);
      if (!idempotent && ran > 1) world.never(`request ${number} ran ${ran} times`);
      if (ran > 0 && outcome === 'unknown') world.sometimes.add('an unknown one had run');
      if (ran === 0 && outcome === 'unknown') world.sometimes.add('an unknown one had not run');
    }
  }
}
