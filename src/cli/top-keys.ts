import type { Look } from './top-look.js';

type Shards = Look['stats']['engine']['shards'];

export interface TopKey {
  key: string;
  perSecond: number | undefined;
  /** Of all requests of all shards. */
  share: number | undefined;
  /** Milliseconds of streams, each second. */
  heldPerSecond: number | undefined;
}

const MOST = 10;

/** The keys that take most, of all shards. A key is in one shard, so what that says of it is all. */
export function topKeysOf(shards: Shards, by: 'requests' | 'time'): TopKey[] {
  const all = shards.reduce((sum, { inside }) => sum + (inside?.topKeys.requests ?? 0), 0);
  const keys = new Map<string, TopKey>();
  for (const { inside } of shards) {
    if (!inside) continue;
    const { overMs, byRequests, byTime } = inside.topKeys;
    const seconds = Math.max(overMs, 1) / 1_000;
    for (const { key, requests } of byRequests)
      keys.set(key, {
        key,
        perSecond: requests / seconds,
        share: all > 0 ? requests / all : 0,
        heldPerSecond: undefined,
      });
    for (const { key, heldMs } of byTime) {
      const known = keys.get(key) ?? { key, perSecond: undefined, share: undefined };
      keys.set(key, { ...known, heldPerSecond: heldMs / seconds });
    }
  }
  const weight = ({ perSecond = 0, heldPerSecond = 0 }: TopKey) => (by === 'requests' ? perSecond : heldPerSecond);
  return [...keys.values()]
    .sort((one, other) => weight(other) - weight(one) || (one.key < other.key ? -1 : 1))
    .slice(0, MOST);
}
