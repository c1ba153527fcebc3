import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../../src/util/clock.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { Random } from '../../support/seed.ts';

/**
 * Time, chance and what happened, of one simulated run. Everything that happens is a timer of the one clock, and between
 * two timers every promise that can settle does: so a seed gives the same run each time, event by event.
 */
export class World {
  readonly clock = new FakeClock(1_000_000);
  readonly random: Random;
  /** What must happen in some run, by name: that a fault was met, and not only that nothing broke. */
  readonly sometimes = new Set<string>();
  /** What must never happen, and did. */
  readonly faults: string[] = [];
  /** Faults may still be injected. */
  hostile = true;
  readonly #hash = createHash('sha256');
  readonly #log: string[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Notes an event: part of the run's hash, and the last ones are shown when a run fails. */
  turns = 0;
  note(what: string): void {
    const line = `${this.clock.now().toFixed(3)} ${what}`;
    this.#hash.update(line);
    this.#log.push(line);
    if (this.#log.length > KEPT_LINES) this.#log.shift();
  }

  never(what: string): void {
    this.note(`NEVER ${what}`);
    this.faults.push(what);
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  /** Milliseconds between the two, small ones more often than large ones. */
  delay(least: number, most: number): number {
    return least * (most / least) ** this.random.next();
  }

  after(ms: number, call: () => void): void {
    this.clock.timer(ms, call);
  }

  /** Lets time pass, from event to event, until `done` or `ms` later. */
  async live(ms: number, done: () => boolean): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await quiet();
      if (done()) return;
      const next = this.clock.nextAt;
      if (next === undefined || next > end) break;
      if (++this.turns > MOST_TURNS)
        throw new Error(`more than ${MOST_TURNS} events: something goes round\n${this.lastLines}`);
      this.clock.advance(Math.max(0, next - this.clock.now()));
    }
    this.clock.advance(Math.max(0, end - this.clock.now()));
    await quiet();
  }

  get hash(): string {
    return this.#hash.copy().digest('hex');
  }

  get lastLines(): string {
    return this.#log.join('\n');
  }
}

/** A `setTimeout` of less waits as long. */
const SHORTEST_MS = 1;
/** The clock of one thread: no timer is shorter than Node's shortest, and they die with the thread. */
export class ThreadClock implements Clock {
  /** Timers fall due and are not run: the thread stands still. */
  blocked = false;
  readonly #clock: Clock;
  readonly #set = new Set<Timer>();
  #dead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  timer(ms: number, call: () => void): Timer {
    if (this.#dead) return { cancel: () => {} };
    const timer = this.#clock.timer(Math.max(SHORTEST_MS, ms), () => {
      this.#set.delete(timer);
      if (!this.blocked) call();
    });
    this.#set.add(timer);
    return {
      cancel: () => {
        this.#set.delete(timer);
        timer.cancel();
      },
    };
  }

  die(): void {
    this.#dead = true;
    for (const timer of this.#set) timer.cancel();
    this.#set.clear();
  }
}

const KEPT_LINES = 400;
const MOST_TURNS = 100_000;

/** What one event sets off is over: promises, and the frames that go out at the end of a turn. */
async function quiet(): Promise<void> {
  await settled();
  await settled();
}
