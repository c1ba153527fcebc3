/**
 * The words of keylane, as types. One word per thing.
 *
 *   engine      what a program holds; lives on the main thread, owns the shards
 *   shard       one worker thread with its own pools, caches and limits; shards share nothing
 *   key         the host or account a request belongs to, and what is hashed; equal keys meet in the same shard
 *   lane        a key plus whatever changes who we are to the peer; each lane has one pool
 *   partition   one of 64 groups of keys; the unit that a node of a cluster owns
 *   driver      teaches a shard one protocol; its spec is the pure half that the main thread knows
 *   target      what a lane's connections are opened to; holds only what the lane covers
 *   connection  one live session with the peer; a stream is one request's place on it
 *   pool        the connections of one lane
 *   lease       the right to one stream until it is released or discarded
 *   outcome     how a request ended; a result is a settled request
 *   command     a message to a shard; a reply is a message from one; a frame is the bytes of several
 *   ledger      the few shared words in which a shard notes what it has let go out
 *   fill        one request for an answer that is to be remembered, whoever waits for it
 *   batch       many requests under one bound
 */

import type { EchoRequest, EchoResponse } from './echo-types.js';
import type { KeylaneError } from './errors.js';
import type { HttpRequest, HttpResponse } from './http-types.js';
import type { SmtpRequest, SmtpResponse } from './smtp-types.js';
import type { SshRequest, SshResponse } from './ssh-types.js';
import type { StdioRequest, StdioResponse } from './stdio-types.js';

/**
 * How a request ended, by what is known of the peer:
 * `ok` it said yes · `failed` it said no (an exit code, 5xx) · `not_started` nothing reached it ·
 * `unknown` it may have run, no answer came · `canceled` the caller called it off.
 */
export type Outcome = 'ok' | 'failed' | 'not_started' | 'unknown' | 'canceled';

/** What is known of a command that was stopped. Of what it had started, only with `killTree`. */
export type Stopped = 'killed' | 'left running' | 'unknown';

/** Milliseconds a request spent waiting (in admission and for a stream), opening a connection, and running. */
export interface Timing {
  queuedMs: number;
  openMs: number;
  runMs: number;
}

/** A piece of a live answer. `stdout` and `stderr` for commands, `message` for protocols of messages. */
export interface Chunk {
  channel: Channel;
  data: Buffer;
}

export type Channel = 'stdout' | 'stderr' | 'message';

/**
 * What each driver is asked and what it answers. Open to declaration merging, so that a driver of one's own is typed:
 *
 *     declare module 'keylane' { interface Drivers { ftp: { request: FtpRequest; response: FtpResponse } } }
 */
export interface Drivers {
  echo: { request: EchoRequest; response: EchoResponse };
  ssh: { request: SshRequest; response: SshResponse };
  smtp: { request: SmtpRequest; response: SmtpResponse };
  stdio: { request: StdioRequest; response: StdioResponse };
  http: { request: HttpRequest; response: HttpResponse };
}

export type DriverName = keyof Drivers & string;
export type RequestOf<D extends DriverName> = Drivers[D]['request'];
export type ResponseOf<D extends DriverName> = Drivers[D]['response'];

/** Options of one call. */
export interface CallOptions {
  /**
   * Deadline over queue, open and run together, from the call on. 0: none. `auto` (run, batch): each try has as long as its
   * key's earlier ones took, and a margin, between the next two.
   * @default 60_000 (run, batch), 0 (stream)
   */
  timeoutMs?: number | 'auto';
  /** With `timeoutMs: 'auto'`: no try is given up sooner. @default 5_000, or the ceiling */
  timeoutFloorMs?: number;
  /** With `timeoutMs: 'auto'`: what a request has in all, and a try for a key that is not known yet. @default 60_000 */
  timeoutCeilingMs?: number;
  signal?: AbortSignal;
  /** True if running it twice does no harm: `unknown` may then be retried. @default where its protocol says so (a GET), else false */
  idempotent?: boolean;
  /**
   * Tries in all, the first included; of all requests of the last minute a tenth at most is tried again, or a hundred.
   * @default 1 (run, stream), 3 (batch)
   */
  attempts?: number;
  /** −10 … 10, higher first, among the requests of one key. @default 0 */
  priority?: number;
  /** What it belongs to. Those that `limits.groups` names are bounded, in the whole engine; the others are free. */
  labels?: readonly string[];
  /** Let the answer come from what is remembered, and remember it. Errors are never remembered. @default false */
  cache?: boolean | CacheOptions;
  /**
   * What this request changes: patterns of the answers to forget (`vm_list:*`, a tag, `key:<key>`), everywhere, before its
   * result is handed out; unless it has not started.
   */
  invalidates?: readonly string[];
  /**
   * What asked for it, as W3C Trace Context says it: `00-<32 hex digits>-<16>-<2>`. It comes back with the result; peers are
   * told nothing of it.
   */
  traceparent?: string;
}

