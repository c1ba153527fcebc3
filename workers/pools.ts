import { KeylaneError } from '../src/errors.js';
import { laneOf } from '../src/routing.js';
import type { Driver, DriverLease } from '../src/types.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines } from '../src/util/deadlines.js';
import { List } from '../src/util/queue.js';
import type { Limits } from '../src/wire/limits.js';
import type { Connection, ConnectionState } from './connection.js';
import { leaseForDriver } from './driver-lease.js';
import { Keys } from './keys.js';
import { Pool } from './pool.js';

/** How long a driver may take to close a connection before its place is given away. */
const CLOSE_MS = 5_000;

/** Opens one connection of a pool: the driver, and the context it needs. A parameter, so that a test can hold the gate. */
export type Opener = (pool: Pool, connection: Connection, signal: AbortSignal) => Promise<unknown>;

/**
 * All pools of a shard and what they share: the bound on connections, the handshakes of each key, the list of idle
 * connections with the longest idle first, and the counts.
 */
export class Pools {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly keys: Keys;
  /** True from `close` on: nothing is opened any more. */
  shut = false;
  readonly counts: Record<ConnectionState, number> = { opening: 0, idle: 0, busy: 0, full: 0, closing: 0 };
  readonly totals = { opened: 0, failed: 0, closed: 0, evicted: 0 };
  readonly #open: Opener;
  /** By driver, then by lane: two drivers may well call a lane by the same name. */
  readonly #pools = new Map<Driver, Map<string, Pool>>();
  readonly #idle = new List<Connection>();
  /** Pools that wait for room in the shard, in the order they came. */
  readonly #hungry = new List<Pool>();
  readonly #opening = new Set<Connection>();
  readonly #opens: Deadlines<Connection>;
  #expiry: { cancel(): void } | undefined = undefined;
  #connections = 0;
  /** Connections that a driver is closing. */
  #ending = 0;
  #emptied: (() => void) | undefined = undefined;

