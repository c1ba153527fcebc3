import type { KeylaneError } from '../../../src/errors.js';
import type { Stopped } from '../../../src/types.js';
import type { Pressure } from './pressure.js';
import type { Session } from './session.js';
import type { Slots } from './slots.js';
import type { Sweep } from './sweep.js';
import type { Transport } from './transport.js';

/** Who a command runs as, by sudo. */
export interface SudoOf {
  user: string;
  password: string | undefined;
}

/** What a session needs of its connection. */
export interface SessionHost {
  readonly key: string;
  readonly transport: Transport;
  readonly slots: Slots;
  /** Commands may use our agent. */
  readonly forwardAgent: boolean;
  readonly pressure: Pick<Pressure, 'tooMuch'>;
  /** Milliseconds within which the server has to open a channel and start the command. */
  readonly answerMs: number;
  now(): number;
  /** Calls `overdue` of the session when its `dueAt` has passed. */
  watch(dueAt: number): void;
  /** Asks for a sign of life. When it is there, all that the server had sent is here; it never is where the server is gone. */
  ping(answered: () => void): void;
  /** Sessions that count with the server: of requests that run, and of commands that outlived their request. */
  count(): { running: number; lingering: number };
  /** Takes no further request. */
  retire(): void;
  /** The server broke the protocol: nothing it says can be relied on. */
  destroy(error: KeylaneError): void;
  /** Asks again for a channel, under a new number. */
  reopen(session: Session): void;
  /** A command may run on after its request, and counts for as long as it does. */
  outlived(): void;
  /** Stops all that a command has started; rejects never. */
  sweep(sweep: Sweep, sudo: SudoOf | undefined): Promise<Stopped>;
  /** The channel is gone and its number free. */
  removed(session: Session): void;
}
