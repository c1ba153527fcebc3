import type { EngineStats } from '../../index.js';
import type { Principal } from '../parts.js';
import type { ServiceStats } from './stats.js';

/** The same, without what is of keys that this one may not see. */
export function statsFor(principal: Principal, stats: ServiceStats): ServiceStats {
  if (!principal.limited) return stats;
  const shards = stats.engine.shards.map((shard) => shardFor(principal, shard));
  return { ...stats, engine: { ...stats.engine, shards } };
}

type Shard = EngineStats['shards'][number];

/** A hint names keys. */
function shardFor(principal: Principal, { inside, ...shard }: Shard): Shard {
  const own = ({ key }: { key: string }) => principal.seesKey(key);
  const topKeys = inside && {
    ...inside.topKeys,
    byRequests: inside.topKeys.byRequests.filter(own),
    byTime: inside.topKeys.byTime.filter(own),
  };
  return { ...shard, hint: undefined, inside: inside && topKeys && { ...inside, topKeys } };
}
