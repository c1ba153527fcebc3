import type { Outcome } from '../types.js';
import type { Batches } from './batches.js';
import type { OpenedJobs } from './input/file-jobs.js';

/** Requests of a batch that are to be run once more, as `spoolJobs` takes them. */
export interface RetriedJobs {
  count: number;
  /** Left out: what they come `after` is neither ok nor among them. */
  blocked: number;
  read(): ReturnType<OpenedJobs['read']>;
  driver: string;
  /** Need this id not be waited for any more? */
  done(id: string): boolean;
}

/** Those of a batch that ended so. `source`: its input. Rejects as `batches.select` does. */
export async function retryJobs(
  source: OpenedJobs,
  id: string,
  outcomes: readonly Outcome[],
  batches: Batches,
): Promise<RetriedJobs> {
  const chosen = await batches.select(id, outcomes);
  const ok = await batches.select(id, ['ok']);
  const { named = new Map<string, number>() } = source;
  const done = (other: string) => ok.has(named.get(other) ?? -1);
  const blocked = new Set<number>();
  const waits: { index: number; after: readonly number[] }[] = [];
  if (named.size > 0 && chosen.count > 0) {
    for await (const { index, after = [] } of source.read((at) => chosen.has(at))) {
      const others = after.filter((other) => !done(other)).map((other) => named.get(other) ?? -1);
      if (others.length > 0) waits.push({ index, after: others });
    }
  }
  for (let before = -1; before < blocked.size; ) {
    before = blocked.size;
    for (const { index, after } of waits)
      if (after.some((other) => !chosen.has(other) || blocked.has(other))) blocked.add(index);
  }
  return {
    count: chosen.count - blocked.size,
    blocked: blocked.size,
    read: () => source.read((index) => chosen.has(index) && !blocked.has(index)),
    driver: source.identity.driver,
    done,
  };
}
