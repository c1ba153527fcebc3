import type { Clock, Timer } from '../src/util/clock.js';
import type { Ledger } from '../src/wire/ledger.js';
import { KeyCounts } from './top-keys.js';

const BEAT_MS = 250;
/** Beats in the span of time that figures of what was lately are of: 10 s. */
const SPAN_BEATS = 40;

/** The heartbeat of a shard, how late it was lately, and which keys take most of it. */
export class Vitals {
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #counts: KeyCounts;
  #timer: Timer | undefined = undefined;
  #due: number;
  #beats = 0;
  /** The worst of this span of time, and of the one before. */
  #lateMs = 0;
  #wasLateMs = 0;

  constructor(clock: Clock, ledger: Ledger, random: () => number) {
    this.#clock = clock;
    this.#ledger = ledger;
    this.#counts = new KeyCounts(clock.now(), random);
    this.#due = clock.now();
    this.#beat();
  }

  /** A request was answered, after it had held a stream for so long. */
  note(key: string, heldUs: number): void {
    this.#counts.note(key, heldUs);
  }

  stats() {
    const now = this.#clock.now();
    const loopLagMs = Math.round(Math.max(this.#lateMs, this.#wasLateMs, now - this.#due));
    // Of this thread alone, both. Takes 20 µs: it looks up what the whole process holds, too.
    const { heapUsed: heapUsedBytes, arrayBuffers: arrayBufferBytes } = process.memoryUsage();
    const memory = { heapUsedBytes, arrayBufferBytes };
    return { loopLagMs, topKeys: this.#counts.top(now), memory };
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #beat(): void {
    this.#ledger.beat();
    const now = this.#clock.now();
    this.#lateMs = Math.max(this.#lateMs, now - this.#due);
    this.#beats++;
    if (this.#beats === SPAN_BEATS) {
      this.#beats = 0;
      this.#wasLateMs = this.#lateMs;
      this.#lateMs = 0;
      this.#counts.turn(now);
    }
    this.#due = now + BEAT_MS;
    this.#timer = this.#clock.timer(BEAT_MS, () => this.#beat());
  }
}
