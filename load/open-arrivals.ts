import { setTimeout as wait } from 'node:timers/promises';

/**
 * An open loop: `rate` calls a second leave at their times, whatever became of those before. Milliseconds from when each
 * was due to its end, so that a stall counts for all that it delays. Rejects where one does.
 */
export async function arrive(rate: number, seconds: number, one: (i: number) => Promise<unknown>): Promise<number[]> {
  const began = performance.now();
  const running: Promise<number>[] = [];
  for (const total = Math.round(rate * seconds); running.length < total; ) {
    const due = began + (running.length * 1000) / rate;
    const early = due - performance.now();
    if (early > 0) await wait(early);
    else running.push(one(running.length).then(() => performance.now() - due));
  }
  return await Promise.all(running);
}
