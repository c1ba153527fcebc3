import { Admission, type Shared } from '../admission.js';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import type { EngineEvent, SupervisionEvent } from '../events.js';
import type { Clock, Timer } from '../util/clock.js';
import { deferred } from '../util/deferred.js';
import { Ledger } from '../wire/ledger.js';
import type { Limits } from '../wire/limits.js';
import type { Ask, ShardStats } from '../wire/protocol.js';
import type { KeysAsked, ShardKey } from '../wire/shard-key.js';
import { restartBackoffMs } from './backoff.js';
import type { Blame } from './blame.js';
import { Busy } from './busy.js';
import { Pulse } from './pulse.js';
import { ShardClient } from './shard-client.js';
import type { ShardThread, StartThread } from './shard-thread.js';

/** Threads in a row that do not serve for some seconds, before callers are told that the shard is not to be had. */
const MOST_FAILURES = 5;
/** A heartbeat that stands still for so long is told of. With the looks and the beats themselves that is within 2 s. */
const STILL_MS = 1_500;
/** A thread may take so long to say that it serves, however short the time that it may be blocked later. */
const START_MS = 10_000;
/** A shard that does not say its figures by then has none to show. */
const STATS_MS = 1_000;
/** Looks at the heartbeat for each at the load: one a second. */
const LOOKS_AT_LOAD = 4;

export type ShardState =
  | 'unstarted'
  | 'starting'
  | 'serving'
  | 'blocked'
  | 'backing_off'
  | 'degraded'
  | 'draining'
  | 'stopped';

export interface SupervisorOptions {
  shard: number;
  clock: Clock;
  /** 0 ≤ x < 1: spreads the restarts. */
  random: () => number;
  startThread: StartThread;
  /** True: not before there is a call for it. */
  lazy?: boolean;
  limits: Limits;
  /** What the admissions of all shards share. */
  shared: Shared;
  drivers: Record<string, string>;
  /** Mebibytes of its heap; 0 for V8's own limit. */
  heapMb: number;
  /** A shard whose heartbeat stands still for so long is replaced. */
  shardBlockedMs: number;
  /** Whose fault a death is. */
  blame: Blame;
  ask(ask: Ask): Promise<unknown>;
  /** What is to be told to the program. */
  event(event: EngineEvent): void;
  /** A call left the books, settled or not. */
  freed(call: Call): void;
}

/**
 * Keeps one shard alive. When its thread dies it waits for the exit (so that a key never has two owners), settles what
 * was in flight by the ledger, and starts another, with backoff.
 *
 *                            ┌─ still ──▶ blocked ──┐
 *                            │◀─ beats ────┘ exited │
 *     starting ── ready ──▶ serving ── drain ──▶ draining ── exited ──▶ stopped
 *        ▲  └──── exited ───┐ └─ exited ─┐◀─────────┘      └ also from every other state, by destroy
 *        └── backoff over ── backing_off ◀┘
 *
 * A lazy one is `unstarted`, without a thread, until its first call.
 * After five threads in a row that failed it is `degraded`, from their exit until one serves: callers are refused.
 */
