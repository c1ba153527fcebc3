/** An item of a heap, of one at a time. */
export interface Timed {
  dueAt: number;
  /** Where it stands, −1 where it is in none. Changed by the heap alone. */
  place: number;
}

/** What is due first comes first. Joining, moving and leaving are O(log n); an item is in it once. */
export class Heap<T extends Timed> {
  readonly #items: T[] = [];

  get first(): T | undefined {
    return this.#items[0];
  }

  /** Puts it in, or where it belongs by a new time. */
  set(item: T, dueAt: number): void {
    item.dueAt = dueAt;
    if (item.place < 0) item.place = this.#items.push(item) - 1;
    this.#down(this.#up(item));
  }

  remove(item: T): void {
    if (item.place < 0) return;
    const last = this.#items.pop() as T;
    if (last !== item) {
      this.#put(last, item.place);
      this.#down(this.#up(last));
    }
    item.place = -1;
  }

  #up(item: T): T {
    while (item.place > 0) {
      const parent = this.#items[(item.place - 1) >> 1] as T;
      if (parent.dueAt <= item.dueAt) break;
      this.#swap(item, parent);
    }
    return item;
  }

  #down(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const child = right && left && right.dueAt < left.dueAt ? right : left;
      if (!child || child.dueAt >= item.dueAt) return;
      this.#swap(item, child);
    }
  }

  #swap(item: T, other: T): void {
    const { place } = item;
    this.#put(item, other.place);
    this.#put(other, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}
