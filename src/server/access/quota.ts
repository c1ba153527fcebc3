import { type Clock, KeylaneError } from '../../index.js';
import { grouped } from '../../util/grouped.js';
import type { TokenQuota } from './token-options.js';

const NOTHING_TO_GIVE_BACK = (): void => {};
/** When what is in flight ends nobody knows. */
const SOON_MS = 1_000;

/** Counts what a token's bearer has, and refuses more. By the clock: nothing ticks while nobody asks. */
export class Quota {
  readonly #bounds: TokenQuota;
  readonly #clock: Clock;
  /** Requests that may come at once now; at most a second's worth. */
  #tokens: number;
  #at: number;
  readonly #held = { request: 0, batch: 0 };

  constructor(bounds: TokenQuota, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#tokens = burstOf(bounds);
    this.#at = clock.now();
  }

  /** Takes one, or throws `ERR_QUOTA`. What comes back gives it back; a second call of it does nothing. */
  take(what: 'request' | 'batch'): () => void {
    const most = what === 'batch' ? batchesOf(this.#bounds) : this.#bounds.inFlight;
    if (most !== undefined && this.#held[what] >= most) throw usedUp(HELD[what], most, SOON_MS);
    if (what === 'request') this.#spend();
    if (most === undefined) return NOTHING_TO_GIVE_BACK;
    this.#held[what]++;
    let isHeld = true;
    return () => {
      if (isHeld) this.#held[what]--;
      isHeld = false;
    };
  }

  #spend(): void {
    const { perSecond } = this.#bounds;
    if (perSecond === undefined) return;
    const now = this.#clock.now();
    this.#tokens = Math.min(burstOf(this.#bounds), this.#tokens + ((now - this.#at) * perSecond) / 1_000);
    this.#at = now;
    // What is added up in fractions falls short of a whole by less than this.
    if (this.#tokens < 1 - 1e-9)
      throw usedUp('requests in a second', perSecond, ((1 - this.#tokens) * 1_000) / perSecond);
    this.#tokens--;
  }
}

const HELD = { request: 'requests in flight', batch: 'batches that are not ended' };

function burstOf({ perSecond = 1 }: TokenQuota): number {
  return Math.max(1, perSecond);
}

/** Each batch may have as much as its bearer: of batches without number the other bounds would be none. */
function batchesOf({ batches, perSecond, inFlight }: TokenQuota): number | undefined {
  return batches ?? (perSecond === undefined && inFlight === undefined ? undefined : 1);
}

function usedUp(what: string, most: number, retryAfterMs: number): KeylaneError {
  return new KeylaneError('ERR_QUOTA', `the token may have ${grouped(most)} ${what}`, { retryAfterMs });
}
