import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { Deadlines } from '../../../src/util/deadlines.js';
import type { ConnectionHost, SmtpConnection } from './connection.js';
import { Slowness } from './slowness.js';

/** All connections of a shard: one timer for what they wait for, and what their servers think of our pace. */
export class Sessions implements ConnectionHost {
  readonly clock: Clock;
  readonly #open = new Set<SmtpConnection>();
  readonly #deadlines: Deadlines<SmtpConnection>;
  readonly #slowness: Slowness;

  constructor(clock: Clock) {
    this.clock = clock;
    this.#slowness = new Slowness(clock);
    this.#deadlines = new Deadlines(
      clock,
      () => this.#open,
      (connection) => connection.overdue(),
    );
  }

  add(connection: SmtpConnection): void {
    this.#open.add(connection);
  }

  watch(dueAt: number): void {
    this.#deadlines.watch(dueAt);
  }

  remove(connection: SmtpConnection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#deadlines.stop();
  }

  answered(key: string, response: SmtpResponse, context: ExecuteContext): void {
    const ms = this.#slowness.after(key, response);
    if (ms !== undefined) context.pause(ms);
  }
}
