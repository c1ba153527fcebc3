import { KeylaneError } from '../../../src/errors.js';
import type { Clock, Timer } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';
import { openTimedOut, type Phase } from './open-errors.js';

/** One open: how far it is, and one deadline and one signal over all its steps. */
export class Opening {
  phase: Phase = 'preparation';
  readonly key: string;
  readonly clock: Clock;
  readonly #signal: AbortSignal;
  readonly #over: Promise<never>;
  readonly #end: (error: unknown) => void;
  #timer: Timer;
  #ended = false;
  readonly #ms: number;
  #due: number;

  constructor(key: string, ms: number, signal: AbortSignal, clock: Clock) {
    const { promise, reject } = deferred<never>();
    promise.catch(() => undefined);
    this.key = key;
    this.clock = clock;
    this.#due = clock.now() + ms;
    this.#ms = ms;
    this.#signal = signal;
    this.#over = promise;
    this.#end = reject;
    this.#timer = this.#start(ms);
    signal.addEventListener('abort', this.#aborted);
    if (signal.aborted) this.#aborted();
  }

  /** Milliseconds until the deadline. */
  get left(): number {
    return this.#due - this.clock.now();
  }

  /** The step, unless the time is up or the open is called off before it. */
  step<T>(step: Promise<T>): Promise<T> {
    return Promise.race([this.#over, step]);
  }

  /** Time does not count while a person is asked. */
  async pause<T>(asking: Promise<T>): Promise<T> {
    const { left } = this;
    this.#timer.cancel();
    try {
      return await asking;
    } finally {
      this.#due = this.clock.now() + left;
      this.#timer = this.#start(left);
    }
  }

  end(): void {
    this.#ended = true;
    this.#timer.cancel();
    this.#signal.removeEventListener('abort', this.#aborted);
  }

  #start(ms: number): Timer {
    const late = () => this.#end(openTimedOut(this.key, this.phase, this.#ms));
    const timer = this.clock.timer(ms, late);
    if (this.#ended) timer.cancel();
    return timer;
  }

  readonly #aborted = (): void => {
    const { reason } = this.#signal;
    this.#end(reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason }));
  };
}
