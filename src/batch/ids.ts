import type { Outcome } from '../types.js';
import type { Item } from './item.js';

/** How requests ended, by their ids. */
export interface Ids {
  /** False where there is one of this id already. */
  enter(item: Item<unknown>): boolean;
  settled(item: Item<unknown>, outcome: Outcome): void;
  /** Undefined where it is not settled, or not there. */
  outcomeOf(id: string): Outcome | undefined;
}

/** Of an input that was checked as a whole: only those that an `after` names are of interest. */
export class NamedIds implements Ids {
  readonly #named: ReadonlyMap<string, number>;
  readonly #outcomes = new Map<string, Outcome>();

  /** `known`: how the request of an index ended in an earlier process. */
  constructor(named: ReadonlyMap<string, number>, known: (index: number) => Outcome | undefined) {
    this.#named = named;
    for (const [id, index] of named) {
      const outcome = known(index);
      if (outcome !== undefined) this.#outcomes.set(id, outcome);
    }
  }

  enter(): true {
    return true;
  }

  settled(item: Item<unknown>, outcome: Outcome): void {
    if (this.#named.size > 0 && this.#named.has(item.id)) this.#outcomes.set(item.id, outcome);
  }

  outcomeOf(id: string): Outcome | undefined {
    return this.#outcomes.get(id);
  }
}

const OUTCOMES: readonly Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];
/** Of a request that was taken and has no outcome: one more than there are outcomes. */
const TAKEN = OUTCOMES.length + 1;
const DIGITS = /^(?:0|[1-9]\d{0,8})$/;

/**
 * Of an input that is seen as it comes: all of them, for any later one may name any earlier one. An id that is the index
 * costs a byte; another one its place in a map.
 */
export class SeenIds implements Ids {
  #byIndex = new Uint8Array(1_024);
  readonly #byId = new Map<string, Outcome | undefined>();

  enter(item: Item<unknown>): boolean {
    const { index, own } = item;
    const id = own?.id;
    if (id === undefined) {
      if (this.#byId.size > 0 && this.#byId.has(String(index))) return false;
      this.#set(index, TAKEN);
      return true;
    }
    if (this.#byId.has(id) || (DIGITS.test(id) && this.#byIndex[Number(id)])) return false;
    this.#byId.set(id, undefined);
    return true;
  }

  settled({ index, own }: Item<unknown>, outcome: Outcome): void {
    const id = own?.id;
    if (id === undefined) this.#set(index, OUTCOMES.indexOf(outcome) + 1);
    else this.#byId.set(id, outcome);
  }

  outcomeOf(id: string): Outcome | undefined {
    if (this.#byId.has(id)) return this.#byId.get(id);
    return DIGITS.test(id) ? OUTCOMES[(this.#byIndex[Number(id)] ?? 0) - 1] : undefined;
  }

  #set(index: number, state: number): void {
    if (index >= this.#byIndex.length) {
      const grown = new Uint8Array(Math.max(index + 1, 2 * this.#byIndex.length));
      grown.set(this.#byIndex);
      this.#byIndex = grown;
    }
    this.#byIndex[index] = state;
  }
}
