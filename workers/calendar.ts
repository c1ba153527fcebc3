import type { Clock, Timer } from '../src/util/clock.js';
import { type Link, List } from '../src/util/queue.js';

/**
 * Who is due when, in days of a fixed length, behind one timer: the first bucket of a calendar queue (R. Brown, Calendar
 * Queues, CACM 1988). Coming and going are O(1), whatever the order; what falls due on one day is told at its end, so up
 * to a day late and never early.
 */
export class Calendar<T> {
  readonly #clock: Clock;
  readonly #dayMs: number;
  readonly #due: (items: List<T>) => boolean;
  readonly #days = new Map<number, List<T>>();
  #timer: Timer | undefined = undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `due` gets the items of a day that is over and takes them out of the list; false: the rest in the next turn. */
  constructor(clock: Clock, dayMs: number, due: (items: List<T>) => boolean) {
    this.#clock = clock;
    this.#dayMs = dayMs;
    this.#due = due;
  }

  /** Notes an item. It leaves by `link.list?.remove(link)`. */
  add(link: Link<T>, at: number): void {
    const day = Math.ceil(at / this.#dayMs);
    let items = this.#days.get(day);
    if (!items) {
      items = new List();
      this.#days.set(day, items);
    }
    items.push(link);
    if (day < this.#armedFor) this.#arm(day);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(day: number): void {
    this.#timer?.cancel();
    this.#armedFor = day;
    this.#timer = this.#clock.timer(day * this.#dayMs - this.#clock.now(), () => this.#turn());
  }

  #turn(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const today = this.#clock.now() / this.#dayMs;
    let next = Number.POSITIVE_INFINITY;
    let enough = false;
    for (const [day, items] of this.#days) {
      if (day <= today && !enough) enough = !this.#due(items);
      if (items.size === 0) this.#days.delete(day);
      else if (day < next) next = day;
    }
    if (next < this.#armedFor) this.#arm(next);
  }
}
