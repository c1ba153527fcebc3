/** Resolves after so long, or at once when the signal is aborted. The dashboard's only caller of `setTimeout`. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

/** Calls again and again, the next time so long after the last has ended; at once first. A call sees to its own errors. */
export async function every(ms: number, signal: AbortSignal, call: () => Promise<void> | void): Promise<void> {
  while (!signal.aborted) {
    await call();
    await wait(ms, signal);
  }
}
