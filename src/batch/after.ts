import { KeylaneError } from '../errors.js';
import type { Outcome } from '../types.js';
import type { Ids } from './ids.js';
import type { Item } from './item.js';

/** Requests that may wait for others at the same time. */
const MOST_HELD = 10_000;

/** Requests that wait until others are ok. */
export class After<Req> {
  readonly #ids: Ids;
  /** By the id that they wait for. */
  readonly #waiting = new Map<string, Held<Req>[]>();
  readonly #held = new Set<Held<Req>>();

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  get size(): number {
    return this.#held.size;
  }

  /** A request is taken from the input. A second one of an id is marked as refused. */
  enter(item: Item<Req>): void {
    if (this.#ids.enter(item)) return;
    item.isSecond = true;
    item.refused ??= new KeylaneError('ERR_INPUT', `the id ${JSON.stringify(item.id)} is there already`);
  }

  /** True where it waits: it comes back from `settled` or `left`. Where it will never start, it is marked as refused. */
  holds(item: Item<Req>): boolean {
    const after = item.own?.after;
    if (after === undefined || after.length === 0 || item.refused) return false;
    const missing: string[] = [];
    for (const id of new Set(after)) {
      const outcome = this.#ids.outcomeOf(id);
      if (outcome === undefined) missing.push(id);
      else if (outcome !== 'ok') {
        item.refused = notOk(id, outcome);
        return false;
      }
    }
    if (missing.length === 0) return false;
    if (this.#held.size >= MOST_HELD) {
      const says = `\`after\`: ${MOST_HELD} requests wait for others already, and more may not`;
      item.refused = new KeylaneError('ERR_INPUT', says);
      return false;
    }
    const held = { item, missing: new Set(missing) };
    this.#held.add(held);
    for (const id of missing) {
      const others = this.#waiting.get(id);
      if (others) others.push(held);
      else this.#waiting.set(id, [held]);
    }
    return true;
  }

  /** Who need not wait any more, to start or to be refused. Called where the result is safe. */
  settled(item: Item<Req>, outcome: Outcome): Item<Req>[] {
    // The second one of an id says nothing of the first.
    if (item.isSecond) return [];
    this.#ids.settled(item, outcome);
    if (this.#held.size === 0) return [];
    const { id } = item;
    const waiting = this.#waiting.get(id);
    if (!waiting) return [];
    this.#waiting.delete(id);
    const free: Item<Req>[] = [];
    for (const held of waiting) {
      if (!this.#held.has(held)) continue;
      held.missing.delete(id);
      if (outcome !== 'ok') held.item.refused = notOk(id, outcome);
      else if (held.missing.size > 0) continue;
      this.#held.delete(held);
      free.push(held.item);
    }
    return free;
  }

  /** When nothing else is to come: all who still wait, refused, for what they wait for is not there. */
  left(): Item<Req>[] {
    const items = [...this.#held].map(({ item, missing }) => {
      const [id] = missing;
      const says = `\`after\` names ${JSON.stringify(id)}, which is not in this batch, or waits for this one in turn`;
      item.refused = new KeylaneError('ERR_INPUT', says);
      return item;
    });
    this.clear();
    return items;
  }

  /** All who still wait, as they are. */
  clear(): Item<Req>[] {
    const items = [...this.#held].map(({ item }) => item);
    this.#held.clear();
    this.#waiting.clear();
    return items;
  }
}

interface Held<Req> {
  readonly item: Item<Req>;
  readonly missing: Set<string>;
}

function notOk(id: string, outcome: Outcome): KeylaneError {
  return new KeylaneError('ERR_STOPPED', `${JSON.stringify(id)} is ${outcome}, and this request comes after it`);
}
