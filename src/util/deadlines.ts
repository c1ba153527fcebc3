import type { Clock, Timer } from './clock.js';
import { type Link, List } from './queue.js';

/** Width of a bucket. A deadline fires up to this much late and never early. */
const BUCKET_MS = 16;

/**
 * Very many deadlines behind one timer: a set, a cancel and a pass cost O(1) each, where a setTimeout per request
 * would cost about 0.3 µs and a heap O(log n). Deadlines of one bucket fire together.
 */
export class Deadlines<T> {
  readonly #clock: Clock;
  readonly #passed: (item: T) => void;
  readonly #buckets = new Map<number, List<T>>();
  #timer: Timer | undefined = undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `passed` is called for each item whose deadline has passed; the item is out of the list by then. */
  constructor(clock: Clock, passed: (item: T) => void) {
    this.#clock = clock;
    this.#passed = passed;
  }

  /** `deadline` in the clock's milliseconds; Infinity never passes. */
  set(link: Link<T>, deadline: number): void {
    if (deadline === Number.POSITIVE_INFINITY) return;
    const bucket = Math.ceil(deadline / BUCKET_MS);
    let list = this.#buckets.get(bucket);
    if (!list) {
      list = new List();
      this.#buckets.set(bucket, list);
      if (bucket < this.#armedFor) this.#arm(bucket);
    }
    list.push(link);
  }

  /** Forgets a deadline; harmless where none is set. The bucket stays until its time, which keeps this O(1). */
  clear(link: Link<T>): void {
    link.list?.remove(link);
  }

  /** Forgets all. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#buckets.clear();
  }

  #arm(bucket: number): void {
    this.#timer?.cancel();
    this.#armedFor = bucket;
    this.#timer = this.#clock.timer(bucket * BUCKET_MS - this.#clock.now(), () => this.#fire());
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    const now = this.#clock.now() / BUCKET_MS;
    let next = Number.POSITIVE_INFINITY;
    const due: number[] = [];
    for (const [bucket, list] of this.#buckets) {
      if (bucket <= now) due.push(bucket);
      else if (list.size === 0) this.#buckets.delete(bucket);
      else if (bucket < next) next = bucket;
    }
    for (const bucket of due.sort((a, b) => a - b)) {
      const list = this.#buckets.get(bucket);
      this.#buckets.delete(bucket);
      for (let item = list?.shift(); item !== undefined; item = list?.shift()) this.#passed(item);
    }
    if (next < this.#armedFor) this.#arm(next);
  }
}
