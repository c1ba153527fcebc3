import type { KeylaneError } from '../src/errors.js';
import type { Due } from '../src/util/deadlines.js';
import type { RunCommand } from '../src/wire/protocol.js';
import type { Ticket } from './gate.js';
import type { Input } from './input.js';

/** A request in a shard, on its own (`Run`) or waiting for what another fetches (`Caller`), until it is answered. */
export interface Flight extends Due {
  readonly command: RunCommand;
  /** Microseconds for which it held a stream; known when it is answered. */
  readonly heldUs: number;
  readonly waiting: boolean;
  /** There where something may hold it back before it gets in line for a stream. */
  readonly ticket: Ticket | undefined;
  readonly input: Input | undefined;
  /** Ends it for the caller's sake or the deadline's. */
  abort(error: KeylaneError): void;
  credit(bytes: number): void;
}
