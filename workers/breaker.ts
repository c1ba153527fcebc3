import type { Due } from '../src/util/deadlines.js';

/** A try; what is told of it is told of the same object. `dueAt` is when it is over at the latest. */
export type Attempt = Readonly<Due>;

export interface BreakerBounds {
  /** Failures in a row that open it. */
  failures: number;
  /** How long it is open: this at first, then twice, three times … so long. */
  openMs: number;
  maxOpenMs: number;
}

type BreakerState = 'closed' | 'open' | 'half_open';

/**
 * Keeps us from a peer that fails each time. It holds no timer and knows no clock: whoever asks says what time it is.
 *
 *     closed ── `failures` in a row ──▶ open ── its time is over, and one try begins ──▶ half_open ── success ──▶ closed
 *                                        ▲                                                  │
 *                                        └── failure: for longer; no evidence: as it was ───┘
 *
 * half_open   exactly one try is under way, the probe; nobody else is let through
 *
 * How long it is open follows Envoy's outlier detection: a base time × how often it opened, up to a most. Half of that
 * is random ("equal jitter": M. Brooker, Exponential Backoff And Jitter, AWS 2015), so that hosts that fell together are
 * not all tried in the same moment. Not full jitter: that would let the next try come at once, where a peer is to be let
 * alone. The waits of the requests that come back have full jitter (src/tries.ts).
 */
export class Breaker {
  /** In a row. */
  failures = 0;
  /** What the last failure that counted said. */
  said = '';
  /** When the next try is let through, once it is open. */
  until = 0;
  readonly #bounds: BreakerBounds;
  #state: BreakerState = 'closed';
  /** How often it opened since it was last closed. */
  #ejections = 0;
  /** The one try that is let through. */
  #probe: Attempt | undefined = undefined;

  constructor(bounds: BreakerBounds) {
    this.#bounds = bounds;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** When it is worth to ask again: the next try may begin, or the one that is under way has ended. */
  get nextAt(): number {
    return this.#probe ? this.#probe.dueAt : this.until;
  }

  /** May a try begin now? */
  lets(now: number): boolean {
    return this.#state === 'closed' || (this.#state === 'open' && now >= this.until);
  }

  /** A try begins. Nobody may begin one that is not let through. */
  began(attempt: Attempt, now: number): void {
    if (!this.lets(now)) throw new Error(`a try began while its breaker was ${this.#state}`);
    if (this.#state === 'closed') return;
    this.#state = 'half_open';
    this.#probe = attempt;
  }

  /** A try failed. Returns how long it is open from now on, 0 where it did not open by this. */
  failed(attempt: Attempt, said: string, now: number, random: () => number): number {
    // Begun before it opened: what it says is known.
    if (this.#state !== 'closed' && attempt !== this.#probe) return 0;
    this.failures++;
    this.said = said;
    if (this.#state === 'closed' && this.failures < this.#bounds.failures) return 0;
    this.#ejections++;
    const { openMs, maxOpenMs } = this.#bounds;
    const forMs = Math.min(openMs * this.#ejections, maxOpenMs) * (1 - random() / 2);
    this.#state = 'open';
    this.#probe = undefined;
    this.until = now + forMs;
    return forMs;
  }

  /** A try ended in a way that says nothing of the peer: if it was the probe, the next one is. */
  unclear(attempt: Attempt): void {
    if (attempt !== this.#probe) return;
    this.#state = 'open';
    this.#probe = undefined;
  }
}
