import { KeylaneError } from '../../../src/errors.js';
import type { Clock, Timer } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';
import { openTimedOut, type Phase } from './open-errors.js';

/** One open: how far it is, and one deadline and one signal over all its steps. */
export class Opening {
  phase: Phase = 'preparation';
  readonly key: string;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #over: Promise<never>;
  readonly #end: (error: unknown) => void;
  readonly #timer: Timer;
  readonly #due: number;

  constructor(key: string, ms: number, signal: AbortSignal, clock: Clock) {
    const { promise, reject } = deferred<never>();
    promise.catch(() => undefined);
    this.key = key;
    this.#clock = clock;
    this.#due = clock.now() + ms;
    this.#signal = signal;
    this.#over = promise;
    this.#end = reject;
    this.#timer = clock.timer(ms, () => reject(openTimedOut(key, this.phase, ms)));
    signal.addEventListener('abort', this.#aborted);
    if (signal.aborted) this.#aborted();
  }

  /** Milliseconds until the deadline. */
  get left(): number {
    return this.#due - this.#clock.now();
  }

  /** The step, unless the time is up or the open is called off before it. */
  step<T>(step: Promise<T>): Promise<T> {
    return Promise.race([this.#over, step]);
  }

  timer(ms: number, call: () => void): Timer {
    return this.#clock.timer(ms, call);
  }

  end(): void {
    this.#timer.cancel();
    this.#signal.removeEventListener('abort', this.#aborted);
  }

  readonly #aborted = (): void => {
    const { reason } = this.#signal;
    this.#end(reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason }));
  };
}
