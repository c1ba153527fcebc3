import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { LONGEST_LABEL } from './call-options.js';
import { refuseContradictions } from './contradictions.js';
import type { OnEvent } from './events.js';
import type { HttpOptions } from './http-types.js';
import type { SmtpOptions } from './smtp-types.js';
import { httpOptions } from './specs/http-schema.js';
import { smtpOptions } from './specs/smtp-schema.js';
import { type SshOptions, sshOptions } from './specs/ssh.js';
import { stdioOptions } from './specs/stdio-schema.js';
import type { StdioOptions } from './stdio-types.js';
import { check } from './util/check.js';
import { openFilesLimit } from './util/open-files.js';
import type { Limits } from './wire/limits.js';

/** Bounds that a shard keeps for itself and for each of its keys. */
export interface LimitOptions {
  /**
   * Requests in flight at once that carry a label, in the whole engine: `{ db: 1, web: 50 }`. A request with several of
   * these labels needs a place in each. A label that is not named here is free.
   */
  groups?: Readonly<Record<string, number>>;
  /**
   * Bytes of the requests in flight, in the whole engine: strings and byte arrays by their length, to a depth of 4,
   * anything else 8. Past it requests wait; one that is larger by itself runs alone. @default 268_435_456
   */
  bytesInFlight?: number;
  /**
   * Requests of one key that are started in a second, over all its lanes and connections; may be a fraction. In any t
   * seconds at most `burstPerKey` + `ratePerKey` × t are started. @default no bound
   */
  ratePerKey?: number;
  /** Requests of one key that may be started at once after a silence. @default a tenth of `ratePerKey`, at least 1 */
  burstPerKey?: number;
  /**
   * Connections of the process; each shard gets an equal part, the remainder is handed out.
   * @default `connectionsPerShard` for each shard, as far as the soft limit of open files goes
   */
  connections?: number;
  /** Connections of one lane. @default 2 */
  connectionsPerLane?: number;
  /** Connections of one shard, all lanes together; past it the longest idle one is closed. @default 1_000 */
  connectionsPerShard?: number;
  /** Handshakes in flight for one key. @default 8 */
  opensPerKey?: number;
  /** When a host that cannot be connected to is let alone; `false` for never. @default all of `breaker` */
  breaker?: false | BreakerOptions;
  /** Requests of one key in its shard at once; at most half of `maxInFlight`. @default 1_024 */
  inFlightPerKey?: number;
  /** Requests of one key that wait on the main thread. @default 1_024 */
  queuedPerKey?: number;
  /** Milliseconds until a connection without a request is closed. @default 300_000 */
  idleMs?: number;
  /** Milliseconds after which a connection takes no more requests and is closed, less a random tenth. 0: none. @default 1_800_000 */
  maxLifetimeMs?: number;
  /** Milliseconds without a request after which a peer is asked for a sign of life before it gets one. 0: never. @default 30_000 */
  checkAfterMs?: number;
  /** Milliseconds that a driver may keep a jump host's stream when what it was for is gone; then `lease_leaked` is told. 0: off. @default 0 */
  leakMs?: number;
  /** Mebibytes of a shard's JavaScript heap, past which its thread is ended and replaced; buffers are not counted. 0: 1,900, or V8's own limit if that is less. @default 0 */
  shardHeapMb?: number;
  /** Mebibytes of the whole process, past which further calls are refused (a batch goes on, within its concurrency). 0: none. @default 0 */
  rssMb?: number;
  /** Milliseconds that opening a connection may take, look-up and authentication included. @default 10_000 */
  connectTimeoutMs?: number;
}

/** A host that cannot be connected to is let alone, then one try tells whether it is back. */
export interface BreakerOptions {
  /** Failures to connect in a row that stop all further tries. @default 5 */
  failures?: number;
  /** Milliseconds until the first such try; up to half of it is taken off at random. Twice, three times … after the second, third … that fails. @default 30_000 */
  openMs?: number;
  /** The longest such wait. @default 300_000, or `openMs` where that is more */
  maxOpenMs?: number;
}

