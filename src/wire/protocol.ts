import type { ShardEvent } from '../events.js';
import type { Channel, Questions } from '../types.js';
import type { ToldLane } from './lane-book.js';
import type { KeysAsked, ShardKey } from './shard-key.js';
import type { WireError } from './wire-error.js';

/** What the main thread tells a shard. Every `run` is answered by exactly one `response` or `error`. */
export type Command =
  | RunCommand
  | { kind: 'cancel'; slot: number; id: number }
  /** A piece of what the caller writes, within the credit that the shard gave. */
  | { kind: 'input'; slot: number; id: number; data: Uint8Array; end: boolean }
  /** The reader has taken so much of the window, by what chunks cost of it. */
  | { kind: 'credit'; slot: number; id: number; bytes: number }
  | { kind: 'answer'; ask: number; value: unknown; error: WireError | undefined }
  | { kind: 'stats'; ask: number }
  /** Answered by `keys`. */
  | ({ kind: 'keys'; ask: number } & KeysAsked)
  /** Another shard is to have the key: end its connections and forget it. Nothing of it is in flight, and nothing comes. */
  | { kind: 'release'; ask: number; key: string }
  /** Forget what these patterns name, and do not remember what is being fetched of it. Answered by `invalidated`. */
  | { kind: 'invalidate'; ask: number; patterns: readonly string[] }
  /** Let what runs finish, close every connection, say `drained`, end the task. */
  | { kind: 'drain' };

export interface RunCommand {
  kind: 'run';
  /** Place in the in-flight table and in the ledger; free again after the answer. */
  slot: number;
  /** 1 … 2³²−1, told apart from the slot's earlier runs. */
  id: number;
  mode: RunMode;
  driver: string;
  key: string;
  lane: string;
  target: unknown;
  request: unknown;
  /** Milliseconds of process.hrtime; Infinity for none. */
  deadline: number;
  priority: number;
  /** There where the answer may be remembered, or come from what is. */
  cache?: CachePart | undefined;
  /** `runBytes` of it where that was counted already, else 0 or none. Not sent. */
  bytes?: number;
  /** In the shard, what it shares with the other runs of its lane. */
  told?: ToldLane;
}

/** How the answer of a run is remembered. */
export interface CachePart {
  /** SHA-256 of what is asked, in hex. */
  digest: string;
  /** `<operation>:<the first 8 hex digits of the digest>` */
  name: string;
  tags: readonly string[];
  ttlMs: number;
  /** That is the caller's own time, and goes before what the peer says. */
  ownTtl?: boolean | undefined;
  /** For so long after that an answer may be given while another is fetched. */
  staleMs: number;
  /** For how long an answer no is remembered; 0 for not at all. */
  negativeMs: number;
  /** Not what is remembered: fetch it. */
  fresh: boolean;
  /** The validator of an answer that may hold still. */
  etag?: string | undefined;
  /** That answer, packed, where the shard may not have it. */
  old?: Uint8Array | undefined;
}

/** Where an answer came from, to whom may be given one that was remembered. */
export interface CacheNote {
  status: 'hit' | 'stale' | 'miss';
  ageMs: number;
  /** The answer's validator, where its driver gave one. */
  etag?: string | undefined;
  /** How long its peer says that it holds, where its driver tells. */
  saidMs?: number | undefined;
}

/**
 * `once`: the response is all · `live`: chunks come before it · `stream`: chunks, and input ·
 * `prewarm`: no request; opens connections, as many as `request` says.
 */
export type RunMode = 'once' | 'live' | 'stream' | 'prewarm';

/** What a shard tells the main thread. */
export type Reply =
  | { kind: 'ready' }
  | ResponseReply
  | ErrorReply
  | { kind: 'chunk'; slot: number; id: number; channel: Channel; data: Uint8Array }
  /** So many bytes of input were taken. */
  | { kind: 'credit'; slot: number; id: number; bytes: number }
  | Ask
  | { kind: 'event'; event: ShardEvent }
  | { kind: 'stats'; ask: number; stats: ShardStats }
  | { kind: 'keys'; ask: number; keys: ShardKey[] }
  /** The answer to `release`: all is gone, or nothing was touched because there is something to remember. */
  | { kind: 'released'; ask: number; released: boolean }
  /** The answer to `invalidate`: so many answers are forgotten. */
  | { kind: 'invalidated'; ask: number; forgotten: number }
  | { kind: 'drained' };

export interface ResponseReply extends RunTiming {
  kind: 'response';
  slot: number;
  id: number;
  response: unknown;
  /** To a run with a cache part. */
  cache?: CacheNote | undefined;
}

