/** Counts of one thread, by name. They begin at 0 again where it is replaced. */
export type Counts = Readonly<Record<string, number>>;

interface Seen {
  /** Of the threads before. */
  readonly before: Map<string, number>;
  /** Which thread it is: how often it was replaced. */
  restarts: number;
  last: Counts;
}

/**
 * Counts that never go back, of threads that may be replaced: what the lost one had counted when it was last looked at is
 * kept. What it counted after that is lost with it, which is a second's worth at most.
 */
export class Totals {
  readonly #shards: Seen[] = [];

  /** What a shard counts now. */
  note(shard: number, restarts: number, counts: Counts): void {
    this.#shards[shard] ??= { before: new Map(), restarts, last: {} };
    const seen = this.#shards[shard];
    if (restarts !== seen.restarts) {
      for (const [name, count] of Object.entries(seen.last)) add(seen.before, name, count);
      seen.restarts = restarts;
    }
    seen.last = counts;
  }

  /** What its threads have counted, all of them. */
  of(shard: number): Counts {
    const seen = this.#shards[shard];
    if (!seen) return {};
    const totals = new Map(seen.before);
    for (const [name, count] of Object.entries(seen.last)) add(totals, name, count);
    return Object.fromEntries(totals);
  }
}

function add(totals: Map<string, number>, name: string, count: number): void {
  totals.set(name, (totals.get(name) ?? 0) + count);
}