/** What an engine may remember of its answers. */
export interface EngineCacheOptions {
  /** Bytes of the answers that each shard remembers; past it the longest unused go. @default 10_485_760 */
  bytesPerShard?: number;
  /** Bytes of the answers on disk. @default 268_435_456 */
  diskBytes?: number;
  /** How old an answer may be where neither the call nor `ttlMs` says. @default 300_000 */
  defaultTtlMs?: number;
  /** How old an answer may be, by operation: `{ vm_list: 300_000, status: 60_000 }`. */
  ttlMs?: Readonly<Record<string, number>>;
  /** Milliseconds between two looks for what other processes have invalidated; only while answers on disk are used. @default 250 */
  pollMs?: number;
  /** Which answers `keylane report` counts, in the data directory: those that are kept on disk too, all that may be remembered, or none. @default 'persisted' */
  report?: 'persisted' | 'all' | 'none';
}

/** Options of `createEngine`. */
export interface EngineOptions {
  /** Worker threads. @default cores − 1, at least 1 */
  shards?: number;
  /**
   * Requests in the shards at once, all together. Any shard may have nearly all of them; what is kept for others that
   * are busy is an eighth of an equal part each. @default 4_096 for each shard
   */
  maxInFlight?: number;
  /** Requests that wait on the main thread, all keys together. @default 65_536 */
  maxQueued?: number;
  /** Milliseconds that `close` waits for what is in flight before it cuts. @default 30_000 */
  closeTimeoutMs?: number;
  /** Milliseconds without a sign of life after which a shard's thread is replaced. @default 10_000 */
  shardBlockedMs?: number;
  /**
   * Move keys from a shard that is hot to one that is not, while they have no request. Their connections are opened anew;
   * a key whose peer is being let alone stays. @default false
   */
  moveKeys?: boolean;
  /**
   * Start a shard's thread when it has its first request, not with the engine: for a program whose answers may all be
   * remembered. A thread that does not start is told to that request then. @default false
   */
  lazyShards?: boolean;
  /**
   * True: what `keylane.yaml` and variables `KEYLANE_…` say goes before the defaults, as on the command line; a path: that file
   * instead of those that are found. What is said here goes before both. @default false
   */
  config?: boolean | string;
  limits?: LimitOptions;
  /** Where accounts, tokens and what is remembered are kept. @default `keylane` in XDG_DATA_HOME, or in ~/.local/share */
  dataDir?: string;
  /** True: a secret may be the output of a command, `cmd:COMMAND`, run by the shell. @default false */
  allowCommands?: boolean;
  /** What may be remembered of answers, where a call asks for it. */
  cache?: EngineCacheOptions;
  /** Defaults of SSH requests. */
  ssh?: SshOptions;
  /** Defaults of SMTP requests. */
  smtp?: SmtpOptions;
  /** The commands that stdio requests may name. */
  stdio?: StdioOptions;
  /** Defaults of HTTP requests. */
  http?: HttpOptions;
  /** Modules of drivers of one's own: `file:` URLs or absolute paths. See docs/drivers.md. */
  drivers?: readonly (string | URL)[];
  /** Hears what the engine tells of itself: shards that die or stand still, breakers, leaks. @default process warnings */
  onEvent?: OnEvent;
}

export interface ResolvedOptions {
  shards: number;
  maxInFlight: number;
  maxQueued: number;
  closeTimeoutMs: number;
  shardBlockedMs: number;
  moveKeys: boolean;
  lazyShards: boolean;
  limits: Readonly<Required<Omit<LimitOptions, 'breaker'>> & Pick<Limits, 'breaker'>>;
  dataDir: string | undefined;
  allowCommands: boolean;
  cache: Readonly<Required<EngineCacheOptions>>;
  ssh: SshOptions;
  smtp: SmtpOptions;
  stdio: StdioOptions;
  http: HttpOptions;
  drivers: readonly string[];
  onEvent: OnEvent | undefined;
}