export class Supervisor {
  readonly shard: number;
  readonly admission: Admission;
  state: ShardState = 'unstarted';
  /** Times the thread was started again. */
  restarts = 0;
  /** Resolves when the first thread serves, or rejects when it cannot be started. */
  readonly started: Promise<void>;
  /** Resolves when the thread has exited for good. */
  readonly stopped: Promise<void>;
  readonly #started = deferred<void>();
  readonly #stopped = deferred<void>();
  readonly #options: SupervisorOptions;
  #client: ShardClient | undefined = undefined;
  #thread: ShardThread | undefined = undefined;
  /** Threads in a row that did not serve for some seconds. */
  #failures = 0;
  #backoff: Timer | undefined = undefined;
  #pulse: Pulse | undefined = undefined;
  #busy: Busy | undefined = undefined;
  #looks = 0;
  #ending: KeylaneError | undefined = undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.admission = new Admission(options.shared, (call) => this.#dispatch(call));
    this.started = this.#started.promise;
    this.started.catch(() => {});
    this.stopped = this.#stopped.promise;
    // Of one that is not started nothing is known that would keep an engine from being made.
    if (options.lazy) this.#started.resolve();
    else this.#start();
  }

  /** Has a lazy shard's thread started, at its first call. */
  wake(): void {
    if (this.state === 'unstarted') this.#start();
  }

  get client(): ShardClient | undefined {
    return this.#client;
  }

  /** The share of the last second in which its thread was at work, 0 … 1. */
  get busy(): number {
    return this.#busy?.share ?? 0;
  }

  /** What the shard says of itself; undefined where it does not serve, or does not say it soon. */
  stats(): Promise<ShardStats | undefined> {
    return this.#soon((client) => client.stats());
  }

  /** What it knows of its keys, or undefined as above. */
  keys(asked: KeysAsked): Promise<ShardKey[] | undefined> {
    return this.#soon((client) => client.keys(asked));
  }

  async #soon<T>(ask: (client: ShardClient) => Promise<T | undefined>): Promise<T | undefined> {
    const client = this.#client;
    if (!client || (this.state !== 'serving' && this.state !== 'draining')) return undefined;
    let late: Timer | undefined;
    const silence = new Promise<undefined>((resolve) => {
      late = this.#options.clock.timer(STATS_MS, () => resolve(undefined));
    });
    const said = await Promise.race([ask(client), silence]);
    late?.cancel();
    return said;
  }

  /** How many answers its shard has forgotten. A thread that has not begun to serve remembers none. */
  async invalidate(patterns: readonly string[]): Promise<number> {
    const remembers = this.state === 'serving' || this.state === 'blocked' || this.state === 'draining';
    return (remembers && (await this.#client?.invalidate(patterns))) || 0;
  }

  /** Lets the thread end by itself. To be called when nothing is in flight. */
  drain(): void {
    if (this.state === 'serving') {
      this.state = 'draining';
      this.#client?.drain();
    } else {
      this.destroy(new KeylaneError('ERR_CLOSED'));
    }
  }

  /** Cuts the thread; what was in flight is settled with the error, and `unknown` where its bytes had left. */
  destroy(error: KeylaneError): void {
    if (this.state === 'stopped') return;
    this.#ending = error;
    this.admission.refuse(error, (call) => call.settle(undefined, error));
    if (this.#thread) this.#thread.terminate();
    else this.#stop();
  }

  #dispatch(call: Call): void {
    if (call.hasQueued) call.leftQueueAt = this.#options.clock.now();
    this.#client?.dispatch(call);
  }

  #start(): void {
    const { startThread, limits, drivers, shared, ask, event, freed, shard, blame, heapMb } = this.#options;
    if (this.state !== 'degraded') this.state = 'starting';
    // All that may be in flight may be in one shard. What is not used of it takes no memory.
    const slots = shared.total.limits.inFlight;
    const ledger = Ledger.memory(slots);
    const own = this.restarts > 0 ? { ...limits, ratesSpent: true } : limits;
    const thread = startThread({ ledger, limits: own, drivers, heapMb, traceMs: blame.traceMs });
    this.#thread = thread;
    this.#busy = new Busy(() => thread.loopTime());
    this.#client = new ShardClient(shard, thread.port, ledger, slots, {
      ready: () => this.#ready(),
      freed: (call) => {
        freed(call);
        this.admission.freed(call);
      },
      event: (about) => event({ ...about, shard }),
      ask,
    });
    this.#watch(Number.POSITIVE_INFINITY, Math.max(START_MS, this.#options.shardBlockedMs));
    void thread.exited.then((error) => this.#exited(error));
  }

  #ready(): void {
    // Its word may cross the order to cut it.
    if ((this.state !== 'starting' && this.state !== 'degraded') || this.#ending) return;
    this.#watch(STILL_MS, this.#options.shardBlockedMs);
    this.#started.resolve();
    this.#serve();
  }

  #serve(): void {
    this.state = 'serving';
    this.#tell({ type: 'shard_serving', restarts: this.restarts });
    this.admission.open();
  }

  /** A thread that stands still is told of, and cut when it does so for too long. */
  #watch(stillAfterMs: number, lostAfterMs: number): void {
    this.#pulse?.stop();
    const { clock } = this.#options;
    const ledger = this.#client?.ledger;
    this.#pulse = new Pulse(
      clock,
      () => ledger?.beats ?? 0,
      { stillAfterMs: Math.min(stillAfterMs, lostAfterMs), lostAfterMs },
      {
        looked: () => this.#lookAtLoad(),
        still: (stillMs) => this.#blocked(stillMs),
        beatsAgain: () => this.state === 'blocked' && this.#serve(),
        lost: () => this.#thread?.terminate(),
        steady: () => {
          this.#failures = 0;
        },
      },
    );
  }

  #lookAtLoad(): void {
    this.#looks++;
    if (this.#looks % LOOKS_AT_LOAD === 0) this.#busy?.look();
  }

  #blocked(stillMs: number): void {
    // What waits is kept from it: it would be lost with the thread, and can be served by the next.
    if (this.state === 'serving') {
      this.state = 'blocked';
      this.admission.pause();
    }
    this.#tell({ type: 'shard_blocked', stillMs, ...aboutKey(this.#client?.runningKey) });
  }

  #exited(error: Error | undefined): void {
    const served = this.state === 'serving' || this.state === 'blocked';
    const key = this.#client?.runningKey;
    const inFlight = this.#client?.keysInFlight ?? new Set();
    this.#pulse?.stop();
    this.admission.pause();
    // In flight calls free their slots below; the client is the dead thread's, so nothing may be dispatched to it.
    this.#client?.threadExited((call, sent) => this.#verdict(call, sent, error));
    this.#client = undefined;
    this.#busy = undefined;
    this.#thread = undefined;
    // A thread that dies while it drains had nothing in flight any more: it has ended, if not well.
    if (this.#ending || this.state === 'draining') {
      this.#stop();
      return;
    }
    this.#tell({ type: 'shard_died', message: error?.message ?? 'its thread ended', ...aboutKey(key) });
    this.#options.blame.died(this.shard, key, inFlight);
    this.#failures++;
    this.#restart(served, error);
  }

  /** The first thread that served and died is replaced at once. */
  #restart(served: boolean, error: Error | undefined): void {
    if (this.#failures >= MOST_FAILURES) this.#degrade(served ? 'keeps dying' : 'does not start', error);
    else this.state = 'backing_off';
    this.restarts++;
    const wait = restartBackoffMs(served ? this.#failures - 1 : this.#failures, this.#options.random);
    this.#backoff = this.#options.clock.timer(wait, () => this.#start());
  }

  #degrade(how: string, cause: Error | undefined): void {
    const says = `shard ${this.shard} ${how}: ${cause?.message ?? 'its thread ended'}`;
    const refusal = new KeylaneError('ERR_SHARD_UNAVAILABLE', says, { cause });
    if (this.state !== 'degraded') this.#tell({ type: 'shard_degraded', message: says });
    this.state = 'degraded';
    this.admission.refuse(refusal, (call) => call.settle(undefined, refusal));
    this.#started.reject(refusal);
  }

  #stop(): void {
    this.state = 'stopped';
    this.#backoff?.cancel();
    const closed = this.#ending ?? new KeylaneError('ERR_CLOSED');
    this.admission.refuse(closed, (call) => call.settle(undefined, closed));
    this.#started.reject(closed);
    this.#stopped.resolve();
  }

  #verdict(call: Call, sent: boolean, cause: Error | undefined): KeylaneError {
    const outcome = sent ? 'unknown' : 'not_started';
    const { key } = call;
    if (this.#ending)
      return new KeylaneError(this.#ending.code, this.#ending.message, { outcome, key, cause: this.#ending.cause });
    const says = `shard ${this.shard} died${cause ? ` (${cause.message})` : ''}; the request ${sent ? 'may have run' : 'had not left'}`;
    return new KeylaneError('ERR_SHARD_DIED', says, { outcome, key, cause });
  }

  #tell(event: SupervisionEvent): void {
    this.#options.event({ ...event, shard: this.shard });
  }
}

function aboutKey(key: string | undefined): { key?: string } {
  return key === undefined ? {} : { key };
}
