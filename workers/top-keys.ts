import type { TopKeys } from '../src/wire/protocol.js';
import { Heavy, Sampled } from './heavy.js';

const SHOWN = 10;
/** One request in so many is counted, and one in so many microseconds of time held. */
const REQUESTS_STEP = 16;
const HELD_STEP_US = 4_000;

/**
 * Which keys take most of a shard, by requests and by the time for which they held streams. Figures are of whole spans of
 * time: those of the span before, and where there is none yet, of this one. What it costs: load/scenarios/top-keys.ts.
 */
export class KeyCounts {
  readonly #random: () => number;
  readonly #requests: Sampled;
  readonly #held: Sampled;
  #span: Span;
  #last: { top: TopKeys } | undefined = undefined;

  constructor(now: number, random: () => number) {
    this.#random = random;
    this.#requests = new Sampled(REQUESTS_STEP, this.#random);
    this.#held = new Sampled(HELD_STEP_US, this.#random);
    this.#span = new Span(now);
  }

  /** A request was answered, after it had held a stream for so long. */
  note(key: string, heldUs: number): void {
    const span = this.#span;
    span.requests++;
    const requests = this.#requests.take(1);
    if (requests > 0) span.byRequests.add(key, requests);
    const us = this.#held.take(heldUs);
    if (us > 0) span.byTime.add(key, us);
  }

  /** Begins another span. */
  turn(now: number): void {
    this.#last = { top: this.#span.top(now) };
    this.#span = new Span(now);
    this.#requests.turn();
    this.#held.turn();
  }

  top(now: number): TopKeys {
    return this.#last?.top ?? this.#span.top(now);
  }
}

class Span {
  requests = 0;
  readonly byRequests = new Heavy();
  readonly byTime = new Heavy();
  readonly #since: number;

  constructor(since: number) {
    this.#since = since;
  }

  top(now: number): TopKeys {
    return {
      overMs: Math.round(now - this.#since),
      requests: this.requests,
      byRequests: this.byRequests.top(SHOWN).map(({ key, weight }) => ({ key, requests: weight })),
      byTime: this.byTime.top(SHOWN).map(({ key, weight }) => ({ key, heldMs: Math.round(weight / 1000) })),
    };
  }
}
