/** Language servers take ids of 32 bits. (LSP 3.17, "integer") */
export const LAST_ID = 0x7fff_ffff;
const LEAST_ROOM = 64;

/**
 * What waits for an answer, by id. Ids go up by one; one whose place in the ring is still taken is passed over.
 *
 *     ring   …│ 65 │ 66 │  3 │    │    │…     of `size` n at least 2n places; an id stands at its remainder
 *
 * Not a Map, which makes a table anew whenever so many have come and gone. The old ones point to the next, and one that has
 * got old keeps all that were in the later ones until a whole collection: at 64 in flight half of all garbage was carried on,
 * a whole collection came eight times a second, and the collector's threads took a quarter of the CPU.
 */
export class Calls<C extends { readonly id: number }> {
  #ring = new Array<C | undefined>(LEAST_ROOM).fill(undefined);
  #size = 0;
  #lastId: number;

  /** `lastId`: the id before the first; a test begins near the last. */
  constructor(lastId = 0) {
    this.#lastId = lastId;
  }

  get size(): number {
    return this.#size;
  }

  /** An id for the next call. */
  newId(): number {
    do this.#lastId = this.#lastId === LAST_ID ? 1 : this.#lastId + 1;
    while (this.#ring[this.#placeOf(this.#lastId)]);
    return this.#lastId;
  }

  /** A call whose id is the newest. */
  add(call: C): void {
    this.#ring[this.#placeOf(call.id)] = call;
    this.#size++;
    if (2 * this.#size > this.#ring.length) this.#widen();
  }

  /** `id`: any number that somebody said. */
  get(id: number): C | undefined {
    const call = this.#ring[this.#placeOf(id)];
    return call?.id === id ? call : undefined;
  }

  delete(call: C): void {
    if (this.get(call.id) !== call) return;
    this.#ring[this.#placeOf(call.id)] = undefined;
    this.#size--;
  }

  /** Those that are there now. */
  all(): C[] {
    return this.#ring.filter((call) => call !== undefined);
  }

  #placeOf(id: number): number {
    return id & (this.#ring.length - 1);
  }

  /** Ids with different remainders have different ones by twice as much. */
  #widen(): void {
    const calls = this.all();
    this.#ring = new Array<C | undefined>(2 * this.#ring.length).fill(undefined);
    for (const call of calls) this.#ring[this.#placeOf(call.id)] = call;
  }
}
