import type { Clock, Timer } from '../../src/util/clock.js';

/** The timers of one connection: they end with it. */
export class Timers {
  readonly #clock: Clock;
  readonly #set = new Set<Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(ms: number, call: () => void): void {
    const timer = this.#clock.timer(ms, () => {
      this.#set.delete(timer);
      call();
    });
    this.#set.add(timer);
  }

  cancel(): void {
    for (const timer of this.#set) timer.cancel();
    this.#set.clear();
  }
}
