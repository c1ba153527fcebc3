import type { Clock, Timer } from '../util/clock.js';
import { Rate } from './rate.js';
import { Window } from './window.js';

export interface GateOptions {
  /** Starts a second. */
  rate?: number;
  window?: string;
}

/** The window is looked at this often: the wall clock may be set, or summer time begin. */
const LOOK_MS = 60_000;

/**
 * What every request of a batch goes through before it starts: the rate, the time window, a pause. It never holds anybody:
 * who is not let through asks again when it is told that something has changed.
 */
export class Gate {
  readonly #clock: Clock;
  readonly #date: () => Date;
  readonly #changed: () => void;
  readonly #rate: Rate | undefined;
  readonly #window: Window | undefined;
  #isPaused = false;
  #isOpen = true;
  /** When the window is to be looked at again. */
  #lookAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined = undefined;

  constructor({ rate, window }: GateOptions, clock: Clock, changed: () => void, date = () => new Date()) {
    this.#clock = clock;
    this.#date = date;
    this.#changed = changed;
    this.#rate = rate === undefined ? undefined : new Rate(rate, clock);
    this.#window = window === undefined ? undefined : new Window(window);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** May one start now? Where not, `changed` is called when it may be tried again. */
  pass(): boolean {
    if (this.isShut) return false;
    if (!this.#rate || this.#rate.take()) return true;
    this.#wakeIn(this.#rate.waitMs);
    return false;
  }

  /** For who was let through and did not start. */
  putBack(): void {
    this.#rate?.putBack();
  }

  /** Nobody may start, however few. */
  get isShut(): boolean {
    return this.#isPaused || !this.#isInWindow;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#changed();
  }

  /** Nobody asks any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  get #isInWindow(): boolean {
    if (!this.#window) return true;
    const now = this.#clock.now();
    if (now >= this.#lookAt) {
      const date = this.#date();
      this.#isOpen = this.#window.isOpen(date);
      this.#lookAt = now + Math.min(LOOK_MS, this.#window.msToChange(date));
    }
    if (!this.#isOpen) this.#wakeIn(this.#lookAt - now);
    return this.#isOpen;
  }

  #wakeIn(ms: number): void {
    this.#timer ??= this.#clock.timer(Math.ceil(ms), () => {
      this.#timer = undefined;
      this.#changed();
    });
  }
}
