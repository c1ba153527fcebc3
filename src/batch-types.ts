import type { KeylaneError } from './errors.js';
import type { Outcome, Result } from './types.js';

/** What belongs to one request of a batch alone; what is not said is as the batch has it. */
export interface JobOptions {
  /** Unique within the batch, 1 to 256 characters. @default the request's place in the input, as digits */
  id?: string;
  idempotent?: boolean;
  timeoutMs?: number | 'auto';
  attempts?: number;
  priority?: number;
  labels?: readonly string[];
  /** Ids of requests that must be `ok` before this one starts; where one is not, this one is `not_started`. */
  after?: readonly string[];
  /** What asked for it: comes back with its result, as in a call. */
  traceparent?: string;
}

/** A line of a batch's input: one request, of any driver. */
export interface Job extends JobOptions {
  /** @default the batch's */
  driver?: string;
  request: unknown;
}

export interface IndexedJob extends Job {
  /** Its place in the input, from 0. */
  index: number;
}

/** Jobs that can be read more than once: by the waves of a batch, and by the process that goes on with it. */
export interface JobSource {
  /** Undefined where the requests themselves must be compared, one by one. */
  readonly identity: InputIdentity | undefined;
  readonly total: number | undefined;
  /** The ids that an `after` names, and where they are in the input. Undefined: what `after` names is looked for by the batch. */
  readonly named?: ReadonlyMap<string, number>;
  /** The jobs of the wanted indexes, in the order of the input. Those that are not wanted are passed over unread. */
  read(wanted: (index: number) => boolean): AsyncIterable<IndexedJob> | Iterable<IndexedJob>;
}

/** Which input it is, and how it is read again. Kept in the journal, so it holds no secret. */
export interface InputIdentity {
  /** Absolute. */
  path: string;
  /** It is a copy in the batch's own directory, of what could not be read again. */
  spooled: boolean;
  format: 'ndjson' | 'csv' | 'json';
  bytes: number;
  /** Of the file, in hex. */
  sha256: string;
  /** The driver of lines that name none. */
  driver: string;
  /** The ssh command with `{column}` fields. */
  template?: string;
  /** Jobs that it has. */
  total?: number;
  /** True where one of them waits for another. */
  after?: boolean;
  /** Lines (from 1) that were put aside; of JSON the places (from 1) in its array. */
  skipped?: number[];
}

/**
 * `running` it has an owner, or had one that died · `interrupted` it can go on · `done` every request is settled ·
 * `stopped` it had enough failures, or its canary failed: the rest is `not_started` · `canceled` it was called off.
 */
export type BatchState = 'running' | 'interrupted' | 'done' | 'stopped' | 'canceled';

/** What the programs of keylane itself keep as a batch's `settings`: whoever goes on with it knows by it how. No secrets. */
export interface BatchSettings {
  /** Who made it. */
  by: 'keylane batch' | 'keylane serve';
}

/** What a batch is, and how far it is. */
export interface BatchSummary {
  id: string;
  /** `interrupted`, too, where the process that ran it is dead. */
  state: BatchState;
  why?: string;
  /** Requests in all, where that is known. */
  total?: number;
  /** Those with a result included. */
  begun: number;
  settled: number;
  /** Begun, and without a result. */
  inFlight: number;
  /** By outcome. Of a canceled batch all have one: those that were cut off are `unknown`, those that never began `not_started`. */
  counts: Record<Outcome, number>;
  /** Milliseconds of the wall clock. */
  createdAt: number;
  /** When something was written last. */
  updatedAt: number;
  /** How long it ran, without the time between its runs. */
  ranMs: number;
  /** Of requests that name none. */
  driver?: string;
  input?: InputIdentity;
  settings?: unknown;
  /** The process that runs it. */
  pid?: number;
  /** Why it cannot be read. */
  error?: KeylaneError;
}

/** A result as the journal holds it. */
export interface BatchLine {
  /** The request's place in the input, from 0. */
  index: number;
  outcome: Outcome;
  /** The result as one line of JSON, without a line end. */
  line: string;
  /** The commit that it came with. What comes later is read by `after`. Undefined where it never had one: the batch was canceled. */
  commit: number | undefined;
}

/** What a journal is opened by. Rejects with `ERR_EXISTS` where there is one already and it is not to go on, else `ERR_INPUT`. */
export interface JournalAsked {
  id: string;
  /** Go on with it: true, it must be there; false, it must not. */
  resume: boolean;
  /** Another one than the journal's is refused. */
  input: InputIdentity | undefined;
  total: number | undefined;
  /** Of requests that name none. */
  driver: string | undefined;
  /** JSON that is kept for whoever goes on with it. */
  settings: unknown;
  /** Bytes. */
  maxOutputTotal: number | undefined;
}

/** What a batch needs of its journal. What rejects (a full disk) ends the batch: nothing unsaid is handed out. */
export interface Journal {
  readonly id: string;
  /** Of this batch alone, also where an earlier one had its id. Undefined where an older keylane began it. */
  readonly mark: string | undefined;
  /** `begun`: it may have run, and no result is known: the process died. */
  known(index: number): 'new' | 'begun' | Outcome;
  /** How many have a result. */
  readonly settled: number;
  /** No index from here on has begun or has a result. */
  readonly end: number;
  /** Of those with a result, how many by outcome; those of earlier processes too. */
  readonly counts: Readonly<Record<Outcome, number>>;
  /**
   * Resolves when it is on the disk that this one is about to leave. `digest`: of the request, where the input has no
   * identity: 8 bytes as 8 characters (latin1). Of one commit all have the same promise.
   */
  begin(index: number, digest: string | undefined): Promise<void>;
  /** It has begun in this process, and is now known not to have left: as if it never had begun. */
  withdraw(index: number): void;
  /** Throws `ERR_INPUT` where this request is not the one that had this index before. */
  check(index: number, digest: string): void;
  /** Resolves when the result is on the disk. */
  settle(result: Result): Promise<void>;
  /** Writes how it ended, lets go of the batch and closes the store. */
  close(state: Exclude<BatchState, 'running'>, why?: string): Promise<void>;
  /** Called when another process asks for the end of the batch. */
  onCancel: (() => void) | undefined;
}
