import type { Clock, Timer } from '../src/util/clock.js';
import { Link, List } from '../src/util/queue.js';
import type { Limits } from '../src/wire/limits.js';
import type { EndReason } from '../src/wire/protocol.js';
import { Calendar } from './calendar.js';
import type { Connection } from './connection.js';

/** Part of the longest life by which connections that were opened together end apart (PROMISES P5). */
const JITTER = 0.1;
/** Days in the longest life: connections that end on the same day end at once. */
const DAYS = 2_048;
const SHORTEST_DAY_MS = 16;
/** Where the shard has no longest life, and some lanes have. */
const USUAL_DAY_MS = 1_000;
/** By so much may a connection be idle for longer, whose lane has a time of its own. */
const IDLE_DAY_MS = 256;
/**
 * For so long at a time are connections ended, then requests have their turn. What follows each end (promises, the
 * driver's part) comes on top and takes about as long again.
 */
const SLICE_MS = 0.5;

/**
 * When connections end although nothing is wrong with them: idle for `idleMs` or for less where their lane says so, the
 * longest idle first, and after their longest life, in use or not. Three timers in all, however many connections there are.
 */
export class Lifetimes {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #random: () => number;
  /** The idle connections of the shard, the longest idle first. */
  readonly #idle = new List<Connection>();
  readonly #ends: Calendar<Connection>;
  /** Idle ones of lanes that have a shorter time. */
  readonly #idleEnds: Calendar<Connection>;
  #expiry: Timer | undefined = undefined;

  constructor(clock: Clock, { idleMs, maxLifetimeMs }: Limits, random: () => number) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#random = random;
    const dayMs = maxLifetimeMs === 0 ? USUAL_DAY_MS : Math.max(SHORTEST_DAY_MS, maxLifetimeMs / DAYS);
    this.#ends = new Calendar(clock, dayMs, (connections) => this.#retire(() => connections.first, 'lifetime'));
    this.#idleEnds = new Calendar(clock, IDLE_DAY_MS, (connections) => this.#retire(() => connections.first, 'idle'));
  }

  /** The one to end where room is needed. */
  get longestIdle(): Connection | undefined {
    return this.#idle.first;
  }

  /** The longest idle first. */
  get idle(): Iterable<Connection> {
    return this.#idle;
  }

  /** Those that became idle last first. */
  get freshest(): Iterable<Connection> {
    return this.#idle.backwards();
  }

  /** A connection is open: its life has begun. */
  began(connection: Connection): void {
    const { maxLifetimeMs } = connection.pool.limits;
    if (maxLifetimeMs === 0) return;
    const lifetime = maxLifetimeMs * (1 - JITTER * this.#random());
    this.#ends.add(connection.inCalendar, this.#clock.now() + lifetime);
  }

  becameIdle(connection: Connection, now: number): void {
    connection.since = now;
    this.#idle.push(connection.inIdle);
    const { idleMs } = connection.pool.limits;
    if (idleMs !== undefined) {
      connection.inIdleCalendar ??= new Link<Connection>(connection);
      this.#idleEnds.add(connection.inIdleCalendar, now + idleMs);
    }
    this.#expiry ??= this.#clock.timer(this.#idleMs, () => this.#expire());
  }

  leftIdle(connection: Connection): void {
    this.#idle.remove(connection.inIdle);
    const { inIdleCalendar } = connection;
    if (inIdleCalendar !== undefined) inIdleCalendar.list?.remove(inIdleCalendar);
  }

  /** It takes no more leases, for whatever reason. */
  ended({ inCalendar }: Connection): void {
    inCalendar.list?.remove(inCalendar);
  }

  stop(): void {
    this.#expiry?.cancel();
    this.#ends.stop();
    this.#idleEnds.stop();
  }

  #expire(): void {
    const before = this.#clock.now() - this.#idleMs;
    const due = () => {
      const oldest = this.#idle.first;
      return oldest && oldest.since <= before ? oldest : undefined;
    };
    const all = this.#retire(due, 'idle');
    const oldest = this.#idle.first;
    const wait = all && oldest ? oldest.since - before : 0;
    this.#expiry = oldest && this.#clock.timer(wait, () => this.#expire());
  }

  /** Retires one after the other, which takes each out of its list. False: the slice is over and some are left. */
  #retire(next: () => Connection | undefined, why: EndReason): boolean {
    const until = this.#clock.now() + SLICE_MS;
    for (let connection = next(); connection; connection = next()) {
      connection.pool.retire(connection, why);
      if (this.#clock.now() >= until) return next() === undefined;
    }
    return true;
  }
}