const WINDOW = 4_096;
const LONGEST_MS = 86_400_000;
const LONGEST_TTL_MS = 365 * 86_400_000;
/** Descriptors that are kept back for the program, its files and, for each shard, what a thread needs. */
const KEPT_FILES = 64;
const KEPT_FILES_PER_SHARD = 16;

export const DEFAULTS = Object.freeze({
  maxQueued: 65_536,
  closeTimeoutMs: 30_000,
  shardBlockedMs: 10_000,
  moveKeys: false,
  lazyShards: false,
  allowCommands: false,
  limits: Object.freeze({
    groups: Object.freeze({}),
    bytesInFlight: 256 * 1024 * 1024,
    connectionsPerLane: 2,
    connectionsPerShard: 1_000,
    opensPerKey: 8,
    breaker: Object.freeze({ failures: 5, openMs: 30_000, maxOpenMs: 300_000 }),
    inFlightPerKey: 1_024,
    queuedPerKey: 1_024,
    idleMs: 300_000,
    maxLifetimeMs: 1_800_000,
    checkAfterMs: 30_000,
    leakMs: 0,
    shardHeapMb: 0,
    rssMb: 0,
    connectTimeoutMs: 10_000,
  }),
  cache: Object.freeze({
    bytesPerShard: 10 * 1024 * 1024,
    diskBytes: 256 * 1024 * 1024,
    defaultTtlMs: 300_000,
    ttlMs: Object.freeze({}),
    pollMs: 250,
    report: 'persisted',
  }),
});

const count = (most: number) => z.int().min(1).max(most).optional();
const ms = (least: number) => z.number().min(least).max(LONGEST_MS).optional();
/** 0 turns it off; less than `least` is a mistake. */
const zeroOr = (least: number) =>
  ms(0).refine((value) => !value || value >= least, { error: `must be 0 or at least ${least}` });

const mebibytes = (least: number) =>
  z
    .int()
    .min(0)
    .max(1_048_576)
    .optional()
    .refine((value) => !value || value >= least, { error: `must be 0 or at least ${least}` });

const breakerSchema = z
  .strictObject({ failures: count(1_000), openMs: ms(1), maxOpenMs: ms(1) })
  .refine(({ openMs = DEFAULTS.limits.breaker.openMs, maxOpenMs = LONGEST_MS }) => openMs <= maxOpenMs, {
    message: 'must be at least `openMs`',
    path: ['maxOpenMs'],
  });

const limitsSchema = z.strictObject({
  groups: z.record(z.string().min(1).max(LONGEST_LABEL), z.int().min(1).max(1_000_000)).optional(),
  bytesInFlight: count(2 ** 40),
  ratePerKey: z.number().min(0.0001).max(1_000_000).optional(),
  burstPerKey: count(1_000_000),
  connections: count(10_000_000),
  connectionsPerLane: count(10_000),
  connectionsPerShard: count(1_000_000),
  opensPerKey: count(10_000),
  breaker: z.union([z.literal(false), breakerSchema], 'expected false, or an object').optional(),
  inFlightPerKey: count(1_000_000),
  queuedPerKey: z.int().min(0).max(10_000_000).optional(),
  idleMs: ms(0),
  maxLifetimeMs: zeroOr(1_000),
  checkAfterMs: ms(0),
  leakMs: zeroOr(2_000),
  shardHeapMb: mebibytes(32),
  rssMb: mebibytes(64),
  connectTimeoutMs: ms(1),
});

const ttl = z.number().gt(0).max(LONGEST_TTL_MS);

const cacheSchema = z.strictObject({
  bytesPerShard: z
    .int()
    .min(1_024)
    .max(2 ** 40)
    .optional(),
  diskBytes: z
    .int()
    .min(1_048_576)
    .max(2 ** 44)
    .optional(),
  defaultTtlMs: ttl.optional(),
  ttlMs: z.record(z.string().min(1).max(128), ttl).optional(),
  pollMs: z.number().min(10).max(1_000).optional(),
  report: z.enum(['persisted', 'all', 'none']).optional(),
});

