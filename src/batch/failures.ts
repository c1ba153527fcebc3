import type { Outcome } from '../types.js';

/** Of an input whose length is not known, a share says nothing before so many are settled. */
const ENOUGH = 20;

export interface FailureBounds {
  maxFailures?: number | `${number}%` | undefined;
  /** The first so many must all be ok. */
  canary?: number | undefined;
}

export type Counts = Record<Outcome, number>;

/** Whether enough has gone wrong that nothing more of a batch may start. */
export class Failures {
  readonly #most: number;
  /** Of what is settled, 0 to 1; where the length of the input is known, `most` says it. */
  readonly #share: number | undefined;
  readonly #asked: string;
  readonly #canary: number;
  readonly #counts: Readonly<Counts>;

  /** `counts`: of what is settled, kept by the caller; of earlier processes too. */
  constructor({ maxFailures, canary = 0 }: FailureBounds, total: number | undefined, counts: Readonly<Counts>) {
    this.#asked = String(maxFailures);
    this.#canary = canary;
    this.#counts = counts;
    const isShare = typeof maxFailures === 'string';
    const share = isShare ? Number.parseFloat(maxFailures) / 100 : undefined;
    this.#share = total === undefined ? share : undefined;
    if (!isShare) this.#most = maxFailures ?? Number.POSITIVE_INFINITY;
    // 1e-9: a share is no exact number in binary, and 7 % of 100 must not be 8.
    else this.#most = total === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(total * share! - 1e-9));
  }

  /** Why nothing more may start, now that the counts have changed; undefined where it may. `more`: bad ones not counted yet. */
  why(more = 0): string | undefined {
    const { ok, failed, not_started, unknown } = this.#counts;
    const bad = failed + not_started + unknown + more;
    if (bad === 0) return undefined;
    const settled = bad + ok + this.#counts.canceled;
    const isEnough =
      bad >= this.#most || (this.#share !== undefined && settled >= ENOUGH && bad >= settled * this.#share);
    return isEnough ? `${bad} of ${settled} failed, and \`maxFailures\` is ${this.#asked}` : undefined;
  }

  /** The same of one request: the canary has no failures. */
  whyOf(index: number, outcome: Outcome, more = 0): string | undefined {
    if (index < this.#canary && outcome !== 'ok') return `the canary is not ok: request ${index} is ${outcome}`;
    return this.why(more);
  }
}
