import type { Accounts } from './accounts/accounts.js';
import { EngineAccounts } from './accounts/engine-accounts.js';
import type { AccountRequestOf, AccountRequests } from './accounts/request.js';
import { Asker } from './asker.js';
import type { Batch } from './batch/batch.js';
import type { BatchHost } from './batch/host.js';
import type { Slots } from './batch/slots.js';
import type { BatchOptions } from './batch-options.js';
import type { Fetch } from './cache/driver-cache.js';
import { CacheFront, type EngineCache, type FrontHost } from './cache/front.js';
import { frontHost } from './cache/front-host.js';
import { Call, type CallEvents, type CallHow, howLong } from './call.js';
import { checkCallOptions, checkIterable, PREWARM_OPTIONS, STREAM_OPTIONS } from './call-options.js';
import { BatchMaker, type BatchStats, type EngineBatches } from './engine-batches.js';
import { KeylaneError } from './errors.js';
import type { GroupSnapshot } from './groups.js';
import { Hops } from './hops.js';
import type { KeyState, KeysOptions } from './key-states.js';
import { KnownDriver } from './known-driver.js';
import type { RequestStats } from './meter.js';
import { DEFAULT_TIMEOUT_MS, Requests } from './once.js';
import { type EngineOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { isReady, type PrepareBounds, parse, prepare } from './prepare.js';
import { type Prewarmed, type PrewarmOptions, prewarm } from './prewarm.js';
import { loadSpecs } from './registry.js';
import { RetryBudget } from './retry-budget.js';
import { type ShardSnapshot, Shards } from './shards.js';
import { EngineStream } from './stream.js';
import type { TotalLimits } from './total.js';
import { answerAgainAfter } from './tries.js';
import type { CallOptions, DriverName, Parsed, RequestOf, ResponseOf, Result, Spec } from './types.js';
import { type Clock, systemClock } from './util/clock.js';
import type { RunMode } from './wire/protocol.js';

/** What a program holds. Made by `createEngine`; `close()` it in a `finally`, it keeps the process alive. */
export interface Engine extends AsyncDisposable {
  /**
   * One request. Resolves with what the peer answered, yes or no (exit code 3 is an answer). Rejects with KeylaneError
   * otherwise: its `outcome` tells whether anything may have reached the peer.
   */
  run<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: CallOptions,
  ): Promise<ResponseOf<D>>;
  /**
   * The same, told as a batch tells it: the outcome, the response or the error, tries, shard and times. Never rejects for
   * what became of the request; rejects with `ERR_INPUT` where the options are bad, or there is no such driver.
   */
  result<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: CallOptions,
  ): Promise<Result<RequestOf<D> | AccountRequestOf<D>, ResponseOf<D>>>;
  /** A long or two-way request: chunks under flow control. No time-out unless asked for. */
  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: StreamOptions,
  ): EngineStream<ResponseOf<D>>;
  /** Many requests: an iterable of results in the order they settle. Begins when iterated. */
  batch<D extends keyof AccountRequests>(
    driver: D,
    requests: Iterable<AccountRequests[D]> | AsyncIterable<AccountRequests[D]>,
    options?: BatchOptions<AccountRequests[D]>,
  ): Batch<AccountRequests[D], ResponseOf<D>>;
  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options?: BatchOptions<RequestOf<D>>,
  ): Batch<RequestOf<D>, ResponseOf<D>>;
  /**
   * Opens connections ahead of use. Takes no more than 64 requests ahead, so the input may be as long as it likes. Resolves
   * with how many of the requests' lanes are ready, and why others are not. The signal ends it early: the rest is not taken.
   */
  prewarm<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D> | AccountRequestOf<D>> | AsyncIterable<RequestOf<D> | AccountRequestOf<D>>,
    options?: PrewarmOptions,
  ): Promise<Prewarmed>;
  /** The batches of the data directory, which is opened at first use; and those whose requests say for themselves what is theirs. */
  readonly batches: EngineBatches;
  /** The accounts of the data directory, which is opened at first use. */
  readonly accounts: Accounts;
  /** What is remembered of answers (`cache` of a call), in the shards and on disk. */
  readonly cache: EngineCache;
  /**
   * Keys that are in use or known: those with most requests first, then those that are let alone, then the ones used last.
   * Of each, what is known where.
   */
  keys(options?: KeysOptions): Promise<KeyState[]>;
  /** A snapshot of everything that can be counted. */
  stats(): Promise<EngineStats>;
  /** Lets finish what is in flight (`closeTimeoutMs`, then cuts), closes every connection, ends the threads. */
  close(): Promise<void>;
  /** Cuts: what waits is `not_started`, what is in flight is `unknown` where its bytes had left. */
  destroy(reason?: string): Promise<void>;
}

export interface StreamOptions extends Pick<CallOptions, 'signal' | 'priority' | 'labels' | 'traceparent'> {
  /** Deadline over queue, open and run together. 0: none. @default 0 */
  timeoutMs?: number;
}

