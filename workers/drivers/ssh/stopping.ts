import type { KeylaneError } from '../../../src/errors.js';
import type { Stopped } from '../../../src/types.js';
import { type Known, NOBODY_KNOWS, stoppedWith } from './session-errors.js';

export interface StoppingHost {
  signal(name: 'TERM' | 'KILL'): void;
  /** Calls `next` after so long. */
  wait(ms: number): void;
  /** Closes the channel of a command that does not end. */
  giveUp(): void;
  /** Stops all that the command has started; undefined where that was not asked for. */
  sweep: (() => Promise<Stopped>) | undefined;
  /** Settles the request. */
  fail(error: KeylaneError): void;
}

/** What a command gets to end after TERM, and after KILL. The caller waits for it. */
const TERM_MS = 100;
const KILL_MS = 50;

/**
 * Ends a command whose request was aborted: TERM, then KILL, then the truth. Closing a channel alone stops nothing: sshd
 * lets the command run on. sshd passes signals to the command's process group since 7.9; other servers may not.
 */
export class Stopping {
  readonly #reason: KeylaneError;
  readonly #key: string;
  readonly #host: StoppingHost;
  #sent: 'nothing' | 'SIGTERM' | 'SIGKILL' = 'nothing';

  constructor(reason: KeylaneError, key: string, host: StoppingHost) {
    this.#reason = reason;
    this.#key = key;
    this.#host = host;
  }

  /** Takes the next step: at first, and whenever the last one had its time. */
  next(): void {
    switch (this.#sent) {
      case 'nothing':
        this.#sent = 'SIGTERM';
        this.#host.signal('TERM');
        this.#host.wait(TERM_MS);
        return;
      case 'SIGTERM':
        this.#sent = 'SIGKILL';
        this.#host.signal('KILL');
        this.#host.wait(KILL_MS);
        return;
      case 'SIGKILL':
        this.#host.giveUp();
        this.ended(NOBODY_KNOWS.noEnd);
    }
  }

  /** The server told how the command ended. */
  endedBy(code: number | null, signal: string | null): void {
    const how = signal === null ? `ended with status ${code} after ${this.#sent}` : `was killed by ${signal}`;
    this.ended({
      stopped: 'killed',
      says: `it ${how}`,
    });
  }

  /** The connection is gone, and with it every way to look. */
  lost(): void {
    this.#host.fail(stoppedWith(this.#reason, NOBODY_KNOWS.connectionLost, this.#key));
  }

  /** This is known of the command itself. */
  ended(known: Known): void {
    if (!this.#host.sweep) {
      this.#host.fail(stoppedWith(this.#reason, known, this.#key));
      return;
    }
    void this.#host.sweep().then((stopped) => {
      const says = `${known.says}; with all that it had started: ${stopped}`;
      this.#host.fail(stoppedWith(this.#reason, { stopped, says }, this.#key));
    });
  }
}
