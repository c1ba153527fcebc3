import { Admission, type AdmissionLimits, type QueueBudget } from '../admission.js';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import type { EngineEvent } from '../events.js';
import type { Clock, Timer } from '../util/clock.js';
import { deferred } from '../util/deferred.js';
import { Ledger } from '../wire/ledger.js';
import type { Limits } from '../wire/limits.js';
import type { Ask, ShardStats } from '../wire/protocol.js';
import { ShardClient } from './shard-client.js';
import type { ShardThread, StartThread } from './shard-thread.js';

/** Between a thread's death and the next: doubled each time, forgotten once one serves. */
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 30_000;
/** Starts in a row that fail before callers are told that the shard is not to be had. */
const MOST_FAILURES = 5;
/** How often the heartbeat is looked at. The shard counts four times as often as this a second. */
const WATCH_MS = 1_000;

export type ShardState = 'starting' | 'serving' | 'backing_off' | 'draining' | 'stopped';

export interface SupervisorOptions {
  shard: number;
  clock: Clock;
  startThread: StartThread;
  limits: Limits;
  admission: AdmissionLimits;
  budget: QueueBudget;
  drivers: Record<string, string>;
  /** A shard whose heartbeat stands still for so long is replaced. */
  shardBlockedMs: number;
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
 *     starting ── ready ──▶ serving ── drain ──▶ draining ── exited ──▶ stopped
 *        ▲  └──── exited ───┐ └─ exited ─┐             └ also from every other state, by destroy
 *        └── backoff over ── backing_off ◀┘
 */
export class Supervisor {
  readonly shard: number;
  readonly admission: Admission;
  state: ShardState = 'starting';
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
  #failures = 0;
  #backoff: Timer | undefined = undefined;
  #watch: Timer | undefined = undefined;
  #ending: KeylaneError | undefined = undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.admission = new Admission(options.admission, options.budget, (call) => this.#dispatch(call));
    this.started = this.#started.promise;
    this.started.catch(() => {});
    this.stopped = this.#stopped.promise;
    this.#start();
  }

  get client(): ShardClient | undefined {
    return this.#client;
  }

  async stats(): Promise<ShardStats | undefined> {
    return this.state === 'serving' || this.state === 'draining' ? this.#client?.stats() : undefined;
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
    if (this.state === 'backing_off') this.#stop();
    else this.#thread?.terminate();
  }

  #dispatch(call: Call): void {
    if (call.hasQueued) call.leftQueueAt = this.#options.clock.now();
    this.#client?.dispatch(call);
  }

  #start(): void {
    const { startThread, limits, drivers, admission, ask, event, freed, shard } = this.#options;
    this.state = 'starting';
    const ledger = Ledger.memory(admission.window);
    const thread = startThread({ ledger, limits, drivers });
    this.#thread = thread;
    this.#client = new ShardClient(shard, thread.port, ledger, admission.window, {
      ready: () => this.#ready(),
      freed: (call) => {
        freed(call);
        this.admission.freed(call);
      },
      event: (about) => event({ ...about, shard }),
      ask,
    });
    void thread.exited.then((error) => this.#exited(error));
  }

  #ready(): void {
    // Its word may cross the order to cut it.
    if (this.state !== 'starting' || this.#ending) return;
    this.state = 'serving';
    this.#failures = 0;
    this.#watchHeartbeat(this.#client?.ledger.beats ?? 0, 0);
    this.#started.resolve();
    this.admission.open();
  }

  #exited(error: Error | undefined): void {
    const served = this.state === 'serving';
    this.#watch?.cancel();
    this.admission.pause();
    // In flight calls free their slots below; the client is the dead thread's, so nothing may be dispatched to it.
    this.#client?.threadExited((call, sent) => this.#verdict(call, sent, error));
    this.#client = undefined;
    this.#thread = undefined;
    // A thread that dies while it drains had nothing in flight any more: it has ended, if not well.
    if (this.#ending || this.state === 'draining') {
      this.#stop();
      return;
    }
    if (!served) this.#failures++;
    this.#restart(error);
  }

  #restart(error: Error | undefined): void {
    if (this.#failures >= MOST_FAILURES) {
      const says = `shard ${this.shard} does not start: ${error?.message ?? 'its thread ended'}`;
      const refusal = new KeylaneError('ERR_SHARD_UNAVAILABLE', says, { cause: error });
      this.admission.refuse(refusal, (call) => call.settle(undefined, refusal));
      this.#started.reject(refusal);
    }
    this.state = 'backing_off';
    this.restarts++;
    const wait = this.#failures === 0 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failures - 1), LONGEST_BACKOFF_MS);
    this.#backoff = this.#options.clock.timer(wait, () => this.#start());
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

  /**
   * Counts only what it has seen itself: however late the main thread looks, one look adds one interval at most, so a
   * stall of the main thread is no reason to think a shard blocked.
   */
  #watchHeartbeat(beats: number, stillMs: number): void {
    this.#watch = this.#options.clock.timer(WATCH_MS, () => {
      const now = this.#client?.ledger.beats ?? 0;
      const still = now === beats ? stillMs + WATCH_MS : 0;
      if (still >= this.#options.shardBlockedMs) this.#thread?.terminate();
      else this.#watchHeartbeat(now, still);
    });
  }
}
