import type { Clock, Timer } from '../util/clock.js';

/** How often the heartbeat is looked at; the shard beats as often. */
const LOOK_MS = 250;
/** A shard that has been at it for so long is not one that dies as soon as it serves. */
const STEADY_MS = 5_000;

export interface PulseWatcher {
  /** Four times a second. */
  looked(): void;
  /** It has stood still for so long: told once, until it beats again. */
  still(stillMs: number): void;
  beatsAgain(): void;
  /** It has stood still for too long. Nothing is told after this. */
  lost(): void;
  /** It has beaten for some seconds. Told once. */
  steady(): void;
}

/**
 * Watches the heartbeat of one thread. Counts only what it has seen itself: however late the main thread looks, one look
 * adds one interval at most, so a stall of the main thread is no reason to think a shard blocked.
 */
export class Pulse {
  readonly #clock: Clock;
  readonly #beats: () => number;
  readonly #stillAfterMs: number;
  readonly #lostAfterMs: number;
  readonly #watcher: PulseWatcher;
  #timer: Timer | undefined = undefined;
  #lastBeats: number;
  #stillMs = 0;
  #beatenMs = 0;
  #told = false;

  constructor(
    clock: Clock,
    beats: () => number,
    { stillAfterMs, lostAfterMs }: { stillAfterMs: number; lostAfterMs: number },
    watcher: PulseWatcher,
  ) {
    this.#clock = clock;
    this.#beats = beats;
    this.#stillAfterMs = stillAfterMs;
    this.#lostAfterMs = lostAfterMs;
    this.#watcher = watcher;
    this.#lastBeats = beats();
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.timer(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const beats = this.#beats();
    this.#arm();
    this.#watcher.looked();
    if (beats === this.#lastBeats) {
      this.#stillMs += LOOK_MS;
      if (!this.#told && this.#stillMs >= this.#stillAfterMs) {
        this.#told = true;
        this.#watcher.still(this.#stillMs);
      }
      if (this.#stillMs >= this.#lostAfterMs) {
        this.stop();
        this.#watcher.lost();
      }
      return;
    }
    this.#lastBeats = beats;
    this.#stillMs = 0;
    if (this.#told) {
      this.#told = false;
      this.#watcher.beatsAgain();
    }
    const before = this.#beatenMs;
    this.#beatenMs += LOOK_MS;
    if (before < STEADY_MS && this.#beatenMs >= STEADY_MS) this.#watcher.steady();
  }
}
