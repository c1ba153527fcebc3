import type { BatchProgress } from '../batch-options.js';
import type { BatchState, Journal } from '../batch-types.js';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import { mayTryAgain } from '../tries.js';
import type { Result } from '../types.js';
import { type Counts, type FailureBounds, Failures } from './failures.js';
import type { BatchHost } from './host.js';
import type { Item } from './item.js';
import { outcomeIn } from './recorder.js';

/**
 * How a batch comes to an end before all is settled. `drained` and `stopped`: nothing more starts, and what is in flight
 * ends; `interrupted` and `canceled`: that is cut too. After `stopped` the rest is settled as not started.
 *
 *     undefined ──▶ drained ──▶ interrupted, canceled
 *         └───────▶ stopped ──▶ drained (the engine is closed), interrupted, canceled
 */
export type Ending = 'drained' | 'stopped' | 'interrupted' | 'canceled';

/** How far a batch is, whether it may go on, and how it ended. */
export class Course {
  /** Undefined where nobody can know it without reading the input. */
  readonly total: number | undefined;
  readonly counts: Counts = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  ending: Ending | undefined = undefined;
  /** Why it was stopped. */
  why: string | undefined = undefined;
  /** What the loop over the results throws at its end. */
  failure: Error | undefined = undefined;
  /** Taken from the input, and left to whoever goes on with the batch. */
  dropped = 0;
  /** The input has been read to its end. */
  isExhausted = false;
  isOver = false;
  readonly #failures: Failures | undefined;
  readonly #canary: number;
  /** Of those whose driver is not known. */
  readonly #meter: BatchHost['meter'];
  /** Heard, not counted yet, and no success. */
  #bad = 0;

  constructor({ maxFailures, canary }: FailureBounds, total: number | undefined, meter?: BatchHost['meter']) {
    this.total = total;
    this.#meter = meter;
    this.#canary = canary ?? 0;
    const isBounded = maxFailures !== undefined || canary !== undefined;
    this.#failures = isBounded ? new Failures({ maxFailures, canary }, total, this.counts) : undefined;
  }

  /** The first reason is the one that counts. */
  fail(error: Error): void {
    this.failure ??= error;
  }

  /** What earlier processes came to. Gives why nothing more may start, if so. */
  goOn(journal: Journal): string | undefined {
    Object.assign(this.counts, journal.counts);
    let why = this.#failures?.why();
    for (let index = 0; index < this.#canary && why === undefined; index++) {
      const outcome = outcomeIn(journal, index);
      if (outcome) why = this.#failures?.whyOf(index, outcome);
    }
    return why;
  }

  /** A try has its answer, which is not counted yet. Gives why nothing more may start, if so. */
  heard(item: Item<unknown>, { error, response }: Call, isIdempotent: boolean): string | undefined {
    if (!this.#failures || this.ending !== undefined || item.isBad) return undefined;
    if (error ? mayTryAgain(error, isIdempotent) : saysYes(item, response) || isNotNow(item, response))
      return undefined;
    // That the engine is closed says nothing of the request.
    if (error && (error.outcome === 'canceled' || error.code === 'ERR_CLOSED')) return undefined;
    item.isBad = true;
    this.#bad++;
    return this.#failures.whyOf(item.index, error?.outcome ?? 'failed', this.#bad);
  }

  /** A result. Gives why nothing more may start, if so. */
  count(item: Item<unknown>, result: Result): string | undefined {
    const { outcome } = result;
    (item.host ? item.host.meter : this.#meter)?.result(result);
    this.counts[outcome]++;
    if (item.isBad) this.#bad--;
    return this.ending === undefined ? this.#failures?.whyOf(item.index, outcome, this.#bad) : undefined;
  }

  /** Of a batch with a journal: is this the end of the batch or its engine, and says nothing of the request? */
  isLost(error: KeylaneError, isIdempotent: boolean, hasLeft: boolean): boolean {
    if (error.code === 'ERR_CLOSED') return true;
    // The next try is whose who goes on with the batch. Where it may not run again, what is known of it is the most.
    if (this.ending === 'interrupted' && isIdempotent && mayTryAgain(error, true)) return true;
    return error.code === 'ERR_CANCELED' && (this.ending === 'interrupted' || !hasLeft);
  }

  /** What those come to that were not let start, and have no journal to wait in. */
  drained(): KeylaneError {
    return new KeylaneError('ERR_CANCELED', 'the batch was drained before it started', { outcome: 'not_started' });
  }

  /** The same, where it is stopped. */
  stopped(): KeylaneError {
    return new KeylaneError('ERR_STOPPED', `the batch was stopped before it: ${this.why}`);
  }

  get settled(): number {
    const { ok, failed, not_started, unknown, canceled } = this.counts;
    return ok + failed + not_started + unknown + canceled;
  }

  /** How it ended, or will when nothing is in flight any more. */
  get end(): Exclude<BatchState, 'running'> {
    if (this.ending === 'canceled') return 'canceled';
    if (this.failure || this.dropped > 0) return 'interrupted';
    const isWhole = this.isExhausted || this.settled === this.total;
    if (this.why !== undefined && (isWhole || this.ending === 'stopped')) return 'stopped';
    return isWhole ? 'done' : 'interrupted';
  }

  progress(inFlight: number, paused: boolean): BatchProgress {
    const { total, settled, why } = this;
    const state = this.isOver || this.ending ? this.end : 'running';
    return { total, settled, counts: { ...this.counts }, inFlight, paused, state, ...(why !== undefined && { why }) };
  }
}

/** The peer wants it to be tried later, which it may be. */
function isNotNow({ host, parsed }: Item<unknown>, response: unknown): boolean {
  return parsed !== undefined && host?.again?.(response, parsed) !== undefined;
}

/** A driver that cannot read its own response has not said yes; here that must not end the shard's conversation. */
function saysYes({ host }: Item<unknown>, response: unknown): boolean {
  try {
    return host!.ok(response);
  } catch {
    return false;
  }
}
