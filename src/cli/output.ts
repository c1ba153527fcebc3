import type { Chunk } from '../index.js';
import type { HostResult, Item } from './item.js';

/** Where what the hosts say goes. */
export interface Output {
  /** Wants the pieces of answers as they come. */
  readonly live: boolean;
  chunk(item: Item, chunk: Chunk): void;
  /** Called once for each host. */
  result(item: Item, result: HostResult): void | Promise<void>;
  /** Called once, after the last result. */
  end(): void;
}

/** Hands on in the order of the index what comes in any order. What comes early is held. */
export class InOrder<T> {
  readonly #held = new Map<number, T>();
  readonly #use: (value: T) => void;
  #next = 0;

  constructor(use: (value: T) => void) {
    this.#use = use;
  }

  put(index: number, value: T): void {
    this.#held.set(index, value);
    for (let next = this.#held.get(this.#next); next !== undefined; next = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++);
      this.#use(next);
    }
  }
}
