import type { Clock } from './util/clock.js';

/** Of the requests of the last minute so many may be retries … */
const SHARE = 0.1;
/** … or so many in all, where that is more: a small run retries too. */
const LEAST = 100;
const SLICES = 6;
const SLICE_MS = 10_000;

/** What began in ten seconds. `ofKey` is made when there is a retry to count. */
interface Slice {
  number: number;
  requests: number;
  retries: number;
  ofKey: Map<string, number> | undefined;
}

/**
 * How many retries an engine may make, over all its keys: where everything fails, three tries each would be three times
 * the load on what is down already. A tenth of the requests, as Google's clients have it (Site Reliability Engineering,
 * ch. 21 "Handling Overload": per-client retry budget). Finagle's RetryBudget adds its minimum to the share; here the
 * larger of the two counts, so that attempts stay below 1.1 × requests from 1,000 requests a minute on.
 *
 * One key gets at most half, so that a host that fails leaves the other half to all others.
 */
export class RetryBudget {
  readonly #clock: Clock;
  /** The last minute, newest first; what is older is dropped when somebody looks. */
  #slices: Slice[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request that may be retried makes its first try. */
  requested(): void {
    this.#now.requests++;
  }

  /** May a request of the key be tried once more? If so, it is counted. */
  take(key: string): boolean {
    const now = this.#now;
    let requests = 0;
    let retries = 0;
    let ofKey = 0;
    for (const slice of this.#slices) {
      requests += slice.requests;
      retries += slice.retries;
      ofKey += slice.ofKey?.get(key) ?? 0;
    }
    const most = Math.max(LEAST, Math.floor(requests * SHARE));
    if (retries >= most || ofKey >= most / 2) return false;
    now.retries++;
    now.ofKey ??= new Map();
    now.ofKey.set(key, (now.ofKey.get(key) ?? 0) + 1);
    return true;
  }

  get #now(): Slice {
    const number = Math.floor(this.#clock.now() / SLICE_MS);
    const newest = this.#slices[0];
    if (newest?.number === number) return newest;
    const slice: Slice = { number, requests: 0, retries: 0, ofKey: undefined };
    this.#slices = [slice, ...this.#slices.filter((old) => old.number > number - SLICES)];
    return slice;
  }
}
