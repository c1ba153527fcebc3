import type { Quota } from '../src/types.js';

/** What is counted at times closer together than this part of the window may be kept as one, with the later time. */
const PARTS = 128;

/** What was counted at about one time. */
interface Entry {
  since: number;
  /** The last of it. */
  at: number;
  units: number;
}

/**
 * What one quota of a key has counted in the last `perMs`. Exact where the quota is no more than 128; beyond, what comes
 * within a 128th of the window is counted as the last of it, which is strict: it may hold a request back for that much
 * longer, and never lets one too many start. So it holds no more than some 130 entries, also for 10,000 a day.
 *
 * What was let pass counts from then on, until it is known when it started: the sum of both is never more than `most`.
 */
export class Window {
  readonly of: 'requests' | 'units';
  readonly perMs: number;
  most: number;
  readonly #entries: Entry[] = [];
  /** Units of the entries. */
  #counted = 0;
  /** Units that were let pass and have no time yet. */
  #passed = 0;

  constructor({ of = 'requests', perMs, most }: Quota) {
    this.of = of;
    this.perMs = perMs;
    this.most = most;
  }

  /** Entries that it holds. */
  get size(): number {
    return this.#entries.length;
  }

  /** What a request of so many units counts here. */
  unitsOf(units: number): number {
    return this.of === 'units' ? units : 1;
  }

  /** When so many may pass; Infinity: not before something that passed has its time. */
  readyAt(now: number, units: number): number {
    this.#forget(now);
    let over = this.#counted + this.#passed + units - this.most;
    if (over <= 0) return now;
    for (const entry of this.#entries) {
      over -= entry.units;
      if (over <= 0) return entry.at + this.perMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  pass(units: number): void {
    this.#passed += units;
  }

  /** Those that passed do not start. */
  back(units: number): void {
    this.#passed -= units;
  }

  /** Those that passed are counted as of this time. */
  count(units: number, at: number): void {
    this.#passed -= units;
    this.#counted += units;
    const last = this.#entries.at(-1);
    const grain = this.most > PARTS ? this.perMs / PARTS : 0;
    if (last && at - last.since <= grain) {
      last.units += units;
      last.at = Math.max(last.at, at);
    } else {
      this.#entries.push({ since: at, at, units });
    }
  }

  /** When it has nothing to remember any more. */
  emptyAt(): number {
    if (this.#passed > 0) return Number.POSITIVE_INFINITY;
    const last = this.#entries.at(-1);
    return last ? last.at + this.perMs : Number.NEGATIVE_INFINITY;
  }

  #forget(now: number): void {
    let gone = 0;
    for (const { at, units } of this.#entries) {
      if (at + this.perMs > now) break;
      this.#counted -= units;
      gone++;
    }
    if (gone > 0) this.#entries.splice(0, gone);
  }
}
