import { KeylaneError } from '../../src/errors.ts';
import type { Driver, DriverLease, DriverLimits, ExecuteContext, OpenContext } from '../../src/types.ts';
import type { Clock } from '../../src/util/clock.ts';
import { Link } from '../../src/util/queue.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { Opener } from '../../workers/driver-steps.ts';
import type { Lease } from '../../workers/lease.ts';
import type { Pool } from '../../workers/pool.ts';
import { Pools, type PoolsParameters } from '../../workers/pools.ts';
import type { Waiter } from '../../workers/waiter.ts';

/** A driver whose opens, closes and executes wait at gates, the oldest first, until a test lets them through. */
export class FakeDriver implements Driver<unknown, FakeConnection> {
  streams: number;
  readonly opens: Gate<FakeConnection, Opening>[] = [];
  readonly closes: Gate<void, FakeConnection>[] = [];
  readonly executes: Gate<unknown, Executing>[] = [];
  readonly checks: Gate<boolean, FakeConnection>[] = [];
  /** Every connection that was opened, and those that were closed: one entry for each call of `close`. */
  readonly opened: FakeConnection[] = [];
  readonly closed: FakeConnection[] = [];
  /** Opens that began. */
  begun = 0;
  /** False: closes wait at their gates too. */
  closesAtOnce = true;

  /** What it asks for its lanes; there where a test says so. */
  declare limits?: (target: unknown) => DriverLimits;
  declare units?: (request: unknown) => number;

  constructor(streams = 1) {
    this.streams = streams;
  }

  open(target: unknown, context: OpenContext): Promise<FakeConnection> {
    this.begun++;
    return this.#wait(this.opens, { target, context });
  }

  execute(connection: FakeConnection, request: unknown, context: ExecuteContext): Promise<unknown> | unknown {
    return this.#wait(this.executes, { connection, request, context });
  }

  check(connection: FakeConnection): Promise<boolean> {
    return this.#wait(this.checks, connection);
  }

  reusable(connection: FakeConnection): boolean {
    return connection.reusable;
  }

  close(connection: FakeConnection): Promise<void> | void {
    this.closed.push(connection);
    if (!this.closesAtOnce) return this.#wait(this.closes, connection);
  }

  /** Lets the oldest open through. */
  letOpen(): FakeConnection {
    const gate = passed(this.opens);
    const connection = new FakeConnection(this.opened.length, gate.about);
    this.opened.push(connection);
    gate.open(connection);
    return connection;
  }

  /** Lets the oldest open fail. */
  failOpen(error: unknown = new KeylaneError('ERR_CONNECT', 'nobody there')): void {
    passed(this.opens).fail(error);
  }

  /** Lets the oldest check end. */
  letCheck(well: boolean): FakeConnection {
    const gate = passed(this.checks);
    gate.open(well);
    return gate.about;
  }

  letClose(): void {
    passed(this.closes).open();
  }

  /** Connections that are open at the peer. */
  get alive(): number {
    return this.opened.length - new Set(this.closed).size;
  }

  #wait<T, About>(gates: Gate<T, About>[], about: About): Promise<T> {
    return new Promise((open, fail) => gates.push({ about, open, fail }));
  }
}

/** Where an operation waits. */
export interface Gate<T, About> {
  readonly about: About;
  readonly open: (value: T) => void;
  readonly fail: (error: unknown) => void;
}

export interface Opening {
  target: unknown;
  context: OpenContext;
}

export interface Executing {
  connection: FakeConnection;
  request: unknown;
  context: ExecuteContext;
}

export class FakeConnection {
  reusable = true;
  readonly id: number;
  readonly target: unknown;
  /** Dies while nobody uses it, as its peer sees it. */
  readonly die: () => void;

  constructor(id: number, { target, context }: Opening) {
    this.id = id;
    this.target = target;
    this.die = () => context.lost(new Error('reset by peer'));
  }
}

/** A caller who wants one stream of a pool, and notes what it gets. */
export class Caller implements Waiter {
  readonly inQueue: Link<Waiter> = new Link<Waiter>(this);
  readonly name: string;
  readonly priority: number;
  /** Everything it was told; more than one entry is a fault. */
  readonly told: (Lease | KeylaneError)[] = [];
  readonly #log: string[] | undefined;

  constructor(name = '', { priority = 0, log }: { priority?: number; log?: string[] } = {}) {
    this.name = name;
    this.priority = priority;
    this.#log = log;
  }

  granted(lease: Lease): void {
    this.told.push(lease);
    this.#log?.push(this.name);
  }

  refused(error: KeylaneError): void {
    this.told.push(error);
  }

  get waits(): boolean {
    return this.told.length === 0;
  }

  get lease(): Lease {
    const lease = this.told.at(-1);
    if (this.told.length !== 1 || !lease || lease instanceof KeylaneError) {
      throw new Error(`${this.name} has no lease: ${JSON.stringify(this.told.map(String))}`);
    }
    return lease;
  }

  get error(): KeylaneError {
    const error = this.told.at(-1);
    if (this.told.length !== 1 || !(error instanceof KeylaneError)) throw new Error(`${this.name} was not refused`);
    return error;
  }

  get connection(): FakeConnection {
    return this.lease.connection.value as FakeConnection;
  }
}

/** A new caller in line for a stream of the pool. */
export function call(pool: Pool, name?: string, how?: { priority?: number; log?: string[] }): Caller {
  const caller = new Caller(name, how);
  pool.acquire(caller);
  return caller;
}

export const LIMITS: Limits = {
  connectionsPerLane: 2,
  connectionsPerShard: 1_000,
  opensPerKey: 8,
  breaker: false,
  idleMs: 300_000,
  maxLifetimeMs: 0,
  checkAfterMs: 0,
  leakMs: 0,
  connectTimeoutMs: 10_000,
};

/** The pools of a shard without the shard: drivers are opened as workers/shard.ts opens them. */
export function poolsWith(clock: Clock, limits: Partial<Limits> = {}, parameters: PoolsParameters = {}): Pools {
  const open: Opener = (pool, connection, signal) =>
    pool.driver.open(pool.target, {
      signal,
      deadline: connection.dueAt,
      lost: () => pool.retire(connection, 'lost'),
      lease: (target): Promise<DriverLease> => pools.leaseFor(connection, target, signal),
      ask: () => Promise.reject(new Error('nobody to ask')),
    });
  const pools: Pools = new Pools(clock, { ...LIMITS, ...limits }, open, parameters);
  return pools;
}

function passed<T, About>(gates: Gate<T, About>[]): Gate<T, About> {
  const gate = gates.shift();
  if (!gate) throw new Error('nothing waits at this gate');
  return gate;
}
