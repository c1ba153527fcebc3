import type { BatchState, InputIdentity } from '../../batch-types.js';
import type { Store } from '../../store/store.js';
import type { Outcome } from '../../types.js';

// What a journal's store holds:
//
//     meta        what the batch is: written once (JSON)
//     state       how far it is: with each commit (JSON)
//     owner       who runs it (JSON); not there when nobody does
//     h <seq>     what one commit says: who has begun, and of each result the outcome, the time and the length of its line
//     r <seq>     the lines of these results, one after the other, each with its line end
//
// Nothing of a commit is ever written over. Who goes on with a batch reads the headers alone.
export const META = 'meta';
export const STATE = 'state';
export const OWNER = 'owner';
export const HEADERS = 'h';
export const FORMAT = 1;

export type Counts = Record<Outcome, number>;

export interface JournalMeta {
  id: string;
  /** Random: tells its requests from those of all other batches, also of one that had its id before. */
  mark?: string;
  /** By the wall clock, as all times of a journal: nothing is decided by it. */
  createdAt: number;
  input?: InputIdentity;
  /** Of requests that name none. */
  driver?: string;
  settings?: unknown;
}

export interface JournalState {
  state: BatchState;
  why?: string;
  /** Requests in all, where that is known. */
  total?: number;
  /** Those with a result included. */
  begun: number;
  counts: Counts;
  updatedAt: number;
  /** How long it ran, without the time between its runs. */
  ranMs: number;
}

export function noCounts(): Counts {
  return { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
}

/** Outcomes by their code on the disk, and in memory, where 0 and 1 say that there is none. */
export const OUTCOMES: readonly Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];

export function headerKey(seq: number): Buffer {
  return keyOf(HEADERS, seq);
}

export function linesKey(seq: number): Buffer {
  return keyOf('r', seq);
}

function keyOf(kind: string, seq: number): Buffer {
  const key = Buffer.alloc(5);
  key.write(kind, 'latin1');
  key.writeUInt32BE(seq, 1);
  return key;
}

export function seqOf(key: Buffer): number {
  return key.readUInt32BE(1);
}

export function jsonRecord(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function readState(store: Pick<Store, 'get'>): JournalState | undefined {
  return recordIn<JournalState>(store, STATE);
}

export function readMeta(store: Pick<Store, 'get'>): JournalMeta | undefined {
  return recordIn<JournalMeta>(store, META);
}

function recordIn<T>(store: Pick<Store, 'get'>, key: string): T | undefined {
  const value = store.get(key);
  return value && (JSON.parse(value.toString()) as T);
}
