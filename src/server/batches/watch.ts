import type { BatchSummary, Clock } from '../../index.js';
import { Bell } from '../../util/bell.js';
import type { Timer } from '../../util/clock.js';

/** Followers see what is new so much later at most; each look is a look for all that came meanwhile. */
const GATHER_MS = 50;
/** Of a batch that another process runs. */
const POLL_MS = 500;

export interface WatchHost {
  clock: Clock;
  /** Does this process run it, and will it tell? */
  isRunning(id: string): boolean;
  show(id: string): Promise<BatchSummary>;
}

/** Looks at one batch for all who follow it, and wakes them when there is something new. */
export class Watch {
  readonly #id: string;
  readonly #host: WatchHost;
  readonly #bell = new Bell();
  #timer: Timer | undefined = undefined;
  #isLooking = false;
  #isOver = false;
  #hasChanged = false;
  #last = '';
  #version = 0;

  constructor(id: string, host: WatchHost) {
    this.#id = id;
    this.#host = host;
    this.#plan();
  }

  /** It has a result more, or another state. */
  changed(): void {
    this.#hasChanged = true;
    if (this.#timer || this.#isLooking || this.#isOver) return;
    this.#timer = this.#host.clock.timer(GATHER_MS, () => void this.#look());
  }

  /** Of what there is now. */
  get version(): number {
    return this.#version;
  }

  /** Resolves when there is something newer than that, it is over, or the time has passed. */
  async next(version: number, withinMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#isOver || this.#version !== version) return;
    await new Promise<void>((resolve) => {
      const timer = withinMs === undefined ? undefined : this.#host.clock.timer(withinMs, done);
      function done(): void {
        timer?.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
      void this.#bell.wait().then(done);
    });
  }

  /** Wakes everybody for good. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#ring();
  }

  #ring(): void {
    this.#version++;
    this.#bell.ring();
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    this.#hasChanged = false;
    try {
      const { state, settled, begun, updatedAt } = await this.#host.show(this.#id);
      const now = [state, settled, begun, updatedAt].join();
      if (now !== this.#last || this.#host.isRunning(this.#id)) this.#ring();
      this.#last = now;
    } catch {
      // Whoever looks next finds out what it is.
      this.#ring();
    }
    this.#isLooking = false;
    this.#plan();
  }

  #plan(): void {
    if (this.#isOver) return;
    const isTold = this.#host.isRunning(this.#id);
    if (isTold && !this.#hasChanged) return;
    this.#timer = this.#host.clock.timer(isTold ? GATHER_MS : POLL_MS, () => void this.#look());
  }
}
