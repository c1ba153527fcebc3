import type { BatchState, JobOptions } from './batch-types.js';
import type { CallOptions, Chunk, Outcome } from './types.js';

/** Options of a batch: those of a call, and what holds for all of its requests together. */
export interface BatchOptions<Req = unknown> extends Omit<CallOptions, 'labels'> {
  /** As in `run`: of all requests, or of each. A function that throws or gives something else fails its request only. */
  labels?: readonly string[] | ((request: Req, index: number) => readonly string[] | undefined);
  /**
   * Requests in flight at once. `auto` begins with 200 and learns from throughput and refusals what is best, 50 to 2,000.
   * @default 'auto'
   */
  concurrency?: number | 'auto';
  /**
   * Requests in flight at once for one key. `auto` begins with 32 and learns from the key's own latency and refusals, 1 to 1,000.
   * @default 'auto' where `concurrency` is, else no bound but `concurrency`
   */
  concurrencyPerKey?: number | 'auto';
  /**
   * Live output, as it comes. `index` is the request's place in the input. A throw here cancels the batch. Where it gives a
   * promise, no more of that request's output is read until that resolves.
   */
  onChunk?: (index: number, chunk: Chunk) => void;
  /** Called when a request is taken from the input. */
  onStart?: (index: number, request: Req) => void;
  /** What belongs to a request alone, beside what is said for all. One that throws or gives something else fails its request only. */
  each?: (request: Req, index: number) => JobOptions | undefined;
  /** Starts per second, at most. @default no bound */
  rate?: number;
  /**
   * When so many are `failed`, `not_started` or `unknown`, nothing more starts: what is in flight ends, and the rest is
   * `not_started` (`ERR_STOPPED`). `'5%'`: of all; where the length of the input is not known, of those that have ended,
   * from 20 on. The rest of an input without a known length is not read. @default no bound
   */
  maxFailures?: number | `${number}%`;
  /** So many first, and the others only when these are all `ok`; else the batch stops as with `maxFailures`. */
  canary?: number;
  /** Labels: those that have the first one first, when they have ended those with the second …, at last those with none. */
  waves?: readonly string[];
  /** `HH:MM-HH:MM`, local time: starts only within. */
  window?: string;
  /**
   * Keep a journal in the data directory: the batch survives the process, and can be gone on with. No request leaves
   * before that is on the disk, and no result is handed out before it is. @default false
   */
  journal?: boolean;
  /** Of a batch with a journal: letters, digits, `.`, `_`, `-`, 64 at most. @default made up from the time */
  id?: string;
  /** Go on with the batch of this `id`: its requests must be given again, in the same order. @default false */
  resume?: boolean;
  /** JSON that the journal keeps for whoever goes on with it. No secrets. */
  settings?: unknown;
  /** Bytes on the disk for results over 64 KiB, all together; what is over that is kept without its output. @default 10 GiB */
  maxOutputTotal?: number;
}

/** How far a batch is. */
export interface BatchProgress {
  /** How many requests there are; undefined where only reading them all would tell. */
  total: number | undefined;
  /** How many have a result, read or not; in earlier processes too. */
  settled: number;
  counts: Record<Outcome, number>;
  inFlight: number;
  paused: boolean;
  state: BatchState;
  /** Why it was stopped. */
  why?: string;
}