export interface EngineStats {
  /** Requests in the shards, all together. */
  inFlight: number;
  queued: number;
  /** Of those in flight, as `limits.bytesInFlight` counts. */
  bytesInFlight: number;
  /** The most that each of these may be (`maxInFlight`, `maxQueued`, `limits.bytesInFlight`). */
  limits: TotalLimits;
  /** Of each of `limits.groups`, the requests in flight. */
  groups: Record<string, GroupSnapshot>;
  /** By driver, what became of requests that were asked for: by `run`, `result`, `stream` and batches. */
  requests: Record<string, RequestStats>;
  batches: BatchStats;
  shards: ShardSnapshot[];
}

/**
 * Starts the shards and resolves when all of them serve.
 * Rejects with `ERR_CONFIG` for a bad option, `ERR_SHARD_UNAVAILABLE` if a thread does not start.
 */
export async function createEngine(options?: EngineOptions): Promise<Engine> {
  const { config } = options ?? {};
  // Anything else is refused with the other options.
  const isAsked = config === true || (typeof config === 'string' && config !== '');
  const resolved = resolveOptions(options && isAsked ? await configured(options) : options);
  const registry = await loadSpecs(resolved.drivers, resolved);
  const shards = new Shards(resolved, registry.own, systemClock);
  try {
    await shards.started();
  } catch (error) {
    await shards.cut('a shard did not start');
    throw error;
  }
  return new ShardedEngine(shards, registry.specs, resolved, systemClock);
}

/** Loaded where it is asked for. */
async function configured(options: EngineOptions): Promise<EngineOptions> {
  const { underOptions } = await import('./config/under.js');
  return underOptions(options);
}

/** The options that are the engine's own, and not its shards'. */
type EngineOwn = Pick<ResolvedOptions, 'closeTimeoutMs' | 'cache' | 'dataDir' | 'allowCommands' | 'onEvent'>;

/**
 * The main path: `run` and `result` make a Once and its Call (once.ts) → Shards.submit → Admission → ShardClient ══ the
 * wall ══ Shard → Run → Pool → driver, and back: ShardClient → Call.settle → Once.settled → the promise.
 */
export class ShardedEngine implements Engine {
  readonly #requests: Requests;
  readonly #cache: CacheFront;
  readonly #shards: Shards;
  readonly #drivers = new Map<string, KnownDriver>();
  readonly #closeTimeoutMs: number;
  readonly #accounts: EngineAccounts;
  readonly #batches: BatchMaker;
  readonly #clock: Clock;
  readonly #retries: RetryBudget;
  /** Those of batches with requests in flight. */
  readonly #slots = new Set<Slots>();
  #closed: Promise<void> | undefined = undefined;

