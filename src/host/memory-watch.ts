import { KeylaneError } from '../errors.js';
import type { EngineEvent } from '../events.js';
import type { Clock, Timer } from '../util/clock.js';

/** A reading costs some 20 µs. */
const LOOK_MS = 250;
/** Below this part of the limit it is well again. */
const WELL = 0.9;
const MIB = 1024 * 1024;

export interface MemoryWatchOptions {
  /** Mebibytes of the process; 0 for no watch. */
  limitMb: number;
  event(event: EngineEvent): void;
  /** Resident bytes of the process. */
  rss?: () => number;
}

/** Looks at the memory of the whole process, and says no to further calls while it is past its limit. */
export class MemoryWatch {
  /** Why no further call is taken; undefined while all is well. */
  refusal: KeylaneError | undefined = undefined;
  readonly #clock: Clock;
  readonly #options: MemoryWatchOptions;
  readonly #rss: () => number;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, options: MemoryWatchOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#rss = options.rss ?? process.memoryUsage.rss;
    if (options.limitMb > 0) this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = this.#clock.timer(LOOK_MS, () => this.#look());
    const { limitMb, event } = this.#options;
    const rssMb = Math.round(this.#rss() / MIB);
    if (!this.refusal && rssMb > limitMb) {
      const says = `the process holds ${rssMb} MiB, more than ${limitMb} (limits.rssMb)`;
      this.refusal = new KeylaneError('ERR_SATURATED', says);
      event({ type: 'memory_high', rssMb, limitMb });
    } else if (this.refusal && rssMb < limitMb * WELL) {
      this.refusal = undefined;
      event({ type: 'memory_well', rssMb, limitMb });
    }
  }
}
