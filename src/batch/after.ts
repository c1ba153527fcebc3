import { KeylaneError } from '../errors.js';
import type { Outcome } from '../types.js';
import { type Ids, NamedIds, SeenIds } from './ids.js';
import type { Item } from './item.js';
import type { Input } from './source.js';

/** Requests that may wait for others at the same time. */
const MOST_HELD = 10_000;

/** Requests that wait until others are ok. */
export class After<Req> {
  readonly #ids: Ids;
  /** By the id that they wait for. */
  readonly #waiting = new Map<string, Held<Req>[]>();
  readonly #held = new Set<Held<Req>>();
  readonly #free: Item<Req>[] = [];

  constructor(ids: Ids) {
    this.#ids = ids;
  }

  get size(): number {
    return this.#held.size + this.#free.length;
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** One that need not wait any more, to start or to be refused. */
  takeFree(): Item<Req> | undefined {
    return this.#free.shift();
  }

  /** A request is taken from the input. A second one of an id is marked as refused. */
  enter(item: Item<Req>): void {
    if (this.#ids.enter(item)) return;
    item.isSecond = true;
    item.refused ??= new KeylaneError('ERR_INPUT', `the id ${JSON.stringify(item.id)} is there already`);
  }

  /** True where it waits: it is free when those are ok, or will not be. Where it will never start, it is marked as refused. */
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

  /** Called where the result is safe. */
  settled(item: Item<Req>, outcome: Outcome): void {
    // The second one of an id says nothing of the first.
    if (item.isSecond) return;
    this.#ids.settled(item, outcome);
    if (this.#held.size === 0) return;
    const { id } = item;
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    for (const held of waiting) {
      if (!this.#held.has(held)) continue;
      held.missing.delete(id);
      if (outcome !== 'ok') held.item.refused = notOk(id, outcome);
      else if (held.missing.size > 0) continue;
      this.#held.delete(held);
      this.#free.push(held.item);
    }
  }

  /** Nothing else is to come: what those wait for who still wait is not there. */
  refuseAll(): void {
    for (const { item, missing } of this.#held) {
      const [id] = missing;
      const says = `\`after\` names ${JSON.stringify(id)}, which is not in this batch, or waits for this one in turn`;
      item.refused = new KeylaneError('ERR_INPUT', says);
    }
    this.freeAll();
  }

  /** Nobody waits any more, as they are. */
  freeAll(): void {
    for (const { item } of this.#held) this.#free.push(item);
    this.#held.clear();
    this.#waiting.clear();
  }
}

/** Undefined where no request can say that it waits. `known`: how those of an earlier process ended. */
export function afterOf<Req>(
  { kind, from }: Input<Req>,
  { each }: { each?: unknown },
  known: (index: number) => Outcome | undefined,
): After<Req> | undefined {
  if (kind === 'source' && from.named) return new After(new NamedIds(from.named, known));
  return kind !== 'requests' || each ? new After(new SeenIds()) : undefined;
}

interface Held<Req> {
  readonly item: Item<Req>;
  readonly missing: Set<string>;
}

function notOk(id: string, outcome: Outcome): KeylaneError {
  return new KeylaneError('ERR_STOPPED', `${JSON.stringify(id)} is ${outcome}, and this request comes after it`);
}
