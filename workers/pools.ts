import { KeylaneError } from '../src/errors.js';
import type { ShardEvent } from '../src/events.js';
import { laneOf } from '../src/routing.js';
import type { Driver, DriverLease } from '../src/types.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines } from '../src/util/deadlines.js';
import type { Limits } from '../src/wire/limits.js';
import type { EndReason } from '../src/wire/protocol.js';
import type { Connection, ConnectionState } from './connection.js';
import { leaseForDriver } from './driver-lease.js';
import { DriverSteps, type Opener } from './driver-steps.js';
import { Keys } from './keys.js';
import { laneLimits } from './lane-limits.js';
import { Leaks } from './leaks.js';
import { Lifetimes } from './lifetimes.js';
import { Pool } from './pool.js';
import { KeyRoom, Room } from './room.js';

/** While other lanes wait for a connection, one that has been busy for so long gives way. */
const TURN_MS = 250;

/** What a simulation puts in place of chance, and who is told. */
export interface PoolsParameters {
  random?: () => number;
  /** Hears what happens to peers, and of leaks. */
  tell?: (event: ShardEvent) => void;
}

/**
 * All pools of a shard and what they share: the bound on connections, the handshakes of each key, the lifetimes, and the
 * counts.
 */
export class Pools {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly keys: Keys;
  readonly steps: DriverSteps;
  /** True from `close` on: nothing is opened any more. */
  shut = false;
  readonly counts: Record<ConnectionState, number> = { opening: 0, idle: 0, checking: 0, busy: 0, full: 0, closing: 0 };
  readonly totals = { opened: 0, failed: 0, closed: 0, evicted: 0, leaked: 0, reused: 0, livedMs: 0 };
  readonly closedBy: Record<EndReason, number> = {
    ...{ idle: 0, lifetime: 0, evicted: 0, gave_way: 0, lost: 0, discarded: 0, not_reusable: 0, check_failed: 0 },
    ...{ unwanted: 0, shut: 0 },
  };
  /** By driver, then by lane: two drivers may well call a lane by the same name. */
  readonly #pools = new Map<Driver, Map<string, Pool>>();
  readonly #lifetimes: Lifetimes;
  readonly #leaks: Leaks;
  readonly #room = new Room();
  /** By key, where its connections are bounded. */
  readonly #keyRooms = new Map<string, KeyRoom>();
  /** Pools that may open again at a certain time. */
  readonly #holding = new Set<Pool>();
  readonly #holds: Deadlines<Pool>;
  /** Who waits for the last pool of a key to be gone. */
  readonly #releasing = new Map<string, () => void>();
  #emptied: (() => void) | undefined = undefined;

