/** Bounds that a shard keeps; the main thread resolves them once and hands them over at the start. */
export interface Limits {
  connectionsPerLane: number;
  connectionsPerShard: number;
  /** Handshakes in flight for one key. */
  opensPerKey: number;
  /** When a peer that cannot be connected to is let alone; false for never. */
  breaker: false | { failures: number; openMs: number; maxOpenMs: number };
  idleMs: number;
  /** 0: none. */
  maxLifetimeMs: number;
  /** 0: no checks. */
  checkAfterMs: number;
  /** 0: no reports. */
  leakMs: number;
  connectTimeoutMs: number;
  /** Of remembered answers. @default 10 MiB */
  cacheBytes?: number;
  /** Requests of one key that start in a second, and at once; no bound where none or Infinity. */
  ratePerKey?: number;
  burstPerKey?: number;
  /** A thread before this one died, and may have used up the bursts of all its keys. */
  ratesSpent?: boolean;
}
