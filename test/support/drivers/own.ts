/** Drivers of our own that tests hand to an engine by URL, and the types of what they are asked. */
export const PUPPET = new URL('./puppet.mjs', import.meta.url);
export const CRASH = new URL('./crash.mjs', import.meta.url);
export const SHELF = new URL('./shelf.mjs', import.meta.url);
export const FLOOD = new URL('./flood.mjs', import.meta.url);
export const TOKENS = new URL('./tokens.mjs', import.meta.url);

/** A driver that does what the request says, within the interface or against it. */
export interface PuppetRequest {
  key: string;
  /** Another lane of the key. @default '' */
  lane?: string;
  /** The lane, whatever it shares its name with. */
  exactLane?: string;
  /** Opened through a connection of another lane of the key. */
  via?: true;
  /** Streams of a connection. @default 10 */
  streams?: number;
  /**
   * `never` never settles, not even when it is aborted · `throw` throws where a promise is expected · `bare` returns
   * the connection itself · `reject` rejects with a plain Error · `auth` with ERR_AUTH · a number: opens after so many
   * milliseconds, deaf to its signal.
   */
  open?: 'never' | 'throw' | 'bare' | 'reject' | 'auth' | number;
  /**
   * `hang` waits for its signal · `deaf` never settles · `throw`, `reject`, `throw-undefined` as they say ·
   * `cycle` and `getter` answer with what msgpack cannot carry · `lost` reports the connection as lost and
   * rejects · `drop` reports it as lost once the answer is given · `exceed` allows one stream on a connection ·
   * `seen` answers with the counts · `burn` keeps its thread at work for `payload` milliseconds.
   */
  run?:
    | 'hang'
    | 'hang-unsent'
    | 'deaf'
    | 'throw'
    | 'reject'
    | 'throw-undefined'
    | 'cycle'
    | 'getter'
    | 'lost'
    | 'drop'
    | 'exceed'
    | 'seen'
    | 'burn'
    | number;
  /**
   * When it is closed: `never` settles, throws, rejects, crashes its thread before or after it is closed, or forgets the
   * stream that it went through.
   */
  close?: 'forget' | 'never' | 'throw' | 'reject' | 'crash-in' | 'crash-after';
  /** What `reusable` does. */
  reusable?: 'throw' | 'no';
  payload?: unknown;
}

export interface PuppetResponse {
  payload?: unknown;
  /** Which connection of the shard, counted from 1. */
  connection?: number;
  seen?: PuppetCounts;
}

/** What the driver has seen in its shard. */
export interface PuppetCounts {
  opens: number;
  openingNow: number;
  mostOpening: number;
  open: number;
  mostOpen: number;
  closes: number;
  runningNow: number;
  mostRunning: number;
}

/** A driver that kills its thread. `witness`: a file to which the id is appended just before `sent()`. */
export interface CrashRequest {
  key: string;
  id: number;
  witness: string;
  /** Milliseconds before the request leaves, and from there to the answer. */
  beforeMs: number;
  afterMs: number;
  die?: 'throw' | 'reject' | 'exit0' | 'exit3' | 'block' | 'heap';
}

/** A peer with things on it, numbers that are 0 at first. */
export interface ShelfRequest {
  key: string;
  /** Which thing: it is read, or written. */
  item?: string;
  write?: number;
  /** Its answers have an etag. */
  etag?: true;
  /** Having read or written, it waits for the gate of this name, in its shard. */
  wait?: string;
  /** Opens this gate. */
  open?: string;
  /** Answers with the counts of its key. */
  counts?: true;
  /** Having read or written: `before`: nothing, it has not started · `after`: it says nothing · `refused`: it says no. */
  fault?: 'before' | 'after' | 'refused';
  /** Makes it another request. */
  salt?: unknown;
}

export interface ShelfResponse {
  value: number;
  etag?: string;
  refused?: true;
  reads: number;
  writes: number;
  unchanged: number;
  waiting: number;
}

export interface FloodRequest {
  key: string;
  /** So many bytes come. */
  bytes?: number;
  /** What is written is counted, each piece after a turn of the loop. */
  sink?: boolean;
}

declare module 'keylane' {
  interface Drivers {
    puppet: { request: PuppetRequest; response: PuppetResponse };
    crash: { request: CrashRequest; response: { id: number } };
    shelf: { request: ShelfRequest; response: ShelfResponse };
    flood: { request: FloodRequest; response: { bytes: number; sha256: string } };
  }
}
