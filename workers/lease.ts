import type { Connection } from './connection.js';

/** What settles a lease: the pool. */
export interface LeaseOwner {
  /** `now`: the time, where it was looked up just before. */
  settle(connection: Connection, broken: Error | undefined, now?: number): void;
  exceeded(connection: Connection, streams: number): void;
  unused(connection: Connection): void;
}

/** The right to one stream. Settled exactly once, by one of its four methods; a second time throws. */
export class Lease {
  readonly connection: Connection;
  readonly #owner: LeaseOwner;
  #settled = false;

  constructor(connection: Connection, owner: LeaseOwner) {
    this.connection = connection;
    this.#owner = owner;
  }

  /** Gives the stream back. `now`: the time, where it was looked up just before. */
  release(now?: number): void {
    this.#settle();
    this.#owner.settle(this.connection, undefined, now);
  }

  /** Gives the stream back and says that the connection is broken. */
  discard(error: Error): void {
    this.#settle();
    this.#owner.settle(this.connection, error);
  }

  /** Gives the stream back and says that the peer allows only so many on a connection. */
  exceeded(streams: number): void {
    this.#settle();
    this.#owner.exceeded(this.connection, streams);
  }

  /** Gives the stream back: nothing was done on it. */
  unused(): void {
    this.#settle();
    this.#owner.unused(this.connection);
  }

  #settle(): void {
    if (this.#settled) throw new Error('a lease was settled twice');
    this.#settled = true;
  }
}
