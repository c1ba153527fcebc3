import type { Clock, Timer } from '../../src/util/clock.js';

/** A clock that a test turns by hand. Timers that are due at the same moment run in the order in which they were set. */
export class FakeClock implements Clock {
  #now: number;
  #nextId = 0;
  /** By due time, then by id. */
  #timers: Due[] = [];

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  timer(ms: number, call: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, ms), id: this.#nextId++, call };
    let place = this.#timers.length;
    while (place > 0 && (this.#timers[place - 1] as Due).at > due.at) place--;
    this.#timers.splice(place, 0, due);
    return {
      cancel: () => {
        const found = this.#timers.indexOf(due);
        if (found >= 0) this.#timers.splice(found, 1);
      },
    };
  }

  /** Timers that are set and have not run. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next timer is due; undefined where none is. */
  get nextAt(): number | undefined {
    return this.#timers[0]?.at;
  }

  /** Lets `ms` pass and runs what falls due, in order, what those timers set included. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.#runNext(end)) {}
    this.#now = end;
  }

  /** As `advance`, but lets promises settle before, between and after the timers. */
  async advanceSettling(ms: number): Promise<void> {
    const end = this.#now + ms;
    do await settled();
    while (this.#runNext(end));
    this.#now = end;
    await settled();
  }

  #runNext(end: number): boolean {
    const next = this.#timers[0];
    if (next === undefined || next.at > end) return false;
    this.#timers.shift();
    this.#now = Math.max(this.#now, next.at);
    next.call();
    return true;
  }
}

interface Due {
  readonly at: number;
  readonly id: number;
  readonly call: () => void;
}

/** One turn of the event loop: every promise that could settle by itself has. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
