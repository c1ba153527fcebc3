import type { Call } from './call.js';
import type { KeylaneError } from './errors.js';
import type { Outcome, Result } from './types.js';

/** What became of the requests of one driver since the engine was made: each counts once, however many tries it had. */
export interface RequestStats {
  outcomes: Record<Outcome, number>;
  /** Tries after the first ones. */
  retries: number;
  /** Of those that ended with an error, how many by its code: `ERR_SATURATED`, `ERR_BREAKER_OPEN`, `ERR_TIMEOUT`, … */
  errors: Record<string, number>;
  /** Answered out of memory or from disk. They took no time that says anything, and are in none of the histograms. */
  remembered: number;
  /** How long they waited, in admission and for a stream: those that waited in vain too. */
  queued: Histogram;
  /** How long they waited for a connection to be opened: those that did. */
  open: Histogram;
  /** How long they ran, of the last try: those that came to that. */
  run: Histogram;
  /** How long all of that took together: those that reached a shard. */
  total: Histogram;
}

/** How long things took. */
export interface Histogram {
  /** In milliseconds: what each of `counts` is at most; the last of these has no bound. */
  boundsMs: readonly number[];
  /** How many took longer than the bound before, and not longer than this one. */
  counts: number[];
  /** How many in all, and what they took together. */
  count: number;
  sumMs: number;
}

/** Half a millisecond, a warm connection to the next machine, to a minute, the deadline where none is given. */
const BOUNDS_MS: readonly number[] = Object.freeze([
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
]);
const BOUNDS_US = Float64Array.from(BOUNDS_MS, (ms) => ms * 1_000);
/** More than there are in docs/errors.md. */
const MOST_CODES = 64;
const OTHERS = 'other';
const OUTCOMES: readonly Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];

/**
 * Counts the requests of one driver, when they are settled. On the path of every request: nothing is made for it (numbers
 * in typed arrays are changed in place), and it took 12 ns.
 */
export class RequestMeter {
  readonly #outcomes = new Float64Array(OUTCOMES.length);
  readonly #errors = new Map<string, number>();
  readonly #queued = new Times();
  readonly #open = new Times();
  readonly #run = new Times();
  readonly #total = new Times();
  #retries = 0;
  #remembered = 0;

  /** One that was handed over, by its last try. */
  call(call: Call, outcome: Outcome, attempts: number): void {
    this.#count(outcome, call.error, attempts);
    if (call.isRemembered) this.#remembered++;
    else this.#took(outcome, call.heldMs * 1_000 + call.queuedUs, call.openUs, call.runUs, call.shard);
  }

  /** The same, where the result is made anyway; and one that was never handed over. */
  result({ outcome, error, attempts, cached, timing, shard }: Result): void {
    this.#count(outcome, error, attempts);
    if (cached) this.#remembered++;
    else this.#took(outcome, timing.queuedMs * 1_000, timing.openMs * 1_000, timing.runMs * 1_000, shard);
  }

  /** One that was never handed over, or whose answer was on disk. */
  untried(error: KeylaneError | undefined): void {
    this.#count(error?.outcome ?? 'ok', error, 0);
    if (!error) this.#remembered++;
  }

  snapshot(): RequestStats {
    const counted = OUTCOMES.map((outcome, at) => [outcome, this.#outcomes[at]]);
    return {
      outcomes: Object.fromEntries(counted) as Record<Outcome, number>,
      retries: this.#retries,
      errors: Object.fromEntries(this.#errors),
      remembered: this.#remembered,
      queued: this.#queued.snapshot(),
      open: this.#open.snapshot(),
      run: this.#run.snapshot(),
      total: this.#total.snapshot(),
    };
  }

  #count(outcome: Outcome, error: KeylaneError | undefined, attempts: number): void {
    this.#outcomes[OUTCOMES.indexOf(outcome)]!++;
    if (attempts > 1) this.#retries += attempts - 1;
    if (error) this.#countError(error.code);
  }

  #countError(code: string): void {
    const there = this.#errors.get(code);
    // What a driver of one's own throws may have any code.
    if (there === undefined && this.#errors.size >= MOST_CODES)
      this.#errors.set(OTHERS, (this.#errors.get(OTHERS) ?? 0) + 1);
    else this.#errors.set(code, (there ?? 0) + 1);
  }

  #took(outcome: Outcome, queuedUs: number, openUs: number, runUs: number, shard: number): void {
    if (shard >= 0 || queuedUs > 0) this.#queued.add(queuedUs);
    if (shard >= 0) this.#total.add(queuedUs + openUs + runUs);
    if (openUs > 0) this.#open.add(openUs);
    if (runUs > 0 || outcome === 'ok' || outcome === 'failed') this.#run.add(runUs);
  }
}

class Times {
  readonly #counts = new Float64Array(BOUNDS_US.length + 1);
  readonly #sumUs = new Float64Array(1);

  /** Looked for from the lower end: most are there. */
  add(us: number): void {
    let at = 0;
    while (at < BOUNDS_US.length && us > BOUNDS_US[at]!) at++;
    this.#counts[at]!++;
    this.#sumUs[0]! += us;
  }

  snapshot(): Histogram {
    const counts = Array.from(this.#counts);
    const count = counts.reduce((sum, one) => sum + one, 0);
    return { boundsMs: BOUNDS_MS, counts, count, sumMs: this.#sumUs[0]! / 1_000 };
  }
}
