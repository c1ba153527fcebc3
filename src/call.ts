import { KeylaneError } from './errors.js';
import type { Chunk, Parsed } from './types.js';
import { Link } from './util/queue.js';
import type { RunMode, RunTiming } from './wire/protocol.js';

/** What becomes of a call: a response, or an error; and how it went. */
export interface Settled {
  response: unknown;
  error: KeylaneError | undefined;
  /** −1 if it never reached a shard. */
  shard: number;
  /** Undefined if it never reached a shard. */
  timing: RunTiming | undefined;
  /** Milliseconds from the call to its hand-over to a shard; to its end if there was none. */
  heldMs: number;
}

export interface CallParts extends Parsed {
  driver: string;
  mode: RunMode;
  /** Milliseconds of process.hrtime; Infinity for none. */
  deadline: number;
  priority: number;
  /** Counted against the bounds of what may wait. A batch bounds its calls itself. */
  bounded: boolean;
  now: number;
  settled: (settled: Settled) => void;
  /** Pieces of a live answer. */
  chunk: ((chunk: Chunk) => void) | undefined;
  /** The shard has taken so many bytes of input. */
  taken: ((bytes: number) => void) | undefined;
  /** It has been handed to its shard. */
  dispatched: (() => void) | undefined;
}

/**
 * One try of one request on the main thread, from hand-over to admission until it is settled, which happens once.
 *
 *     queued ── dispatched ──▶ in_flight ── answered, or its shard died ──▶ settled
 *        └───── canceled, timed out, refused ─────────────────────────────────▶ │
 */
export class Call {
  readonly parts: CallParts;
  state: 'queued' | 'in_flight' | 'settled' = 'queued';
  /** Place in the queue of its key. */
  readonly inQueue: Link<Call> = new Link<Call>(this);
  readonly inDeadlines: Link<Call> = new Link<Call>(this);
  /** Place in flight: the slot, the run's id, and the shard; set at dispatch. */
  slot = -1;
  id = 0;
  shard = -1;
  dispatchedAt = 0;

  constructor(parts: CallParts) {
    this.parts = parts;
  }

  /** Settles it. Later settlings are ignored: a reply may cross a deadline. Returns whether this was the one. */
  settle(response: unknown, error: KeylaneError | undefined, timing: RunTiming | undefined, now: number): boolean {
    if (this.state === 'settled') return false;
    const heldMs = (this.dispatchedAt || now) - this.parts.now;
    this.state = 'settled';
    this.parts.settled({ response, error, shard: this.shard, timing, heldMs });
    return true;
  }
}