  constructor(
    shards: Shards,
    specs: ReadonlyMap<string, Spec>,
    options: EngineOwn,
    clock: Clock,
    host: FrontHost = frontHost(shards, options, clock),
  ) {
    this.#cache = new CacheFront(options.cache, host);
    this.#shards = shards;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    this.#accounts = new EngineAccounts(this, options, clock);
    this.#batches = new BatchMaker({
      dataDir: options.dataDir,
      hostOf: (driver, isLive) => {
        const { cache, meter } = this.#driver(driver);
        return { ...this.#hostOf(driver, isLive ? 'live' : 'once'), cache, meter, slots: this.#slots };
      },
      refuseClosed: () => this.#refuseClosed(),
    });
    shards.tokens = (about) => this.#accounts.token(about);
    this.#clock = clock;
    this.#retries = new RetryBudget(clock);
    const fetch =
      (driver: string): Fetch =>
      (parsed, plan, settled) => {
        const how = { ...howLong('once', DEFAULT_TIMEOUT_MS, clock.now()), plan };
        this.#submit(this.#driver(driver), parsed, how, { settled }, undefined);
      };
    for (const [name, spec] of specs) this.#drivers.set(name, new KnownDriver(name, spec, this.#cache, fetch));
    this.#requests = new Requests({
      clock,
      retries: this.#retries,
      driver: (name) => this.#driver(name),
      submit: (driver, parsed, how, events, signal) => this.#submit(driver, parsed, how, events, signal),
      prepare: (spec, request, bounds) => this.#prepare(spec, request, bounds),
      refuseClosed: () => this.#refuseClosed(),
    });
  }

  get batches(): EngineBatches {
    return this.#batches.face;
  }

  get accounts(): Accounts {
    return this.#accounts.accounts;
  }

  run<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: CallOptions,
  ): Promise<ResponseOf<D>> {
    return this.#requests.run(driver, request, options) as Promise<ResponseOf<D>>;
  }

  result<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: CallOptions,
  ): Promise<Result<RequestOf<D> | AccountRequestOf<D>, ResponseOf<D>>> {
    return this.#requests.result(driver, request, options) as Promise<
      Result<RequestOf<D> | AccountRequestOf<D>, ResponseOf<D>>
    >;
  }

  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options: StreamOptions = {},
  ): EngineStream<ResponseOf<D>> {
    checkCallOptions(options, STREAM_OPTIONS);
    const asker = new Asker(this.#driver(driver), request, options.traceparent);
    const { spec } = asker.driver;
    const link = {
      input: (call: Call, data: Uint8Array, end: boolean) => this.#shards.clientOf(call)?.input(call, data, end),
      credit: (call: Call, bytes: number) => this.#shards.clientOf(call)?.credit(call, bytes),
      cancel: (call: Call) => this.#shards.cancel(call),
      ended: (call: Call | undefined, error: KeylaneError | undefined) =>
        call ? asker.resultOf({ call, attempts: 1, history: [] }) : asker.resultOfNone(error),
    };
    return new EngineStream(link, async (events, checkWanted) => {
      const now = this.#clock.now();
      const how = howLong('stream', options.timeoutMs ?? 0, now, options.priority ?? 0, options.labels);
      const bounds = { deadline: how.deadline, signal: options.signal };
      const parsed = isReady(spec, request) ? parse(spec, request) : await this.#prepare(spec, request, bounds);
      asker.key = parsed.key;
      checkWanted();
      return this.#submit(asker.driver, parsed, how, events, options.signal);
    });
  }

  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options: BatchOptions<RequestOf<D>> = {},
  ): Batch<RequestOf<D>, ResponseOf<D>> {
    return this.#batches.of(driver, requests, options);
  }

  async prewarm<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D> | AccountRequestOf<D>> | AsyncIterable<RequestOf<D> | AccountRequestOf<D>>,
    options: PrewarmOptions = {},
  ): Promise<Prewarmed> {
    checkCallOptions(options, PREWARM_OPTIONS);
    checkIterable(requests);
    return prewarm(this.#hostOf(driver, 'prewarm'), requests, options);
  }

  async stats(): Promise<EngineStats> {
    const shards = await this.#shards.snapshots();
    const requests = Object.fromEntries([...this.#drivers].map(([name, { meter }]) => [name, meter.snapshot()]));
    const batches = { running: this.#slots.size, journal: this.#batches.journaled };
    return { ...this.#shards.inUse, requests, batches, shards };
  }

  async keys(options: KeysOptions = {}): Promise<KeyState[]> {
    return this.#shards.keys(options, this.#slots);
  }

  get cache(): EngineCache {
    return this.#cache.face;
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#batches.leave();
      this.#closed = this.#end(this.#shards.drain(this.#closeTimeoutMs));
    }
    return this.#closed;
  }

  async destroy(reason = 'the engine was destroyed'): Promise<void> {
    const cut = this.#end(this.#shards.cut(reason));
    this.#closed ??= cut;
    await cut;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What calls may still need is closed after them. */
  async #end(shards: Promise<void>): Promise<void> {
    await shards;
    await Promise.all([this.#batches.close(), this.#accounts.close(), this.#cache.close()]);
  }

  #prepare(spec: Spec, request: unknown, bounds: PrepareBounds): Promise<Parsed> {
    return prepare(spec, request, bounds, this.#clock, this.#accounts.accounts);
  }

  #hostOf(driver: string, mode: RunMode): BatchHost {
    const known = this.#driver(driver);
    const { spec, timeouts } = known;
    return {
      clock: this.#clock,
      random: Math.random,
      retries: this.#retries,
      most: this.#shards.maxInFlight,
      timeouts,
      parse: (request, bounds) =>
        isReady(spec, request) ? parse(spec, request, bounds.mark) : this.#prepare(spec, request, bounds),
      ok: (response) => spec.ok(response),
      again: spec.again && ((response, parsed) => answerAgainAfter(spec, response, parsed)),
      submit: (parsed: Parsed, { deadline, priority, labels, signal, plan }, events: CallEvents) => {
        const how: CallHow = { mode, priority, deadline, labels, now: this.#clock.now(), plan };
        return this.#submit(known, parsed, how, events, signal, false);
      },
      credit: (call, bytes) => this.#shards.clientOf(call)?.credit(call, bytes),
      recall: (signal, why) => this.#shards.recall(signal, why),
    };
  }

  #submit(
    driver: KnownDriver,
    parsed: Parsed,
    how: CallHow,
    events: CallEvents,
    signal: AbortSignal | undefined,
    bounded = true,
  ): Call {
    this.#refuseClosed(parsed.key);
    const call = new Call(driver.name, parsed, how, events);
    if (driver.spec.follow && how.mode !== 'prewarm')
      call.events = new Hops(driver, parsed, events, this.#clock, (next) => this.#shards.submit(next, signal, false));
    return this.#shards.submit(call, signal, bounded);
  }

  #refuseClosed(key?: string): void {
    if (this.#closed === undefined) return;
    throw new KeylaneError('ERR_CLOSED', 'the engine is closed', key === undefined ? {} : { key });
  }

  #driver(name: string): KnownDriver {
    const driver = this.#drivers.get(name);
    if (driver) return driver;
    throw new KeylaneError(
      'ERR_INPUT',
      `unknown driver \`${name}\`: this engine has ${[...this.#drivers.keys()].join(', ')}`,
    );
  }
}
