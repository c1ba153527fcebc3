import type { KeylaneError } from '../src/errors.js';
import { PriorityQueue } from '../src/util/queue.js';
import type { Lease } from './lease.js';
import type { Waiter } from './waiter.js';

/** Who waits for a stream of one lane: by priority, in the order they came. */
export class Waiters {
  readonly #queue = new PriorityQueue<Waiter>();
  #serving = false;

  get size(): number {
    return this.#queue.size;
  }

  push(waiter: Waiter): void {
    this.#queue.push(waiter.inQueue, waiter.priority);
  }

  /** Its stream was refused: it is the next of its priority. */
  unshift(waiter: Waiter): void {
    this.#queue.unshift(waiter.inQueue, waiter.priority);
  }

  remove(waiter: Waiter): void {
    this.#queue.remove(waiter.inQueue);
  }

  /**
   * Grants streams while there are some. Not re-entered: a request that ends as soon as it is granted leaves the next to
   * the loop that granted it. False: that loop runs.
   */
  serve(lease: () => Lease | undefined): boolean {
    if (this.#serving) return false;
    this.#serving = true;
    while (this.#queue.size > 0) {
      const granted = lease();
      if (!granted) break;
      this.#queue.shift()?.granted(granted);
    }
    this.#serving = false;
    return true;
  }

  /** Only who waits now: one that is refused may come back at once, and must not meet the same failure again here. */
  refuse(error: KeylaneError): void {
    for (let left = this.#queue.size; left > 0; left--) this.#queue.shift()?.refused(error);
  }
}
