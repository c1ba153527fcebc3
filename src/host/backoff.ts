const FIRST_MS = 100;
const LONGEST_MS = 30_000;

/**
 * Milliseconds before a thread is started again: 100 ms doubled with each failure in a row, up to 30 s; half of it is
 * left to chance, so that shards that fail together do not start together ("equal jitter": M. Brooker, Exponential
 * Backoff And Jitter, AWS 2015). 0 without a failure.
 */
export function restartBackoffMs(failures: number, random: () => number): number {
  if (failures === 0) return 0;
  const most = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
  return most / 2 + (random() * most) / 2;
}
