import type { ShardEvent } from '../src/events.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines, type Due } from '../src/util/deadlines.js';
import type { Connection } from './connection.js';

/** A stream that a driver has taken for a connection of another lane. */
export interface Held extends Due {
  readonly key: string;
  readonly takenAt: number;
  /** Where it was taken. */
  readonly stack: string;
  readonly borrower: Connection;
  leaked: boolean;
}

/**
 * Tells of drivers that forget to give a stream back. A driver may hold one for as long as the connection lives that it
 * took it for, which may be days; from that connection's end on it has `leakMs`. So nothing is reported that is in use.
 *
 * Off (0), which is the default, it costs one comparison a lease: a stack trace costs 5 to 20 µs.
 */
export class Leaks {
  readonly #clock: Clock;
  readonly #leakMs: number;
  readonly #tell: (event: ShardEvent) => void;
  /** By the connection that they were taken for. */
  readonly #held = new Map<Connection, Set<Held>>();
  /** Those whose connection is no more. */
  readonly #overdue = new Set<Held>();
  readonly #deadlines: Deadlines<Held>;

  constructor(clock: Clock, leakMs: number, tell: (event: ShardEvent) => void) {
    this.#clock = clock;
    this.#leakMs = leakMs;
    this.#tell = tell;
    this.#deadlines = new Deadlines(
      clock,
      () => this.#overdue,
      (held) => this.#leaked(held),
    );
  }

  /** To be called on the driver's own stack. */
  asked(): string | undefined {
    if (this.#leakMs === 0) return undefined;
    return (new Error('taken').stack ?? '').split('\n').slice(1).join('\n');
  }

  taken(key: string, borrower: Connection, stack: string): Held {
    const takenAt = this.#clock.now();
    const held = { key, takenAt, stack, borrower, leaked: false, dueAt: Number.POSITIVE_INFINITY };
    const all = this.#held.get(borrower);
    if (all) all.add(held);
    else this.#held.set(borrower, new Set([held]));
    return held;
  }

  returned(held: Held): void {
    this.#overdue.delete(held);
    const all = this.#held.get(held.borrower);
    all?.delete(held);
    if (all?.size === 0) this.#held.delete(held.borrower);
    if (held.leaked) this.#tell({ type: 'lease_returned', key: held.key, heldMs: this.#clock.now() - held.takenAt });
  }

  /** The connection is no more: what was taken for it is to come back. */
  gone(borrower: Connection): void {
    if (this.#held.size === 0) return;
    for (const held of this.#held.get(borrower) ?? []) {
      held.dueAt = this.#clock.now() + this.#leakMs;
      this.#overdue.add(held);
      this.#deadlines.watch(held.dueAt);
    }
    this.#held.delete(borrower);
  }

  stop(): void {
    this.#deadlines.stop();
  }

  /** Told once. */
  #leaked(held: Held): void {
    this.#overdue.delete(held);
    held.leaked = true;
    const { key, stack } = held;
    this.#tell({ type: 'lease_leaked', key, heldMs: this.#clock.now() - held.takenAt, stack });
  }
}
