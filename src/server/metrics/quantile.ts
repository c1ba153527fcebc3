/**
 * The value that the share `q` of what a histogram's buckets count is not above, as Prometheus reckons it: within a bucket
 * the values are taken to be spread evenly. Null where nothing was counted; the last bound, where it is beyond that.
 */
export function quantile(q: number, bounds: readonly number[], counts: readonly number[]): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  const wanted = q * total;
  for (const [bucket, bound] of bounds.entries()) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && below + count >= wanted) {
      const from = bucket === 0 ? 0 : (bounds[bucket - 1] as number);
      return from + ((bound - from) * (wanted - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}
