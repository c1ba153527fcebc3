/** Tokens are counted in floating point: so little may be missing of a whole one. What is taken too early is owed. */
const ABOUT = 1e-9;

/** How fast the requests of a key may start (`limits.ratePerKey`). */
export interface Rate {
  perSecond: number;
  burst: number;
}

/**
 * The tokens of one key. A request takes one before it gets in line for a stream, and what has been taken but not started
 * counts as still in the bucket: it is filled up to `burst − passed` only. So what waits for a connection together starts
 * together without a burst too many: in any t seconds at most `burst` + `perSecond` × t requests start.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;
  /** Taken by requests that have not started yet. */
  #passed = 0;

  /** `emptyAt`: it was empty then, if ever. */
  constructor({ perSecond, burst }: Rate, emptyAt: number, now: number) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#tokens = Math.min(burst, (now - emptyAt) * this.#perMs);
    this.#at = now;
  }

  /** When there is a token; Infinity: not before one that passed has started. */
  readyAt(now: number): number {
    this.#fill(now);
    if (this.#tokens >= 1 - ABOUT) return now;
    return this.#passed > this.#burst - 1 ? Number.POSITIVE_INFINITY : now + (1 - this.#tokens) / this.#perMs;
  }

  take(): void {
    this.#tokens--;
    this.#passed++;
  }

  /** One that took a token starts now, or gives it `back`. Up to now it was filled only so far. */
  settled(now: number, back: 0 | 1): void {
    this.#fill(now);
    this.#passed--;
    this.#tokens += back;
  }

  /** When it is full, and as good as a new one. */
  fullAt(now: number): number {
    this.#fill(now);
    if (this.#passed > 0) return Number.POSITIVE_INFINITY;
    return this.#tokens >= this.#burst - ABOUT ? now : now + (this.#burst - this.#tokens) / this.#perMs;
  }

  #fill(now: number): void {
    const most = this.#burst - this.#passed;
    this.#tokens = Math.min(most, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
