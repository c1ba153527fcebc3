/** How often the answers of one operation were remembered. */
export interface OperationStats {
  hits: number;
  misses: number;
  /** Answers given past their time. */
  stale: number;
  /** The share of all that was answered out of memory, 0 … 1. */
  hitRatio: number;
}

/** Operations that are counted apart; who comes later is counted as `other`. */
const MOST_OPERATIONS = 100;

/** Counts by operation, in bounded memory: operations may be made up by callers. */
export class Ratios {
  readonly #counts = new Map<string, { hit: number; miss: number; stale: number }>();

  note(operation: string, status: 'hit' | 'miss' | 'stale'): void {
    const name = this.#counts.has(operation) || this.#counts.size < MOST_OPERATIONS ? operation : 'other';
    let counts = this.#counts.get(name);
    if (!counts) {
      counts = { hit: 0, miss: 0, stale: 0 };
      this.#counts.set(name, counts);
    }
    counts[status]++;
  }

  snapshot(): Record<string, OperationStats> {
    return Object.fromEntries(
      Array.from(this.#counts, ([operation, { hit, miss, stale }]) => {
        const hitRatio = (hit + stale) / (hit + stale + miss);
        return [operation, { hits: hit, misses: miss, stale, hitRatio }];
      }),
    );
  }
}
