import { KeylaneError } from '../errors.js';
import type { Clock, Timer } from '../util/clock.js';

/** One call from its begin to its end, whatever it waits for: what ends it early is told to what is going on just then. */
export class Pending {
  readonly #timer: Timer | undefined;
  readonly #unlisten: () => void;
  #ended: KeylaneError | undefined = undefined;
  #cut: ((error: KeylaneError) => void) | undefined = undefined;

  /** `timeoutMs` 0: none. */
  constructor(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined) {
    if (timeoutMs > 0) this.#timer = clock.timer(timeoutMs, () => this.end(new KeylaneError('ERR_TIMEOUT')));
    const abort = () => this.end(new KeylaneError('ERR_CANCELED', undefined, { cause: signal?.reason }));
    this.#unlisten = signal && !signal.aborted ? hear(signal, abort) : () => {};
    if (signal?.aborted) abort();
  }

  /** Called with the reason, at once where it has ended already. Only the last one given is. */
  onEnd(cut: (error: KeylaneError) => void): void {
    this.#cut = cut;
    if (this.#ended) cut(this.#ended);
  }

  end(error: KeylaneError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.settle();
    this.#cut?.(error);
  }

  /** Throws where it has ended. */
  check(): void {
    if (this.#ended) throw this.#ended;
  }

  /** What the promise gives, unless it ends before. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onEnd(reject);
      promise.then(resolve, reject);
    });
  }

  /** It needs no ending any more. */
  settle(): void {
    this.#timer?.cancel();
    this.#unlisten();
  }
}

/** Of each signal that calls wait for: one listener for all, since Node warns of more than ten. */
const HEARD = new WeakMap<AbortSignal, { calls: Set<() => void>; tell: () => void }>();

/** Calls when it is aborted; what comes back ends that. */
function hear(signal: AbortSignal, call: () => void): () => void {
  let heard = HEARD.get(signal);
  if (!heard) {
    const calls = new Set<() => void>();
    const tell = () => {
      for (const one of [...calls]) one();
    };
    heard = { calls, tell };
    HEARD.set(signal, heard);
    signal.addEventListener('abort', tell, { once: true });
  }
  const { calls, tell } = heard;
  calls.add(call);
  return () => {
    calls.delete(call);
    if (calls.size > 0 || HEARD.get(signal)?.calls !== calls) return;
    HEARD.delete(signal);
    signal.removeEventListener('abort', tell);
  };
}
