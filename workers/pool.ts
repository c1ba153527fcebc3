import type { KeylaneError } from '../src/errors.js';
import type { Driver } from '../src/types.js';
import type { Due } from '../src/util/deadlines.js';
import { Link } from '../src/util/queue.js';
import type { EndReason } from '../src/wire/protocol.js';
import { asKeylaneError } from '../src/wire/wire-error.js';
import { Connection, type ConnectionOwner, type ConnectionState } from './connection.js';
import { isReusable, lostEarly, type Verdict } from './driver-steps.js';
import type { Key } from './keys.js';
import { LaneConnections } from './lane-connections.js';
import type { LaneLimits } from './lane-limits.js';
import { Lease, type LeaseOwner } from './lease.js';
import type { Pools } from './pools.js';
import type { KeyRoom } from './room.js';
import type { Waiter } from './waiter.js';
import { Waiters } from './waiters.js';
import { type Warming, Warmings } from './warming.js';

/** After a failed open, a lane that has other connections does not open one more for so long. */
const REOPEN_MS = 1_000;
/** While one lane tries a stopped host, the others look again no sooner than after this. */
const LOOK_AGAIN_MS = 50;

/**
 * The connections of one lane. Knows nothing of what they are: a driver opens and closes them.
 *
 * A connection stands in exactly one of six lists and the list is its state; `#move` is the only transition. Every
 * method is one synchronous step, so there is nothing to lock. Acquire and release are O(1).
 */
export class Pool implements ConnectionOwner, LeaseOwner, Due {
  readonly lane: string;
  /** What it was routed by. */
  readonly keyName: string;
  /** Its peer, whose handshakes and log-ins are bounded. */
  readonly key: Key;
  readonly target: unknown;
  readonly driver: Driver;
  readonly limits: LaneLimits;
  /** The places of its key, where they are bounded. */
  keyRoom: KeyRoom | undefined = undefined;
  /** Place among those that wait for a handshake of their key, or for room in their shard. */
  readonly inHungry: Link<Pool> = new Link<Pool>(this);
  /**
   * Connections of other lanes are opened through this one's. It need not wait for a handshake of its key to end: those
   * in flight may all be waiting for it.
   */
  carriesOthers = false;
  /** It had no more work, and its lane has another pool by now, or none. */
  hasLeft = false;
  /** No further connection before this, where the lane has others. */
  dueAt = 0;
  readonly #pools: Pools;
  /** Others look at them; they are moved here only. */
  readonly connections = new LaneConnections();
  readonly #waiters = new Waiters();
  /** Of a new connection: the driver's, or what a refusal taught. */
  streams: number;
  /** A connection that has been idle for longer is asked for a sign of life before it is lent. */
  readonly #silentMs: number;
  readonly #warmings = new Warmings();