export interface ErrorReply extends RunTiming {
  kind: 'error';
  slot: number;
  id: number;
  error: WireError;
}

/** Whole microseconds: small integers are the cheapest numbers that msgpack has. */
export interface RunTiming {
  queuedUs: number;
  openUs: number;
  runUs: number;
  /** The connection had served another request before. */
  reused: boolean;
}

export type Ask = {
  [Q in keyof Questions]: { kind: 'ask'; ask: number; question: Q; about: Questions[Q]['about'] };
}[keyof Questions];

/** The keys that take most of a shard. A sample in bounded memory: what takes less than a fiftieth may be missing. */
export interface TopKeys {
  /** Milliseconds that the figures are of: the last whole span of 10 s, or what there is of the first. */
  overMs: number;
  /** Requests answered in that time, of all keys. */
  requests: number;
  /** The ten with most requests, the most first. */
  byRequests: { key: string; requests: number }[];
  /** The ten whose requests held streams for longest, all of them together. */
  byTime: { key: string; heldMs: number }[];
}

/**
 * Why a connection was ended: `idle` or `lifetime` its time was over · `evicted` others needed its place, and it was idle ·
 * `gave_way` they did, and it had been busy for long · `lost` its driver said so · `discarded` a request found it broken ·
 * `not_reusable` it serves no other request · `check_failed` it gave no sign of life · `unwanted` nobody wanted it any more
 * when it was open · `shut` the engine is closed, or its key has moved to another shard.
 */
export type EndReason =
  | 'idle'
  | 'lifetime'
  | 'evicted'
  | 'gave_way'
  | 'lost'
  | 'discarded'
  | 'not_reusable'
  | 'check_failed'
  | 'unwanted'
  | 'shut';

/** Keys that are let alone after failures: until a time, or while the one try that is let through is under way. */
export interface BreakerCounts {
  open: number;
  probing: number;
}

/** A snapshot of one shard. */
export interface ShardStats {
  /** Requests in the shard, waiting for a stream or running. */
  requests: number;
  /** Milliseconds by which its event loop was late at worst in the last 10 s, looked at four times a second. */
  loopLagMs: number;
  topKeys: TopKeys;
  /** Requests among these that wait for a stream. */
  waiting: number;
  /** Connections by state, all lanes together. */
  connections: { opening: number; idle: number; checking: number; busy: number; full: number; closing: number };
  /** Lanes that have a pool, and keys that have a lane. */
  lanes: number;
  keys: number;
  /** Keys among these that are let alone, because they could not be connected to or refused our log-in. */
  stopped: number;
  /** Connections opened, failed to open, closed and evicted since the shard started. */
  opened: number;
  failed: number;
  closed: number;
  evicted: number;
  /** Connections that were open and take no more requests, by why. */
  closedBy: Record<EndReason, number>;
  /** Milliseconds for which the connections that are closed were open, all together. */
  livedMs: number;
  /** Times that a request got a connection which had served another before, since the shard started. */
  reused: number;
  /** Streams of the connections that are open, and those of them that are leased now: more, where a peer has just allowed fewer. */
  streams: { total: number; leased: number };
  /** By what failed: connecting, logging in. */
  breakers: { connect: BreakerCounts; log_in: BreakerCounts };
  /**
   * Under `limits.ratePerKey`, under quotas of their key, or while its peer wants to be left alone: requests that wait now,
   * and those that had to wait since the shard started; and keys that are left alone now.
   */
  rates: { waiting: number; delayed: number; paused: number };
  /** Of its JavaScript heap, and of buffers outside of it. */
  memory: { heapUsedBytes: number; arrayBufferBytes: number };
  /** Processes that its drivers have started and that still run. */
  subprocesses: number;
  /** Those that they have started since the shard started. */
  spawned: number;
  /** Leases that drivers forgot to give back, since the shard started (`limits.leakMs`). */
  leaked: number;
  cache: ShardCacheStats;
}

/** What a shard remembers; counts are since it started. */
export interface ShardCacheStats {
  /** Answers, and bytes that they take. */
  entries: number;
  bytes: number;
  hits: number;
  misses: number;
  /** Answers given past their time, with another being fetched. */
  stale: number;
  /** Of the hits, those that waited for an answer which was being fetched for another. */
  joined: number;
  /** Answers that are being fetched now. */
  filling: number;
  /** Of the misses, those whose old answer the peer said to hold still. */
  revalidated: number;
  /** Answers dropped for want of room. */
  evictions: number;
}
