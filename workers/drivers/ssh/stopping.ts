import type { KeylaneError } from '../../../src/errors.js';

export interface StoppingHost {
  signal(name: 'TERM' | 'KILL'): void;
  /** Calls `next` after so long. */
  wait(ms: number): void;
  giveUp(known: string): void;
}

/** What a command gets to end after TERM, and after KILL. The caller waits for it. */
const TERM_MS = 100;
const KILL_MS = 50;

/**
 * Ends a command whose request was aborted: TERM, then KILL, then the truth. Closing a channel alone stops nothing: sshd
 * lets the command run on. sshd passes signals to the command's process group since 7.9; other servers may not.
 */
export class Stopping {
  readonly reason: KeylaneError;
  readonly #host: StoppingHost;
  #sent: 'nothing' | 'SIGTERM' | 'SIGKILL' = 'nothing';

  constructor(reason: KeylaneError, host: StoppingHost) {
    this.reason = reason;
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
        this.#host.giveUp(
          `SIGTERM and SIGKILL were sent, it did not end within ${TERM_MS + KILL_MS} ms, and nobody knows whether it still runs`,
        );
    }
  }

  /** What is known now that the server told how the command ended. */
  endedBy(code: number | null, signal: string | null): string {
    if (signal !== null) return `it was killed by ${signal}`;
    return `it ended with status ${code} after ${this.#sent}`;
  }
}