  constructor(
    pools: Pools,
    keyName: string,
    key: Key,
    lane: string,
    target: unknown,
    driver: Driver,
    limits: LaneLimits,
  ) {
    this.#pools = pools;
    this.keyName = keyName;
    this.key = key;
    this.lane = lane;
    this.target = target;
    this.driver = driver;
    this.limits = limits;
    this.streams = Math.max(1, typeof driver.streams === 'number' ? driver.streams : driver.streams(target));
    const { checkAfterMs } = pools.limits;
    this.#silentMs = driver.check && checkAfterMs > 0 ? checkAfterMs : Number.POSITIVE_INFINITY;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** The pool of its lane: this one, or the one that came after it has left for want of work. */
  get ofNow(): Pool {
    return this.#pools.of(this.keyName, this.lane, this.target, this.driver);
  }

  get live(): number {
    return this.connections.live;
  }

  /** It may have no more connections. */
  get isFull(): boolean {
    return this.live >= this.limits.connections;
  }

  /**
   * Grants a stream now, or when one is free. Busy connections fill up first, so that the others can go. The queue is
   * bounded by the main thread, which hands over only so many requests of a key.
   */
  acquire(waiter: Waiter): void {
    const lease = this.#leased;
    if (lease) {
      waiter.granted(lease);
      return;
    }
    this.#waiters.push(waiter);
    this.grow();
  }

  /** Takes a waiter out that has not been granted a stream. */
  abandon(waiter: Waiter): void {
    this.#waiters.remove(waiter);
    this.#leaveLineIfServed();
    this.#leaveIfUnused();
  }

  /** Opens connections until the lane has `count` (within its limits), then calls back. */
  warm(count: number, done: (error: KeylaneError | undefined) => void): Warming {
    const warming = { count: Math.min(count, this.limits.connections), done };
    this.#warmings.add(warming);
    this.grow();
    this.#warmed(undefined);
    return warming;
  }

  /** Nobody waits for that any more. What is being opened for it stays. */
  unwarm(warming: Warming): void {
    this.#warmings.remove(warming);
    this.#leaveLineIfServed();
    this.#leaveIfUnused();
  }

  /** Opens as many connections as the waiters need and the limits allow; where one is in the way, gets in line. */
  grow(): void {
    this.#checkSilent();
    while (this.#wantsMore()) {
      if (this.#holdsBack()) return;
      const refusal = this.#pools.keys.refusal(this.key);
      if (refusal) {
        // Another lane's probe tells what this one's would: who waits for it is served where the peer is back.
        if (this.live === 0 && this.#pools.keys.probes(this.key)) this.key.hungry.push(this.inHungry);
        else if (this.live === 0) this.#failed(refusal);
        // One that opens may be the try that is let through: what it comes to decides.
        else if (this.connections.opening === 0) this.#waitOut(refusal);
        return;
      }
      if (!this.#pools.mayOpen(this)) return;
      this.#open();
    }
  }

  settle(connection: Connection, broken: Error | undefined, now?: number): void {
    connection.leased--;
    connection.served++;
    if (connection.state === 'closing') {
      if (connection.leased === 0) this.#end(connection);
      return;
    }
    const why = broken ? 'discarded' : this.#whyEnd(connection);
    if (why) {
      this.retire(connection, why);
      return;
    }
    const { since } = connection;
    this.#place(connection, now);
    this.#serve();
    // Handed on at once, it has been busy all along.
    if (connection.leased > 0) connection.since = since;
    this.#pools.keepIdle(connection);
  }

  exceeded(connection: Connection, streams: number): void {
    const fewer = Math.max(1, Math.floor(streams));
    connection.streams = Math.min(connection.streams, fewer);
    this.streams = Math.min(this.streams, fewer);
    this.settle(connection, undefined);
  }

  unused(connection: Connection): void {
    if (connection.served > 0) this.#pools.totals.reused--;
    connection.served--;
    this.settle(connection, undefined);
  }

  /** Puts a waiter back whose stream the peer refused: it is the next of its priority. */
  putBack(waiter: Waiter): void {
    this.#waiters.unshift(waiter);
    this.#serve();
  }

  retire(connection: Connection, why: EndReason): void {
    if (connection.state === 'closing') return;
    if (connection.state === 'opening') {
      connection.opening?.abort(lostEarly());
      return;
    }
    this.#takeOut(connection, why);
    this.grow();
  }

  /** What a connection said when it was asked for a sign of life. It may have been retired meanwhile. */
  checked(connection: Connection, verdict: Verdict): void {
    if (connection.state !== 'checking') return;
    if (verdict === 'well') {
      this.#place(connection);
      this.#serve();
      this.#pools.makeRoom();
      return;
    }
    // The others have been silent for longer. Nobody is to wait for each of them in turn.
    if (verdict === 'silent') for (const older of this.connections.in('idle')) this.#takeOut(older, 'check_failed');
    this.retire(connection, 'check_failed');
  }

  /** Refuses who waits and ends what is not in use; what is in use ends when its last lease is settled. */
  shut(error: KeylaneError): void {
    this.#failed(error);
    // Called off by us: that says nothing of the peer.
    for (const connection of this.connections.in('opening')) connection.opening?.abort(error);
    for (const connection of this.connections.in('idle', 'checking', 'busy', 'full')) this.retire(connection, 'shut');
    this.#leaveIfUnused();
  }

  #takeOut(connection: Connection, why: EndReason): void {
    this.#pools.closedBy[why]++;
    this.#move(connection, 'closing');
    if (connection.leased === 0) this.#end(connection);
  }

  /** The only transition. The shard-wide list of idle connections and the counts follow from it. */
  #move(connection: Connection, to: ConnectionState, now?: number): void {
    const from = connection.state;
    if (from === to) return;
    this.connections.move(connection, to);
    this.#pools.moved(connection, from, to, now);
  }

  /** A stream of a connection that is in use, or of the one that became idle last; undefined where there is none. */
  get #leased(): Lease | undefined {
    const connection = this.connections.busy ?? this.#freshIdle;
    if (!connection) return undefined;
    connection.leased++;
    if (connection.served > 0) this.#pools.totals.reused++;
    this.#place(connection);
    return new Lease(connection, this);
  }

  #place(connection: Connection, now?: number): void {
    const { leased, streams } = connection;
    this.#move(connection, leased === 0 ? 'idle' : leased < streams ? 'busy' : 'full', now);
  }

  #serve(): void {
    if (this.#waiters.size > 0 && !this.#waiters.serve(() => this.#leased)) return;
    if (this.#waiters.size > 0) this.grow();
    else this.#leaveLineIfServed();
  }

  /** Nobody is to make room for a lane that has found its streams elsewhere. */
  #leaveLineIfServed(): void {
    if (this.#waiters.size === 0 && this.#warmings.size === 0) this.inHungry.list?.remove(this.inHungry);
  }

  #whyEnd(connection: Connection): EndReason | undefined {
    if (!isReusable(this.driver, connection.value)) return 'not_reusable';
    const busy = connection.leased > 0 || this.#waiters.size > 0;
    return busy && this.#pools.isTurnOver(this, connection) ? 'gave_way' : undefined;
  }