  constructor(
    clock: Clock,
    limits: Limits,
    open: Opener,
    { random = Math.random, tell = nothing }: PoolsParameters = {},
  ) {
    this.clock = clock;
    this.limits = limits;
    this.keys = new Keys(clock, limits.breaker, { random, tell });
    this.steps = new DriverSteps(clock, open);
    this.#lifetimes = new Lifetimes(clock, limits, random);
    this.#leaks = new Leaks(clock, limits.leakMs, (event) => {
      if (event.type === 'lease_leaked') this.totals.leaked++;
      tell(event);
    });
    this.#holds = new Deadlines(
      clock,
      () => this.#holding,
      (pool) => {
        this.#holding.delete(pool);
        pool.grow();
      },
    );
  }

  get size(): number {
    let size = 0;
    for (const lanes of this.#pools.values()) size += lanes.size;
    return size;
  }

  /** Streams of the connections that are open, all lanes together. Looked up: to keep count would cost each lease. */
  get streams(): { total: number; leased: number } {
    const sum = { total: 0, leased: 0 };
    for (const lanes of this.#pools.values())
      for (const { connections, streams } of lanes.values()) connections.countStreams(sum, streams);
    return sum;
  }

  /** True if a pool waits for room that only another lane's connection can make. */
  get othersWait(): boolean {
    return this.#room.hungry.size > 0;
  }

  /** While other lanes wait for room that is not on its way, a connection that is always busy would keep them out for ever. */
  isTurnOver(pool: Pool, connection: Connection): boolean {
    const isNeeded = this.#room.isNeededBeside(pool) || pool.keyRoom?.isNeededBeside(pool) === true;
    return isNeeded && this.clock.now() - connection.since > TURN_MS;
  }

  of(keyName: string, lane: string, target: unknown, driver: Driver): Pool {
    let lanes = this.#pools.get(driver);
    if (!lanes) {
      lanes = new Map();
      this.#pools.set(driver, lanes);
    }
    let pool = lanes.get(lane);
    if (!pool) {
      // What the driver says first: where it throws, nothing has been taken note of.
      const limits = laneLimits(driver, target, this.limits);
      const peer = driver.peer?.(target) ?? keyName;
      pool = new Pool(this, keyName, this.keys.of(peer), lane, target, driver, limits);
      pool.key.lanes++;
      if (limits.connectionsPerKey !== Number.POSITIVE_INFINITY) this.#join(pool);
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
    const { keyRoom } = pool;
    if (keyRoom !== undefined && keyRoom.connections >= pool.limits.connectionsPerKey) {
      keyRoom.hungry.push(pool.inHungry);
      this.#makeKeyRoom(keyRoom);
      return false;
    }
    if (this.#room.connections < this.limits.connectionsPerShard) return true;
    this.#room.hungry.push(pool.inHungry);
    this.makeRoom();
    return false;
  }

  /** For each pool that waits for room, one connection must be on its way out: the longest idle ones go. */
  makeRoom(): void {
    this.#room.make(
      () => this.#lifetimes.longestIdle,
      (connection) => this.#evict(connection),
    );
  }

  #makeKeyRoom(room: KeyRoom): void {
    room.make(
      () => room.longestIdle,
      (connection) => this.#evict(connection),
    );
  }

  #join(pool: Pool): void {
    let room = this.#keyRooms.get(pool.keyName);
    if (!room) {
      room = new KeyRoom();
      this.#keyRooms.set(pool.keyName, room);
    }
    room.lanes.add(pool);
    pool.keyRoom = room;
  }

  #evict(connection: Connection): void {
    this.totals.evicted++;
    connection.pool.retire(connection, 'evicted');
  }

  /** Idle connections hold streams of the one that they go through: where somebody waits for those, one goes. */
  #makeRoomOn(carrier: Pool): void {
    if (!carrier.isFull) return;
    for (const idle of this.#lifetimes.idle) {
      if (idle.carrier !== carrier) continue;
      this.#evict(idle);
      return;
    }
  }

  /** It has just become idle. Does somebody wait for the stream that it goes through, or for its place? */
  keepIdle(connection: Connection): void {
    const { keyRoom } = connection.pool as Pool;
    if (keyRoom !== undefined) this.#makeKeyRoom(keyRoom);
    const carrier = connection.carrier as Pool | undefined;
    if (carrier && connection.state === 'idle' && carrier.waiting > 0 && carrier.isFull) this.#evict(connection);
    this.makeRoom();
  }

  opening(connection: Connection): void {
    this.#room.connections++;
    this.counts.opening++;
    const { key, keyRoom } = connection.pool as Pool;
    if (keyRoom !== undefined) keyRoom.connections++;
    key.opens++;
    this.keys.began(key, connection);
  }

  /** Calls `grow` of the pool at its `dueAt`. */
  growLater(pool: Pool): void {
    this.#holding.add(pool);
    this.#holds.watch(pool.dueAt);
  }

  /** A stream of another lane of the same key, for a driver that opens one connection through another. */
  leaseFor(connection: Connection, target: unknown, signal: AbortSignal): Promise<DriverLease> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const pool = connection.pool as Pool;
    const stack = this.#leaks.asked();
    const lane = laneOf(pool.keyName, target);
    const carrier = this.of(pool.keyName, lane, target, pool.driver);
    if (!carrier.carriesOthers) {
      carrier.carriesOthers = true;
      carrier.inHungry.list?.remove(carrier.inHungry);
    }
    const leased = leaseForDriver(carrier, signal, () => {
      connection.carrier = carrier;
      if (stack === undefined) return nothing;
      const held = this.#leaks.taken(carrier.key.name, connection, stack);
      return () => this.#leaks.returned(held);
    });
    if (carrier.waiting > 0) this.#makeRoomOn(carrier);
    return leased;
  }

  /** The handshake is over: the key may begin another. */
  openEnded(connection: Connection, well: boolean): void {
    this.steps.ended(connection);
    if (well) {
      this.totals.opened++;
      this.#lifetimes.began(connection);
    } else {
      this.totals.failed++;
    }
    const { key } = connection.pool as Pool;
    key.opens--;
    // A pool whose turn comes may have no use for it any more, or stand in line again, for the probe that another began.
    for (let left = key.hungry.size; left > 0 && key.opens < this.limits.opensPerKey; left--)
      key.hungry.shift()?.grow();
  }

  /** `now`: the time, where it was looked up just before. */
  moved(connection: Connection, from: ConnectionState, to: ConnectionState, now?: number): void {
    this.counts[from]--;
    this.counts[to]++;
    if (from === 'idle') {
      this.#lifetimes.leftIdle(connection);
      const { keyRoom } = connection.pool as Pool;
      if (this.othersWait || (keyRoom !== undefined && keyRoom.hungry.size > 0)) connection.since = this.clock.now();
    } else if (from === 'checking') {
      this.steps.ended(connection);
    }
    if (to === 'idle') this.#lifetimes.becameIdle(connection, now ?? this.clock.now());
    else if (to === 'closing') this.#lifetimes.ended(connection);
  }

  /** Ends a connection through its driver; `gone` is called when its resources are gone, never within this step. */
  close(pool: Pool, connection: Connection, gone: () => void): void {
    const { keyRoom } = pool;
    this.#room.ending++;
    if (keyRoom !== undefined) keyRoom.ending++;
    const closing = this.steps.close(pool.driver, connection.value) ?? AT_ONCE;
    void closing.then(() => {
      this.#room.ending--;
      if (keyRoom !== undefined) keyRoom.ending--;
      this.totals.closed++;
      this.totals.livedMs += this.clock.now() - connection.openEnded;
      gone();
    });
  }

  /** A connection is no more: there is room for another. */
  gone(connection: Connection): void {
    this.#leaks.gone(connection);
    const { keyRoom } = connection.pool as Pool;
    this.#room.connections--;
    this.counts.closing--;
    if (keyRoom !== undefined) {
      keyRoom.connections--;
      keyRoom.serve((pool) => pool.limits.connectionsPerKey);
    }
    this.#room.serve(() => this.limits.connectionsPerShard);
    this.#tellIfEmpty();
  }

  left(pool: Pool): void {
    if (pool.hasLeft) return;
    pool.hasLeft = true;
    this.#pools.get(pool.driver)?.delete(pool.lane);
    this.#holding.delete(pool);
    this.#leaveRoom(pool);
    this.keys.left(pool.key);
    if (this.#releasing.size > 0) this.#tellIfReleased(pool.keyName);
    this.#tellIfEmpty();
  }

  #leaveRoom(pool: Pool): void {
    const { keyName, keyRoom } = pool;
    if (keyRoom?.lanes.delete(pool) && keyRoom.lanes.size === 0) this.#keyRooms.delete(keyName);
  }

  /**
   * Ends all connections of a key that another shard is to have; true when they are gone. False, and nothing is touched,
   * where that shard would not know what this one does: that its peer is let alone, or who its peer is.
   */
  async release(keyName: string): Promise<boolean> {
    const pools = [...this.#poolsOf(keyName)];
    const strange = pools.some(({ key }) => key.name !== keyName || key.connecting || key.loggingIn);
    if (pools.length === 0 || strange) return false;
    const released = new Promise<void>((resolve) => this.#releasing.set(keyName, resolve));
    for (const pool of pools) pool.shut(new KeylaneError('ERR_CLOSED', 'the key is being moved to another shard'));
    this.#tellIfReleased(keyName);
    await released;
    return true;
  }

  /** Keys with an idle connection, the one that was in use last first; some more than once. */
  *idleKeys(): Iterable<string> {
    for (const { pool } of this.#lifetimes.freshest) yield (pool as Pool).keyName;
  }

  *all(): Iterable<Pool> {
    for (const lanes of this.#pools.values()) yield* lanes.values();
  }

  *#poolsOf(keyName: string): Iterable<Pool> {
    for (const pool of this.all()) if (pool.keyName === keyName) yield pool;
  }

  #tellIfReleased(keyName: string): void {
    for (const _ of this.#poolsOf(keyName)) return;
    this.#releasing.get(keyName)?.();
    this.#releasing.delete(keyName);
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
    this.#lifetimes.stop();
    this.#leaks.stop();
    this.#holds.stop();
    this.steps.stop();
    this.keys.stop();
  }

  #tellIfEmpty(): void {
    if (this.#room.connections === 0 && this.#emptied) {
      this.#emptied();
      this.#emptied = undefined;
    }
  }
}

const AT_ONCE = Promise.resolve();

function nothing(): void {}
