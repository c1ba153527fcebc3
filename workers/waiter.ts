import type { KeylaneError } from '../src/errors.js';
import type { Link } from '../src/util/queue.js';
import type { Lease } from './lease.js';

/** Who wants a stream. Gets exactly one of `granted` and `refused`, unless it left by `abandon`. */
export interface Waiter {
  readonly priority: number;
  readonly inQueue: Link<Waiter>;
  granted(lease: Lease): void;
  refused(error: KeylaneError): void;
}
