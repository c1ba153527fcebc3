import { KeylaneError } from '../../../src/errors.js';
import type { Clock, Timer } from '../../../src/util/clock.js';
import { deferred } from '../../../src/util/deferred.js';

/** How far an open came. */
export type Phase = 'preparation' | 'look-up' | 'connect' | 'proxy' | 'TLS handshake' | 'HTTP/2 settings';

const LATE: Readonly<Record<Phase, string>> = {
  preparation: 'the certificates and secrets were not read',
  'look-up': 'the name was not looked up',
  connect: 'no connection',
  proxy: 'the proxy did not open a tunnel',
  'TLS handshake': 'no end of the TLS handshake',
  'HTTP/2 settings': 'the server did not begin to speak HTTP/2',
};

/** One open: how far it is, and one deadline and one signal over all its steps. */
export class Opening {
  phase: Phase = 'preparation';
  readonly key: string;
  readonly clock: Clock;
  readonly #signal: AbortSignal;
  readonly #over: Promise<never>;
  readonly #end: (error: unknown) => void;
  readonly #timer: Timer;

  constructor(key: string, ms: number, signal: AbortSignal, clock: Clock) {
    const { promise, reject } = deferred<never>();
    promise.catch(() => undefined);
    this.key = key;
    this.clock = clock;
    this.#signal = signal;
    this.#over = promise;
    this.#end = reject;
    this.#timer = clock.timer(ms, () => reject(this.#late(ms)));
    signal.addEventListener('abort', this.#aborted);
    if (signal.aborted) this.#aborted();
  }

  /** The step, unless the time is up or the open is called off before it. */
  step<T>(phase: Phase, step: Promise<T>): Promise<T> {
    this.phase = phase;
    return Promise.race([this.#over, step]);
  }

  end(): void {
    this.#timer.cancel();
    this.#signal.removeEventListener('abort', this.#aborted);
  }

  #late(ms: number): KeylaneError {
    const { key, phase } = this;
    const code = phase === 'look-up' ? 'ERR_DNS' : 'ERR_CONNECT';
    const local = phase === 'preparation' || phase === 'look-up';
    return new KeylaneError(code, `${key}: ${LATE[phase]} within ${Math.round(ms)} ms`, { key, local });
  }

  readonly #aborted = (): void => {
    const { reason } = this.#signal;
    this.#end(reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason }));
  };
}