/** How an answer is remembered, and what is good enough. */
export interface CacheOptions {
  /** How old an answer may be. @default what its peer says, else the engine's `cache.ttlMs` of the operation, else `cache.defaultTtlMs` */
  ttlMs?: number;
  /** What else it can be invalidated by. */
  tags?: readonly string[];
  /** On disk too: for other processes, and for later ones. @default false */
  persist?: boolean;
  /** For so long after its time an answer is given at once, while another is fetched behind it. @default 0 */
  staleWhileRevalidateMs?: number;
  /** Fetch it, whatever is remembered, and remember that. @default false */
  fresh?: boolean;
  /** What is asked, in a word: the first half of the answer's name, by which it is invalidated and counted. @default the driver */
  operation?: string;
  /** How long an answer no (outcome `failed`) is remembered. @default not at all */
  negativeTtlMs?: number;
}

/** A settled request of a batch: `response` for `ok` and `failed`, `error` for the rest. */
export interface Result<Req = unknown, Res = unknown> {
  /** The request's place in the input, from 0. */
  index: number;
  /** What its job says, else its index as digits. */
  id: string;
  /** There where the job named one. */
  driver?: string;
  request: Req;
  /** The key it was routed by; '' if the request could not be read. */
  key: string;
  outcome: Outcome;
  response?: Res;
  error?: KeylaneError;
  /** Tries made; 0 if it never left the main thread. */
  attempts: number;
  /** Shard number, or −1 if it never reached one. */
  shard: number;
  /** True if the connection had served another request before. */
  reused: boolean;
  /** Was the answer remembered? `stale`: past its time, another is being fetched. `none`: it was not asked for. */
  cache: 'hit' | 'stale' | 'miss' | 'none';
  /** There for `hit` and `stale`: where it was remembered, and how old it is. */
  cached?: { level: 'shard' | 'disk'; ageMs: number };
  timing: Timing;
  /** The tries before the last one. */
  history: Attempt[];
  /** There where it was given. */
  traceparent?: string;
}

export interface Attempt {
  outcome: Outcome;
  /** Of docs/errors.md; `NOT_NOW` where the peer has answered, and its driver knows that it wants to be asked later. */
  code: string;
  message: string;
}

/**
 * The pure half of a driver, on the main thread: from what a caller gives to what a shard needs.
 * Imports no protocol library.
 */
export interface Spec<Input = unknown, Request = unknown, Response = unknown> {
  readonly name: string;
  /** Preparation (a file to read, a name to look up) before `parse`, which takes what this gives. */
  resolve?(input: Input): Input | Promise<Input>;
  /**
   * Checks the input and takes it apart. Throws KeylaneError `ERR_INPUT` that names the field and the fix. `mark`, in a batch
   * with a journal: no other request has this one, and it is the same when another process goes on with the batch. For what a
   * peer, or who reads it, is to know a request again by (a Message-ID).
   */
  parse(input: Input, mark?: string): Parsed<Request>;
  /** Did the peer say yes? Decides between `ok` and `failed`. */
  ok(response: Response): boolean;
  /**
   * Does this answer lead on, to another request that is to be answered in its place (a redirect)? That one goes by its own
   * key, in what is left of the time; it may lead on in turn, twenty times in all. Throws a KeylaneError where it may not be
   * followed. A stream hands out nothing of an answer that leads on: its driver calls no `chunk` for it.
   */
  follow?(response: Response, parsed: Parsed<Request>): Parsed<Request> | undefined;
  /**
   * Milliseconds after which the same request may be made again, where the peer has said "not now" and has done nothing of
   * it; undefined where its answer is final. Asked of answers that are not `ok`, where the call has tries left.
   */
  again?(response: Response, parsed: Parsed<Request>): number | undefined;
  /** What a remembered answer is found by: equal for requests that ask the same. @default the request itself */
  same?(request: Request): unknown;
}