  constructor(clock: Clock, limits: Limits, open: Opener) {
    this.clock = clock;
    this.limits = limits;
    this.#open = open;
    this.keys = new Keys(clock);
    this.#opens = new Deadlines(
      clock,
      () => this.#opening,
      ({ opening }) =>
        opening?.abort(new KeylaneError('ERR_CONNECT', `no connection after ${limits.connectTimeoutMs} ms`)),
    );
  }

  get size(): number {
    let size = 0;
    for (const lanes of this.#pools.values()) size += lanes.size;
    return size;
  }

  /** True if a pool waits for room that only another lane's connection can make. */
  get othersWait(): boolean {
    return this.#hungry.size > 0;
  }

  /** True if a lane other than this one waits for room, and too few connections are on their way out. */
  othersNeedRoom(pool: Pool): boolean {
    const own = pool.inHungry.list === this.#hungry ? 1 : 0;
    return this.#hungry.size > own && this.#ending < this.#hungry.size;
  }

  of(keyName: string, lane: string, target: unknown, driver: Driver): Pool {
    let lanes = this.#pools.get(driver);
    if (!lanes) {
      lanes = new Map();
      this.#pools.set(driver, lanes);
    }
    let pool = lanes.get(lane);
    if (!pool) {
      const key = this.keys.of(driver.peer?.(target) ?? keyName);
      key.lanes++;
      pool = new Pool(this, keyName, key, lane, target, driver);
      lanes.set(lane, pool);
    }
    return pool;
  }

  /**
   * May this pool open one more connection? Where not, it stands in line and its `grow` is called in its turn. A shard
   * that is full ends the connection that has been idle for longest, of any lane; never one in use.
   */
  mayOpen(pool: Pool): boolean {
    if (pool.key.opens >= this.limits.opensPerKey && !pool.carriesOthers) {
      pool.key.hungry.push(pool.inHungry);
      return false;
    }
    if (this.#connections < this.limits.connectionsPerShard) return true;
    this.#hungry.push(pool.inHungry);
    this.makeRoom();
    return false;
  }

  /** For each pool that waits for room, one connection must be on its way out: the longest idle ones go. */
  makeRoom(): void {
    while (this.#ending < this.#hungry.size) {
      const oldest = this.#idle.first;
      if (!oldest) return;
      this.totals.evicted++;
      oldest.pool.retire(oldest);
    }
  }

  opening(connection: Connection): void {
    this.#connections++;
    this.counts.opening++;
    (connection.pool as Pool).key.opens++;
    this.#opening.add(connection);
    this.#opens.watch(connection.dueAt);
  }

  /** Rejects when the driver does, or when the connection is not wanted any more, whatever the driver makes of that. */
  open(pool: Pool, connection: Connection): Promise<unknown> {
    const { signal } = connection.opening as AbortController;
    // Inside a promise: a driver that throws, or returns the connection itself, must not cost the shard.
    const opened = new Promise<unknown>((resolve) => resolve(this.#open(pool, connection, signal)));
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      // The one place that decides who closes it: here if it comes too late, else the pool.
      opened.then((value) => (signal.aborted ? void closeBy(pool.driver, value) : resolve(value)), reject);
    });
  }

  /** While a person is asked the deadline of an open stands still. */
  async pause<T>(connection: Connection, asking: Promise<T>): Promise<T> {
    const left = connection.dueAt - this.clock.now();
    connection.dueAt = Number.POSITIVE_INFINITY;
    try {
      return await asking;
    } finally {
      connection.dueAt = this.clock.now() + left;
      this.#opens.watch(connection.dueAt);
    }
  }

  /** A stream of another lane of the same key, for a driver that opens one connection through another. */
  leaseFor(pool: Pool, target: unknown, signal: AbortSignal): Promise<DriverLease> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const lane = laneOf(pool.keyName, target);
    const carrier = this.of(pool.keyName, lane, target, pool.driver);
    if (!carrier.carriesOthers) {
      carrier.carriesOthers = true;
      carrier.inHungry.list?.remove(carrier.inHungry);
    }
    return leaseForDriver(carrier, signal);
  }

  /** The handshake is over: the key may begin another. */
  openEnded(connection: Connection, well: boolean): void {
    this.#opening.delete(connection);
    connection.opening = undefined;
    if (well) this.totals.opened++;
    else this.totals.failed++;
    const { key } = connection.pool as Pool;
    key.opens--;
    // A pool whose turn comes may have no use for it any more.
    while (key.opens < this.limits.opensPerKey && key.hungry.size > 0) key.hungry.shift()?.grow();
  }

  moved(connection: Connection, from: ConnectionState, to: ConnectionState): void {
    this.counts[from]--;
    this.counts[to]++;
    if (from === 'idle') {
      this.#idle.remove(connection.inIdle);
      if (this.othersWait) connection.since = this.clock.now();
    }
    if (to === 'idle') {
      connection.since = this.clock.now();
      this.#idle.push(connection.inIdle);
      this.#expiry ??= this.clock.timer(this.limits.idleMs, () => this.#expire());
    }
  }

  /** Ends a connection through its driver. Resolves when its resources are gone, or the driver had its time. */
  async close(pool: Pool, connection: Connection): Promise<void> {
    this.#ending++;
    let timer: { cancel(): void } | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.clock.timer(CLOSE_MS, resolve);
    });
    await Promise.race([closeBy(pool.driver, connection.value), late]);
    timer?.cancel();
    this.#ending--;
    this.totals.closed++;
  }

  /** A connection is no more: there is room for another. */
  gone(): void {
    this.#connections--;
    this.counts.closing--;
    while (this.#connections < this.limits.connectionsPerShard && this.#hungry.size > 0) this.#hungry.shift()?.grow();
    this.#tellIfEmpty();
  }

  left(pool: Pool): void {
    if (!this.#pools.get(pool.driver)?.delete(pool.lane)) return;
    this.keys.left(pool.key);
    this.#tellIfEmpty();
  }

  /** Refuses who waits, ends every connection, resolves when all are gone. */
  async end(error: KeylaneError): Promise<void> {
    this.shut = true;
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    for (const lanes of this.#pools.values()) for (const pool of [...lanes.values()]) pool.shut(error);
    this.#tellIfEmpty();
    await empty;
    this.#expiry?.cancel();
    this.#opens.stop();
    this.keys.stop();
  }

  #expire(): void {
    this.#expiry = undefined;
    const before = this.clock.now() - this.limits.idleMs;
    let oldest = this.#idle.first;
    while (oldest && oldest.since <= before) {
      oldest.pool.retire(oldest);
      oldest = this.#idle.first;
    }
    if (oldest) this.#expiry = this.clock.timer(oldest.since - before, () => this.#expire());
  }

  #tellIfEmpty(): void {
    if (this.#connections === 0 && this.#emptied) {
      this.#emptied();
      this.#emptied = undefined;
    }
  }
}

/** A driver's close must not reject or throw; one that does has let go of the connection all the same. */
async function closeBy(driver: Driver, value: unknown): Promise<void> {
  try {
    await driver.close(value);
  } catch {}
}
