import { KeylaneError } from '../errors.js';
import type { OpenContext } from '../types.js';
import type { Clock, Timer } from './clock.js';
import { deferred } from './deferred.js';

/** Phases that every open over a network has. */
type Early = 'preparation' | 'look-up' | 'connect';

/** For each phase what had not come when the time was up, and what is said behind it where that helps. */
export type Awaited<Phase extends string> = Readonly<
  Record<Phase | Early, string | readonly [what: string, hint: string]>
>;

/** Before the pool's own deadline: we know how far it came. */
const MARGIN_MS = 25;
/** Phases in which nothing was asked of the host yet: time spent there says nothing of it. */
const BEFORE_THE_HOST: ReadonlySet<string> = new Set(['preparation', 'jump', 'look-up']);

/** One open: how far it is, and one deadline and one signal over all its steps. */
export class Opening<Phase extends string = string> {
  phase: Phase | Early = 'preparation';
  readonly key: string;
  readonly clock: Clock;
  readonly #awaited: Awaited<Phase>;
  readonly #signal: AbortSignal;
  readonly #over: Promise<never>;
  readonly #end: (error: unknown) => void;
  readonly #ms: number;
  #due: number;
  #timer: Timer;
  #ended = false;

  /** It has `mostMs`, or less where the pool's own deadline comes before. */
  constructor(
    key: string,
    awaited: Awaited<Phase>,
    { deadline, signal }: Pick<OpenContext, 'deadline' | 'signal'>,
    clock: Clock,
    mostMs = Number.POSITIVE_INFINITY,
  ) {
    const { promise, reject } = deferred<never>();
    promise.catch(() => undefined);
    this.key = key;
    this.clock = clock;
    this.#awaited = awaited;
    this.#signal = signal;
    this.#over = promise;
    this.#end = reject;
    this.#ms = Math.max(1, Math.min(deadline - MARGIN_MS - clock.now(), mostMs));
    this.#due = clock.now() + this.#ms;
    this.#timer = this.#start(this.#ms);
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
    const timer = this.clock.timer(ms, () => this.#end(this.#late()));
    if (this.#ended) timer.cancel();
    return timer;
  }

  #late(): KeylaneError {
    const { key, phase } = this;
    const [what, hint = ''] = [this.#awaited[phase]].flat();
    const code = phase === 'look-up' ? 'ERR_DNS' : 'ERR_CONNECT';
    const message = `${key}: ${what} within ${Math.round(this.#ms)} ms${hint}`;
    return new KeylaneError(code, message, { key, local: BEFORE_THE_HOST.has(phase) });
  }

  readonly #aborted = (): void => {
    const { reason } = this.#signal;
    this.#end(reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason }));
  };
}