export interface Parsed<Request = unknown> {
  key: string;
  /** Equal lanes share connections, so it must hold everything that `target` holds. See `laneOf` in routing.ts. */
  lane: string;
  target: unknown;
  request: Request;
  /** By its protocol, running it twice does no harm (a GET): as the call's option, which goes before where it is given. */
  idempotent?: boolean;
  /** Set by the engine, where the request names an account. @internal */
  account?: AccountBounds;
}

/** What an account adds to how a call runs. @internal */
export interface AccountBounds {
  labels: readonly string[] | undefined;
  /** The longest that a try may take. */
  timeoutMs: number | undefined;
}

/** The working half of a driver, in a shard. Stateless: the pool owns the connections. */
export interface Driver<Target = unknown, Connection = unknown, Request = unknown, Response = unknown> {
  /** Requests that one connection serves at once; where targets differ, those of one. */
  readonly streams: number | ((target: Target) => number);
  /**
   * Who the target's connections shake hands with: handshakes and failed log-ins are bounded for each of these.
   * @default the key; another where connections to several peers go through one host
   */
  peer?(target: Target): string;
  /** What the target's lane and key are held to, beside the engine's own limits. Pure. */
  limits?(target: Target): DriverLimits;
  /** What a request counts in quotas `of: 'units'` (the recipients of a message). Whole, at least 1. @default 1 */
  units?(request: Request): number;
  /** Opens a connection. Rejects with KeylaneError (`ERR_CONNECT`, `ERR_AUTH`, …); outcome is always `not_started`. */
  open(target: Target, context: OpenContext): Promise<Connection>;
  /**
   * Runs one request. Resolves with what the peer answered, yes or no. Rejects with a KeylaneError whose outcome tells
   * whether anything reached the peer, or with `StreamsExceeded` if the peer wants fewer streams.
   */
  execute(
    connection: Connection,
    request: Request,
    context: ExecuteContext,
  ): Promise<Response | typeof NOT_MODIFIED> | Response | typeof NOT_MODIFIED;
  /** Did the peer say yes? As the spec's, which is asked where this is missing and the module is a program's own. */
  ok?(response: Response): boolean;
  /** What the peer calls this version of its answer, for `context.etag` of a later request. */
  etag?(response: Response): string | undefined;
  /**
   * How long the peer says that its answer holds, in milliseconds (`Cache-Control: max-age`); 0: it is not to be remembered.
   * Where it says nothing, the caller and the engine do. A caller's own `ttlMs` goes before any number but 0.
   */
  ttlMs?(response: Response): number | undefined;
  /** May this connection serve another request? Asked after each. */
  reusable(connection: Connection): boolean;
  /**
   * Is the peer of this connection still there? Asked before a request gets it, where it has been idle for longer than
   * `limits.checkAfterMs`, which is `withinMs`: true at once where the peer was heard within that time, else when it
   * answers. No answer within 2 s is a no. A driver without it is never asked.
   */
  check?(connection: Connection, withinMs: number): Promise<boolean>;
  /** Processes that it has started in this shard and that still run. */
  subprocesses?(): number;
  /** Processes that it has started in this shard, in all. */
  spawned?(): number;
  /** Ends a connection; resolves when its resources are gone. Never rejects, never hangs. */
  close(connection: Connection): Promise<void> | void;
}

/** What a driver asks to be held to on behalf of a peer. */
export interface DriverLimits {
  /** Connections of the lane; takes the place of the engine's `connectionsPerLane`. */
  connectionsPerLane?: number;
  /** Connections of the key, over all its lanes. @default no bound */
  connectionsPerKey?: number;
  /** Milliseconds after which a connection takes no more requests, where the engine does not allow less. 0: none, whatever it allows. */
  maxLifetimeMs?: number;
  /** Milliseconds without a request after which a connection is closed, where the engine does not allow less. */
  idleMs?: number;
  /** Milliseconds that opening a connection may take; takes the place of the engine's `connectTimeoutMs`. */
  connectTimeoutMs?: number;
  /** Of the key, over all its lanes and connections. */
  quotas?: readonly Quota[];
}

