import type { KeylaneError } from '../src/errors.js';
import type { DriverLease } from '../src/types.js';
import { Link } from '../src/util/queue.js';
import type { Lease } from './lease.js';
import type { Pool, Waiter } from './pool.js';

/** A stream of `pool` for a driver that is opening another connection; no longer wanted when `signal` aborts. */
export function leaseForDriver(pool: Pool, signal: AbortSignal): Promise<DriverLease> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    pool.acquire(new DriverWaiter(pool, signal, resolve, reject));
  });
}

class DriverWaiter implements Waiter {
  readonly priority = 0;
  readonly inQueue: Link<Waiter> = new Link<Waiter>(this);
  readonly #resolve: (lease: DriverLease) => void;
  readonly #reject: (error: Error) => void;
  readonly #signal: AbortSignal;
  readonly #leave: () => void;

  constructor(pool: Pool, signal: AbortSignal, resolve: (lease: DriverLease) => void, reject: (error: Error) => void) {
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
    this.#resolve({
      connection: lease.connection.value,
      release: () => lease.release(),
      discard: (error) => lease.discard(error),
    });
  }

  refused(error: KeylaneError): void {
    this.#signal.removeEventListener('abort', this.#leave);
    this.#reject(error);
  }
}
