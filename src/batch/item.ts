import type { Patience } from '../adaptive/timeouts.js';
import type { JobOptions } from '../batch-types.js';
import type { CachePlan } from '../cache/plan.js';
import type { Call } from '../call.js';
import type { KeylaneError } from '../errors.js';
import type { Parsed } from '../types.js';
import type { BatchHost } from './host.js';
import type { Place } from './slots.js';

/** What a job says beside its request. */
export interface Own extends JobOptions {
  driver?: string;
}

/** A request of the input that is not settled. */
export class Item<Req> {
  readonly index: number;
  readonly request: Req;
  /** What it says for itself; undefined where all is as the batch has it. */
  readonly own: Own | undefined;
  traceparent: string | undefined;
  /** Why it cannot start; it is settled with that. */
  refused: KeylaneError | undefined = undefined;
  /** There is another one with its id. */
  isSecond = false;
  /** The process before this one let it go, and no result is known. */
  isInterrupted = false;
  /** A try of it may have left: what is to be known of it before that is on the disk. */
  hasBegun = false;
  /** It was taken before, and could not start then. */
  isAgain = false;
  /** It is known to be no success before it is counted. */
  isBad = false;
  /** It is read, and has or waits for a place. */
  isPrepared = false;
  host: BatchHost | undefined = undefined;
  patience: Patience | undefined = undefined;
  deadline = 0;
  labels: readonly string[] | undefined = undefined;
  parsed: Parsed | undefined = undefined;
  place: Place | undefined = undefined;
  /** How its answer is remembered. */
  plan: CachePlan | undefined = undefined;
  /** The try that has the place, once it is settled, unless it was answered out of memory. */
  call: Call | undefined = undefined;

  constructor(index: number, request: Req, own: Own | undefined) {
    this.index = index;
    this.request = request;
    this.own = own;
    this.traceparent = own?.traceparent;
  }

  get id(): string {
    return this.own?.id ?? String(this.index);
  }
}
