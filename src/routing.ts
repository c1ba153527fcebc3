/**
 * Where a key lives. Pure, and fixed for ever by the vectors in test/unit/routing.vectors.json: another version of
 * keylane, or another node of a cluster, must send a key to the same place.
 */

/** Groups of keys that a node of a cluster owns. */
export const PARTITIONS = 64;

/**
 * 32 bits of a key's UTF-16 code units: FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv), then the finalizer of
 * MurmurHash3 (Appleby), because FNV's low bits alone spread short names like web-01 … web-99 badly.
 */
export function hash(key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  }
  return mix(h);
}

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Shard of a key, 0 … shards − 1, by jump consistent hash: growing from N to N+1 shards moves 1/(N+1) of the keys, all
 * of them to the new shard. (Lamping, Veach: "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014; its 64-bit
 * generator is replaced by the 32-bit mixer above, which JavaScript can do in integers.)
 */
export function shardOf(key: string, shards: number): number {
  return jump(hash(key), shards);
}

/** Partition of a key, 0 … 63. From other bits than the shard, so that every partition has keys in every shard. */
export function partitionOf(key: string): number {
  return mix(hash(key) ^ 0x9e3779b9) % PARTITIONS;
}

function jump(seed: number, buckets: number): number {
  let state = seed;
  let bucket = 0;
  for (let next = 0; next < buckets; ) {
    bucket = next;
    state = mix((state + 0x9e3779b9) | 0);
    next = Math.floor((bucket + 1) * (0x1_0000_0000 / (state + 1)));
  }
  return bucket;
}

/**
 * The lane of a target: its key and its canonical JSON (members sorted, undefined ones left out). Equal targets have
 * equal lanes and different ones never share, because the lane holds the whole target.
 */
export function laneOf(key: string, target: unknown): string {
  return `${key} ${canonical(target)}`;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}