  #wantsMore(): boolean {
    if (this.inHungry.list || this.isFull || this.#pools.shut) return false;
    return this.#short || this.#warmings.wantsMoreThan(this.live);
  }

  /** More wait than those connections can serve that are on their way. */
  get #short(): boolean {
    return this.#waiters.size > this.connections.onTheirWay * this.streams;
  }

  /** The connection that became idle last, unless that was too long ago. */
  get #freshIdle(): Connection | undefined {
    const newest = this.connections.newestIdle;
    if (this.#silentMs === Number.POSITIVE_INFINITY || !newest) return newest;
    return this.#pools.clock.now() - newest.since <= this.#silentMs ? newest : undefined;
  }

  /** Where only connections are at hand that have been silent for long, asks as many as are needed how they are. */
  #checkSilent(): void {
    while (this.#short) {
      const silent = this.connections.newestIdle;
      if (!silent || this.#freshIdle) return;
      this.#move(silent, 'checking');
      this.#pools.steps.check(this, silent, this.#silentMs);
    }
  }

  /** After a failed open, who waits has the other connections; who asked to warm the lane has only this. */
  #holdsBack(): boolean {
    if (this.live === 0 || this.#warmings.size > 0 || this.#pools.clock.now() >= this.dueAt) return false;
    this.#pools.growLater(this);
    return true;
  }

  /** The others serve meanwhile; when a try may be let through, it is thought of again. */
  #waitOut(refusal: KeylaneError): void {
    this.#warmed(refusal);
    if (this.#waiters.size === 0) return;
    // A probe whose time is up is about to end: that is no reason to ask again at once, and at once again.
    this.dueAt = this.#pools.clock.now() + Math.max(LOOK_AGAIN_MS, refusal.retryAfterMs ?? REOPEN_MS);
    this.#pools.growLater(this);
  }

  #open(): void {
    const now = this.#pools.clock.now();
    const connection = new Connection(this, this.streams, now);
    this.connections.add(connection);
    this.#pools.opening(connection);
    this.#pools.steps.open(this, connection).then(
      (value) => this.#opened(connection, value),
      (thrown) => this.#notOpened(connection, thrown),
    );
  }

  #opened(connection: Connection, value: unknown): void {
    connection.value = value;
    // A refusal elsewhere may have taught fewer meanwhile.
    connection.streams = Math.min(connection.streams, this.streams);
    connection.openEnded = this.#pools.clock.now();
    connection.since = connection.openEnded;
    const signal = connection.opening?.signal;
    // Before the end of the handshake is told: whose turn comes then is to be let through.
    this.#pools.keys.succeeded(this.key);
    this.#pools.openEnded(connection, true);
    if (signal?.aborted) {
      this.#pools.closedBy.unwanted++;
      this.#move(connection, 'closing');
      this.#end(connection);
      this.#openFailed(asKeylaneError(signal.reason, 'not_started'));
      return;
    }
    this.#place(connection);
    this.#warmed(undefined);
    this.#serve();
    // A try that was let through alone may have kept them from more.
    if (this.#warmings.size > 0) this.grow();
    this.#pools.makeRoom();
  }

  #notOpened(connection: Connection, thrown: unknown): void {
    const error = asKeylaneError(thrown, 'not_started');
    this.#pools.keys.failed(this.key, connection, error);
    this.#move(connection, 'closing');
    this.#pools.openEnded(connection, false);
    this.#openFailed(error);
    this.#gone(connection);
  }

  /** Where the lane has other connections its waiters wait for those; else they all hear why. */
  #openFailed(error: KeylaneError): void {
    this.dueAt = this.#pools.clock.now() + REOPEN_MS;
    if (this.live === 0) this.#failed(error);
    else this.#warmed(error);
  }

  #failed(error: KeylaneError): void {
    this.#warmed(error);
    this.#waiters.refuse(error);
    this.#leaveIfUnused();
  }

  #warmed(error: KeylaneError | undefined): void {
    this.#warmings.tell(this.connections.open, error);
  }

  #end(connection: Connection): void {
    this.#pools.close(this, connection, () => this.#gone(connection));
  }

  #gone(connection: Connection): void {
    this.connections.remove(connection);
    this.#pools.gone(connection);
    this.#serve();
    this.#leaveIfUnused();
  }

  #leaveIfUnused(): void {
    if (this.connections.size + this.#waiters.size + this.#warmings.size > 0) return;
    this.inHungry.list?.remove(this.inHungry);
    this.#pools.left(this);
  }
}
