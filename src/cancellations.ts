import type { Call } from './call.js';

/**
 * Which calls an AbortSignal calls off. One listener a signal, however many calls share it: a listener for each would
 * cost more than the rest of the call, and Node warns of the eleventh.
 */
export class Cancellations {
  readonly #cancel: (call: Call) => void;
  readonly #signals = new WeakMap<AbortSignal, SignalCalls>();

  constructor(cancel: (call: Call) => void) {
    this.#cancel = cancel;
  }

  /** Calls it off when the signal aborts, until it is settled. */
  watch(signal: AbortSignal, call: Call): void {
    let calls = this.#signals.get(signal);
    if (!calls) {
      calls = new SignalCalls(signal, this.#cancel);
      this.#signals.set(signal, calls);
    }
    calls.add(call);
    call.cancellation = calls;
  }

  isOf(signal: AbortSignal, call: Call): boolean {
    return call.cancellation !== undefined && call.cancellation === this.#signals.get(signal);
  }
}

/** The calls of one signal. */
class SignalCalls {
  readonly #signal: AbortSignal;
  readonly #calls = new Set<Call>();
  readonly #aborted: () => void;

  constructor(signal: AbortSignal, cancel: (call: Call) => void) {
    this.#signal = signal;
    this.#aborted = () => {
      for (const call of [...this.#calls]) cancel(call);
    };
  }

  add(call: Call): void {
    if (this.#calls.size === 0) this.#signal.addEventListener('abort', this.#aborted);
    this.#calls.add(call);
  }

  delete(call: Call): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#signal.removeEventListener('abort', this.#aborted);
  }
}