/** The schema of `createEngine(options)`. */
export const engineOptions = z.strictObject({
  shards: count(256),
  maxInFlight: count(1_000_000),
  maxQueued: z.int().min(0).max(10_000_000).optional(),
  closeTimeoutMs: ms(0),
  shardBlockedMs: ms(1_000),
  moveKeys: z.boolean().optional(),
  lazyShards: z.boolean().optional(),
  config: z.union([z.boolean(), z.string().min(1).max(4_096)], 'expected true, false or the path of a file').optional(),
  limits: limitsSchema.optional(),
  dataDir: z.string().min(1).max(4_096).optional(),
  allowCommands: z.boolean().optional(),
  cache: cacheSchema.optional(),
  ssh: sshOptions.optional(),
  smtp: smtpOptions.optional(),
  stdio: stdioOptions.optional(),
  http: httpOptions.optional(),
  drivers: z.array(z.union([z.string(), z.instanceof(URL)])).optional(),
  onEvent: z.custom<OnEvent>((value) => typeof value === 'function', 'must be a function').optional(),
});

/**
 * The options with every default filled in, frozen. Throws `ERR_CONFIG` that names what is wrong, by its path.
 * `openFiles`: the soft limit of open files.
 */
export function resolveOptions(given: EngineOptions = {}, openFiles = openFilesLimit()): ResolvedOptions {
  const options = check(engineOptions, given, 'createEngine', 'ERR_CONFIG') as EngineOptions;
  const shards = options.shards ?? Math.max(1, availableParallelism() - 1);
  const openable = openFiles - KEPT_FILES - KEPT_FILES_PER_SHARD * shards;
  refuseContradictions(options, { shards, openable });
  return Object.freeze({
    shards,
    maxInFlight: options.maxInFlight ?? WINDOW * shards,
    maxQueued: options.maxQueued ?? DEFAULTS.maxQueued,
    closeTimeoutMs: options.closeTimeoutMs ?? DEFAULTS.closeTimeoutMs,
    shardBlockedMs: options.shardBlockedMs ?? DEFAULTS.shardBlockedMs,
    moveKeys: options.moveKeys ?? DEFAULTS.moveKeys,
    lazyShards: options.lazyShards ?? DEFAULTS.lazyShards,
    limits: resolveLimits(options.limits ?? {}, shards, openable),
    dataDir: options.dataDir,
    allowCommands: options.allowCommands ?? DEFAULTS.allowCommands,
    cache: Object.freeze({ ...DEFAULTS.cache, ...withoutUndefined(options.cache ?? {}) }),
    ssh: Object.freeze({ ...options.ssh }),
    smtp: Object.freeze({ ...options.smtp }),
    stdio: Object.freeze({ ...options.stdio }),
    http: Object.freeze({ ...options.http }),
    drivers: Object.freeze((options.drivers ?? []).map(String)),
    onEvent: options.onEvent,
  });
}

function resolveLimits(given: LimitOptions, shards: number, openable: number): ResolvedOptions['limits'] {
  const { ratePerKey = Number.POSITIVE_INFINITY, ...rest } = withoutUndefined(given);
  const limits = { ...DEFAULTS.limits, ...rest };
  return Object.freeze({
    // Enough that a timer's grain costs no speed, not so much that it is felt.
    burstPerKey: Math.max(1, Math.ceil(ratePerKey / 10)),
    // One each, whatever the limit: that a shard may open none would be no engine.
    connections: Math.max(shards, Math.min(limits.connectionsPerShard * shards, openable)),
    ...limits,
    ratePerKey,
    groups: Object.freeze({ ...limits.groups }),
    breaker: breakerOf(given.breaker),
  });
}

function breakerOf(given: LimitOptions['breaker']): Limits['breaker'] {
  if (given === false) return false;
  const breaker = { ...DEFAULTS.limits.breaker, ...withoutUndefined(given ?? {}) };
  return Object.freeze({ ...breaker, maxOpenMs: given?.maxOpenMs ?? Math.max(breaker.openMs, breaker.maxOpenMs) });
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: NonNullable<T[K]> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: NonNullable<T[K]> };
}
