/** Counters. What any key took is known to within the total divided by this plus one. */
const COUNTERS = 64;

/**
 * The keys that take most of a stream of weights, in bounded memory. (Misra and Gries, "Finding repeated elements", 1982,
 * with weights.) A key that has no counter takes one, or, where none is free, as much off every counter as the smallest
 * holds. So an estimate is never too high, and too low by at most the total / (counters + 1); and because each round
 * takes that much of all that ever came, adding is O(1) amortized.
 */
export class Heavy {
  readonly #counters = new Map<string, { weight: number }>();

  add(key: string, weight: number): void {
    const counter = this.#counters.get(key);
    if (counter) counter.weight += weight;
    else if (this.#counters.size < COUNTERS) this.#counters.set(key, { weight });
    else this.#takeOff(key, weight);
  }

  /** The `most` heaviest, the heaviest first. */
  top(most: number): { key: string; weight: number }[] {
    const all = [...this.#counters].map(([key, { weight }]) => ({ key, weight }));
    return all.sort((a, b) => b.weight - a.weight).slice(0, most);
  }

  #takeOff(key: string, weight: number): void {
    let off = weight;
    for (const counter of this.#counters.values()) off = Math.min(off, counter.weight);
    for (const [name, counter] of this.#counters) {
      counter.weight -= off;
      if (counter.weight === 0) this.#counters.delete(name);
    }
    if (weight > off) this.#counters.set(key, { weight: weight - off });
  }
}

/**
 * A stream of weights, thinned: of what is small only one in so many is handed on, for `step` each, chosen at random so
 * that keys that take turns do not hide one another. What is at least `8 * step` is handed on as it is.
 */
export class Sampled {
  readonly #step: number;
  readonly #random: () => number;
  #left: number;

  constructor(step: number, random: () => number) {
    this.#step = step;
    this.#random = random;
    this.#left = this.#gap();
  }

  /** How much to count for this one; mostly 0. */
  take(weight: number): number {
    if (weight >= 8 * this.#step) return weight;
    this.#left -= weight;
    let taken = 0;
    while (this.#left <= 0) {
      taken += this.#step;
      this.#left += this.#gap();
    }
    return taken;
  }

  /** `step` on average, and never 0. */
  #gap(): number {
    return (1 - this.#random()) * 2 * this.#step;
  }
}
