import type { Clock } from '../util/clock.js';

const calls = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal is aborted, until the function that it gives is called. One listener a signal, however many
 * wait: a thousand callers may share one, and Node warns of the eleventh listener.
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const known = calls.get(signal);
  const all = known ?? new Set();
  if (!known) {
    calls.set(signal, all);
    const tell = () => {
      for (const one of [...all]) one();
    };
    signal.addEventListener('abort', tell, { once: true });
  }
  all.add(call);
  return () => all.delete(call);
}

/** The promise, or the signal's reason if that is first. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const forget = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(forget);
  });
}

/** Resolves after `ms`. Rejects with the signal's reason when it is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = clock.timer(ms, () => {
      forget();
      resolve();
    });
    const forget = onAbort(signal, () => {
      timer.cancel();
      reject(signal.reason);
    });
  });
}
