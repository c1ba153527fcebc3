import type { Driver } from '../src/types.js';
import { globMatches } from '../src/util/glob.js';
import { byLoad, type KeyBreaker, type KeysAsked, type ShardKey } from '../src/wire/shard-key.js';
import type { Flight } from './flight.js';
import type { Key } from './keys.js';
import type { Pools } from './pools.js';

/** A peer may say a lot. */
const LONGEST_MESSAGE = 500;

/**
 * What a shard knows of its keys: those that are asked for, the most loaded first. It has other things to do: a key that is
 * not told of costs a look at its lanes, which took 2 ms for 17,500 idle ones.
 */
export function keyStates(
  asked: KeysAsked,
  pools: Pools,
  runs: readonly (Flight | undefined)[],
  paused: Iterable<{ key: string; forMs: number }>,
  nameOf: (driver: Driver) => string | undefined,
): ShardKey[] {
  const rows = new Rows(asked);
  const now = pools.clock.now();
  for (const run of runs) {
    const row = run && rows.of(run.command.key);
    if (!row) continue;
    row.requests++;
    if (run.waiting) row.waiting++;
    addDriver(row, run.command.driver);
  }
  // Those with lanes are known by these: a peer may have another name than the key that leads to it.
  for (const key of pools.keys.withFailures) if (key.lanes === 0) rows.stopped(key, now);
  for (const pool of pools.all()) if (pool.key.breaker) rows.stopped(pool.key, now, pool.keyName);
  if (!asked.stopped) rows.fill(pools.idleKeys());
  for (const pool of pools.all()) {
    const row = rows.at(pool.keyName);
    if (!row) continue;
    row.lanes++;
    pool.connections.count(row.connections);
    addDriver(row, nameOf(pool.driver));
    const usedAt = pool.connections.lastUsed(now);
    if (usedAt !== undefined) row.unusedMs = Math.min(row.unusedMs ?? Number.MAX_VALUE, Math.round(now - usedAt));
  }
  for (const { key, forMs } of paused) {
    const row = rows.at(key);
    if (row) row.pausedMs = Math.round(forMs);
  }
  return rows.chosen();
}

/** The keys that may be told of. */
class Rows {
  readonly #asked: KeysAsked;
  readonly #rows = new Map<string, ShardKey>();

  constructor(asked: KeysAsked) {
    this.#asked = asked;
  }

  at(key: string): ShardKey | undefined {
    return this.#rows.get(key);
  }

  /** Undefined where it is not asked for. */
  of(key: string): ShardKey | undefined {
    const there = this.#rows.get(key);
    if (there || (this.#asked.match !== undefined && !globMatches(this.#asked.match, key))) return there;
    const connections = { opening: 0, idle: 0, checking: 0, busy: 0, full: 0, closing: 0 };
    const row: ShardKey = { key, drivers: [], requests: 0, waiting: 0, lanes: 0, connections };
    this.#rows.set(key, row);
    return row;
  }

  /** `name`: of the key that leads to it. */
  stopped(key: Key, now: number, name = key.name): void {
    if (!key.breaker) return;
    const row = this.of(name);
    if (row) row.breaker ??= breakerOf(key.breaker, now);
  }

  /** Up to as many as are asked for. */
  fill(keys: Iterable<string>): void {
    if (this.#rows.size >= this.#asked.limit) return;
    for (const key of keys) {
      this.of(key);
      if (this.#rows.size >= this.#asked.limit) return;
    }
  }

  chosen(): ShardKey[] {
    const { stopped, limit, also } = this.#asked;
    const all = [...this.#rows.values()];
    const wanted = (stopped ? all.filter(({ breaker }) => breaker) : all).sort(byLoad);
    const named = new Set(also);
    return wanted.filter(({ key }, place) => place < limit || named.has(key));
  }
}

function addDriver(row: ShardKey, name: string | undefined): void {
  if (name !== undefined && !row.drivers.includes(name)) row.drivers.push(name);
}

function breakerOf({ what, breaker }: NonNullable<Key['breaker']>, now: number): KeyBreaker {
  const { failures, said, nextAt } = breaker;
  // The end of a probe that waits for a person is not known.
  const forMs = Number.isFinite(nextAt) ? Math.max(0, Math.round(nextAt - now)) : 0;
  const state = breaker.state === 'half_open' ? 'probing' : 'open';
  return { what, state, forMs, failures, message: said.slice(0, LONGEST_MESSAGE) };
}
