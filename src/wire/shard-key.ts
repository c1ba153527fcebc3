/** Which keys a shard is asked about. */
export interface KeysAsked {
  /** A glob. */
  match: string | undefined;
  /** Only those that are let alone after failures. */
  stopped: boolean;
  /** So many at most, those with most requests first; and these, whatever their requests. */
  limit: number;
  also: readonly string[];
}

/** A key that is let alone after failures. */
export interface KeyBreaker {
  what: 'connect' | 'log_in';
  /** `probing`: the one try that is let through is under way. */
  state: 'open' | 'probing';
  /** Milliseconds until another try is let through. */
  forMs: number;
  /** In a row. */
  failures: number;
  /** What the last failure said, the first 500 characters. */
  message: string;
}

/** A key as its shard knows it. */
export interface ShardKey {
  key: string;
  drivers: string[];
  /** Requests in the shard; of these, those that wait for a stream. */
  requests: number;
  waiting: number;
  lanes: number;
  /** By state, all its lanes together. */
  connections: { opening: number; idle: number; checking: number; busy: number; full: number; closing: number };
  breaker?: KeyBreaker;
  /** There where its peer wants to be left alone: for so many milliseconds from now on none of its requests is started. */
  pausedMs?: number;
  /** Milliseconds since a connection of it was in use last; 0: one is. Undefined where it has none. */
  unusedMs?: number;
}

/** The one with most requests first, then those that are let alone, then the one used last. */
export function byLoad(a: Loaded, b: Loaded): number {
  const requests = b.requests + (b.queued ?? 0) - a.requests - (a.queued ?? 0);
  const stopped = Number(b.breaker !== undefined) - Number(a.breaker !== undefined);
  const unused = (a.unusedMs ?? Number.MAX_VALUE) - (b.unusedMs ?? Number.MAX_VALUE);
  return requests || stopped || unused;
}

interface Loaded extends Pick<ShardKey, 'requests' | 'breaker' | 'unusedMs'> {
  /** On the main thread. */
  readonly queued?: number;
}
