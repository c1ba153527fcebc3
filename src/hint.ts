import type { TopKeys } from './wire/protocol.js';

/** At this share of its time a thread has next to nothing left. */
const HOT = 0.85;
/** Fewer requests say nothing of the shares of keys. */
const ENOUGH = 1_000;

/** What can be said of a shard that is busy with one key: that no number of shards will help it. */
export function hintOf(busy: number, topKeys: TopKeys | undefined): string | undefined {
  const [top] = topKeys?.byRequests ?? [];
  if (busy < HOT || !topKeys || !top || topKeys.requests < ENOUGH || 2 * top.requests < topKeys.requests)
    return undefined;
  const share = Math.min(100, Math.round((100 * top.requests) / topKeys.requests));
  return `busy with one key: ${top.key} has ${share} % of its requests, and one key cannot use two shards`;
}
