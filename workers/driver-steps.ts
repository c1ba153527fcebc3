import { KeylaneError } from '../src/errors.js';
import type { Driver } from '../src/types.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines } from '../src/util/deadlines.js';
import { isThenable } from '../src/util/thenable.js';
import type { Connection } from './connection.js';
import type { Pool } from './pool.js';

/** How long a driver may take to close a connection before its place is given away. */
const CLOSE_MS = 5_000;
/** How long a peer may take to give a sign of life before its connection is taken for dead. */
const CHECK_MS = 2_000;

/** Opens one connection of a pool: the driver, and the context it needs. A parameter, so that a test can hold the gate. */
export type Opener = (pool: Pool, connection: Connection, signal: AbortSignal) => Promise<unknown>;

/** What a connection said when it was asked for a sign of life. */
export type Verdict = 'well' | 'ill' | 'silent';

/** The steps of a connection's life that a driver takes, each with its deadline: opening, checking, closing. */
export class DriverSteps {
  readonly #clock: Clock;
  readonly #open: Opener;
  /** Connections that are `opening` or `checking`. */
  readonly #underWay = new Set<Connection>();
  readonly #deadlines: Deadlines<Connection>;

  constructor(clock: Clock, open: Opener) {
    this.#clock = clock;
    this.#open = open;
    this.#deadlines = new Deadlines(
      clock,
      () => this.#underWay,
      (connection) => this.#late(connection),
    );
  }

  /** Rejects when the driver does, or when the connection is not wanted any more, whatever the driver makes of that. */
  open(pool: Pool, connection: Connection): Promise<unknown> {
    this.#watch(connection, pool.limits.connectTimeoutMs);
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
    const left = connection.dueAt - this.#clock.now();
    connection.dueAt = Number.POSITIVE_INFINITY;
    try {
      return await asking;
    } finally {
      connection.dueAt = this.#clock.now() + left;
      this.#deadlines.watch(connection.dueAt);
    }
  }

  /** Asks for a sign of life. The pool is told, unless the connection has left `checking` by then. */
  check(pool: Pool, connection: Connection, withinMs: number): void {
    this.#watch(connection, CHECK_MS);
    // Inside a promise, as above.
    new Promise<unknown>((resolve) => resolve(pool.driver.check?.(connection.value, withinMs))).then(
      (well) => pool.checked(connection, well === true ? 'well' : 'ill'),
      () => pool.checked(connection, 'ill'),
    );
  }

  /** The opening or the check is over. */
  ended(connection: Connection): void {
    this.#underWay.delete(connection);
    connection.opening = undefined;
  }

  /** Ends a connection. Resolves when its resources are gone or the driver had its time; undefined: at once. */
  close(driver: Driver, value: unknown): Promise<void> | undefined {
    const closing = closeBy(driver, value);
    return closing && this.#orLate(closing);
  }

  async #orLate(closing: Promise<void>): Promise<void> {
    let timer: { cancel(): void } | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.timer(CLOSE_MS, resolve);
    });
    await Promise.race([closing, late]);
    timer?.cancel();
  }

  stop(): void {
    this.#deadlines.stop();
  }

  #watch(connection: Connection, ms: number): void {
    connection.dueAt = this.#clock.now() + ms;
    this.#underWay.add(connection);
    this.#deadlines.watch(connection.dueAt);
  }

  #late(connection: Connection): void {
    if (connection.state === 'checking') {
      (connection.pool as Pool).checked(connection, 'silent');
      return;
    }
    const { connectTimeoutMs } = connection.pool.limits;
    connection.opening?.abort(new KeylaneError('ERR_CONNECT', `no connection after ${connectTimeoutMs} ms`));
  }
}

/** A driver's close must not reject or throw; one that does has let go of the connection all the same. */
function closeBy(driver: Driver, value: unknown): Promise<void> | undefined {
  try {
    const closing = driver.close(value);
    return isThenable(closing) ? closing.then(nothing, nothing) : undefined;
  } catch {
    return undefined;
  }
}

/** May it serve another request? A driver that cannot tell has answered no. */
export function isReusable(driver: Driver, value: unknown): boolean {
  try {
    return driver.reusable(value);
  } catch {
    return false;
  }
}

export function lostEarly(): KeylaneError {
  return new KeylaneError('ERR_CONNECT', 'the connection was closed as soon as it was open');
}

function nothing(): void {}
