import type { Clock } from '../util/clock.js';

/** Longer than this nothing is saved up: who paused does not start all at once. */
const BURST_MS = 100;

/** So many starts a second: a token bucket that holds a tenth of a second's worth, at least one. */
export class Rate {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#perMs = perSecond / 1_000;
    this.#most = Math.max(1, this.#perMs * BURST_MS);
    this.#tokens = this.#most;
    this.#filledAt = clock.now();
  }

  take(): boolean {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.#most, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    // A timer that is due at the very moment must not find a hair too little.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens--;
    return true;
  }

  putBack(): void {
    this.#tokens = Math.min(this.#most, this.#tokens + 1);
  }

  /** Milliseconds until there is a token. */
  get waitMs(): number {
    return Math.max(0, (1 - this.#tokens) / this.#perMs);
  }
}
