import type { KeylaneError } from '../src/errors.js';
import type { DriverLease } from '../src/types.js';
import { Link } from '../src/util/queue.js';
import type { Lease } from './lease.js';
import type { Pool } from './pool.js';
import type { Waiter } from './waiter.js';

/**
 * A stream of `pool` for a driver that is opening another connection; no longer wanted when `signal` aborts. `given` is
 * told when it is granted, and gives what is to be told when it comes back.
 */
export function leaseForDriver(pool: Pool, signal: AbortSignal, given: () => () => void): Promise<DriverLease> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    pool.acquire(new DriverWaiter(pool, signal, given, resolve, reject));
  });
}

class DriverWaiter implements Waiter {
  readonly priority = 0;
  readonly inQueue: Link<Waiter> = new Link<Waiter>(this);
  readonly #resolve: (lease: DriverLease) => void;
  readonly #reject: (error: Error) => void;
  readonly #signal: AbortSignal;
  readonly #given: () => () => void;
  readonly #leave: () => void;

  constructor(
    pool: Pool,
    signal: AbortSignal,
    given: () => () => void,
    resolve: (lease: DriverLease) => void,
    reject: (error: Error) => void,
  ) {
    this.#given = given;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#leave = () => {
      if (this.inQueue.list) pool.abandon(this);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', this.#leave, { once: true });
  }

  granted(lease: Lease): void {
    this.#signal.removeEventListener('abort', this.#leave);
    const returned = this.#given();
    // The lease first: settled twice, it throws.
    this.#resolve({
      connection: lease.connection.value,
      release: () => {
        lease.release();
        returned();
      },
      discard: (error) => {
        lease.discard(error);
        returned();
      },
    });
  }

  refused(error: KeylaneError): void {
    this.#signal.removeEventListener('abort', this.#leave);
    this.#reject(error);
  }
}
