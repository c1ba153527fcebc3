import type { Committed } from './committed.js';
import { readLine } from './result-line.js';

export interface SlowKey {
  /** The host, where the request has one. */
  key: string;
  /** What its slowest request took. */
  ms: number;
  /** Which one that was. */
  index: number;
}

/** Requests that are kept, so that a few keys are among them even where one has many slow ones. */
const KEPT = 64;
const TOLD = 5;

/** The slowest requests seen so far. Only theirs are the lines that are read, and only when somebody asks. */
export class Slowest {
  /** The slowest first. */
  readonly #kept: { ms: number; committed: Committed; at: number }[] = [];
  #least = -1;

  note(ms: number, committed: Committed, at: number): void {
    if (ms <= this.#least) return;
    const kept = this.#kept;
    let place = kept.length;
    while (place > 0 && kept[place - 1]!.ms < ms) place--;
    kept.splice(place, 0, { ms, committed, at });
    if (kept.length > KEPT) kept.pop();
    if (kept.length === KEPT) this.#least = kept[KEPT - 1]!.ms;
  }

  keys(): SlowKey[] {
    const keys = new Map<string, SlowKey>();
    for (const { ms, committed, at } of this.#kept) {
      const { host, key, id } = readLine(committed.line(at));
      const name = host ?? (key || id);
      if (!keys.has(name)) keys.set(name, { key: name, ms, index: committed.index(at) });
      if (keys.size === TOLD) break;
    }
    return [...keys.values()];
  }
}