/**
 * In any `perMs` milliseconds no more than `most` are started. Who comes too early waits, in its turn. A request counts from
 * its answer on (at the latest when it has run for the shortest `perMs` of its key, or a minute): its peer counted it at some
 * time until then, so the peer's window is kept too. Past 128 it is counted in 128ths of the window, on the strict side.
 */
export interface Quota {
  most: number;
  perMs: number;
  /** What is counted. @default 'requests' */
  of?: 'requests' | 'units';
}

/** Its functions may be taken out of it: whoever keeps `lost` need not keep the rest. */
export interface OpenContext {
  /** The pool's: aborted when nobody needs the connection any more or the shard closes. */
  readonly signal: AbortSignal;
  /** Milliseconds of `process.hrtime`; opening must be over by then. */
  readonly deadline: number;
  /** Reports a connection that died while no request was on it. */
  lost(error: Error): void;
  /** Takes a stream of another lane of the same key (a jump host's connection). Release or discard it exactly once. */
  lease(target: unknown): Promise<DriverLease>;
  /** Asks the main thread for what only it may do. Rejects with a KeylaneError. */
  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]['about']): Promise<Questions[Q]['answer']>;
}

/** A host that is not known, and the key that it shows. */
export interface HostKeyQuestion {
  /** As known_hosts has it: `web-17` or `[web-17]:2222`. */
  name: string;
  /** `ssh-ed25519`, … */
  type: string;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  fingerprint: string;
  /** The file that the key is added to. */
  file: string;
}

/** What a shard may ask of the main thread. */
export interface Questions {
  /** The value behind `env:NAME` or `file:PATH`. */
  secret: { about: string; answer: string };
  /** An access token of an account, by its name; another than the one that its peer has refused, where that is old enough. */
  token: { about: { account: string; rejected?: string }; answer: { accessToken: string; expiresAt: number } };
  /** Addresses of a host name; single-flight, cached, at most 2 look-ups at once in the process. */
  lookup: { about: string; answer: { address: string; family: number }[] };
  /** May an unknown host's key be trusted? Asked of a person, one question at a time. */
  host_key: { about: HostKeyQuestion; answer: boolean };
  /** Adds a line to a known_hosts file, made if missing. */
  known_hosts: { about: { file: string; line: string }; answer: null };
}

export interface DriverLease {
  readonly connection: unknown;
  release(): void;
  discard(error: Error): void;
}

export interface ExecuteContext {
  /** Aborted when the request is canceled or its deadline passes; `reason` is the KeylaneError to end with. */
  readonly signal: AbortSignal;
  /** The signal's reason, once it is aborted. */
  readonly aborted: Error | undefined;
  /** What `signal` tells, for drivers in a hurry: a signal and its listener cost 2 µs and 1.2 KB. Takes the place of an earlier one. */
  onAbort(call: ((reason: Error) => void) | undefined): void;
  /** Milliseconds of `process.hrtime`; Infinity for none. */
  readonly deadline: number;
  /** True if somebody reads the chunks; without, `chunk` need not be called. */
  readonly live: boolean;
  /** There where an older answer would do, if the peer says that it holds still. */
  readonly etag?: string | undefined;
  /** To be called just before the request's bytes leave: from then on a lost answer means `unknown`. */
  sent(): void;
  /** Hands out a piece of the live answer. A promise comes back when the reader is behind: stop reading until it resolves. */
  chunk(channel: Channel, data: Uint8Array): Promise<void> | undefined;
  /** What the caller writes; undefined unless the call is a stream. */
  readonly input: AsyncIterable<Uint8Array> | undefined;
  /**
   * The peer wants to be left alone for so long (a 4xx reply, `Retry-After`): no further request of the key is started
   * before, those that run go on. A longer one takes the place of a shorter one. At most an hour.
   */
  pause(ms: number): void;
  /** Asks the main thread for what only it may do. Rejects with a KeylaneError. */
  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]['about']): Promise<Questions[Q]['answer']>;
}

/** What `execute` gives where the peer says that the answer of `context.etag` holds still. */
export const NOT_MODIFIED: unique symbol = Symbol.for('keylane.not_modified');

/** Thrown by `execute`: the peer allows only `streams` streams a connection. The request is put back, not failed. */
export class StreamsExceeded extends Error {
  readonly streams: number;
  constructor(streams: number) {
    super(`the peer allows ${streams} streams a connection`);
    this.name = 'StreamsExceeded';
    this.streams = streams;
  }
}
