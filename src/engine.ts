import type { Accounts } from './accounts/accounts.js';
import { EngineAccounts } from './accounts/engine-accounts.js';
import type { AccountRequest, AccountRequestOf } from './accounts/request.js';
import { LearnedTimeouts, Patience } from './adaptive/timeouts.js';
import type { Batch } from './batch/batch.js';
import type { BatchHost } from './batch/host.js';
import { DriverCache } from './cache/driver-cache.js';
import { CacheFront, type EngineCache, type FrontHost } from './cache/front.js';
import { frontHost } from './cache/front-host.js';
import type { CachePlan } from './cache/plan.js';
import { Call, type CallEvents, type CallHow } from './call.js';
import { checkCallOptions, checkIterable, PREWARM_OPTIONS, RUN_OPTIONS, STREAM_OPTIONS } from './call-options.js';
import { BatchMaker, type EngineBatches } from './engine-batches.js';
import { KeylaneError } from './errors.js';
import type { GroupSnapshot } from './groups.js';
import { type EngineOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { isReady, type PrepareBounds, parse, prepare } from './prepare.js';
import { type Prewarmed, type PrewarmOptions, prewarm } from './prewarm.js';
import { loadSpecs } from './registry.js';
import { RetryBudget } from './retry-budget.js';
import { type ShardSnapshot, Shards } from './shards.js';
import { EngineStream } from './stream.js';
import { mayHaveRun, tryUntilSettled } from './tries.js';
import type { BatchOptions, CallOptions, DriverName, Parsed, RequestOf, ResponseOf, Spec } from './types.js';
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
  /** A long or two-way request: chunks under flow control. No time-out unless asked for. */
  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: StreamOptions,
  ): EngineStream<ResponseOf<D>>;
  /** Many requests: an iterable of results in the order they settle. Begins when iterated. */
  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options?: BatchOptions<RequestOf<D>>,
  ): Batch<RequestOf<D>, ResponseOf<D>>;
  batch(
    driver: 'ssh',
    requests: Iterable<AccountRequest> | AsyncIterable<AccountRequest>,
    options?: BatchOptions<AccountRequest>,
  ): Batch<AccountRequest, ResponseOf<'ssh'>>;
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
  /** A snapshot of everything that can be counted. */
  stats(): Promise<EngineStats>;
  /** Lets finish what is in flight (`closeTimeoutMs`, then cuts), closes every connection, ends the threads. */
  close(): Promise<void>;
  /** Cuts: what waits is `not_started`, what is in flight is `unknown` where its bytes had left. */
  destroy(reason?: string): Promise<void>;
}

export interface StreamOptions extends Pick<CallOptions, 'signal' | 'priority' | 'labels'> {
  /** Deadline over queue, open and run together. 0: none. @default 0 */
  timeoutMs?: number;
}

export interface EngineStats {
  /** Requests in the shards, all together. */
  inFlight: number;
  queued: number;
  /** Of those in flight, as `limits.bytesInFlight` counts. */
  bytesInFlight: number;
  /** Of each of `limits.groups`, the requests in flight. */
  groups: Record<string, GroupSnapshot>;
  shards: ShardSnapshot[];
}

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Starts the shards and resolves when all of them serve.
 * Rejects with `ERR_CONFIG` for a bad option, `ERR_SHARD_UNAVAILABLE` if a thread does not start.
 */
export async function createEngine(options?: EngineOptions): Promise<Engine> {
  const { config } = options ?? {};
  // Anything else is refused with the other options.
  const isAsked = config === true || (typeof config === 'string' && config !== '');
  const resolved = resolveOptions(options && isAsked ? await configured(options) : options);
  const registry = await loadSpecs(resolved.drivers, resolved.ssh);
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
 * The main path: `run` makes a Call → Shards.submit → Admission → ShardClient ══ the wall ══ Shard → Run → Pool → driver,
 * and back: ShardClient → Call.settle → the promise.
 */
export class ShardedEngine implements Engine {
  readonly #cache: CacheFront;
  /** By driver. */
  readonly #caches = new Map<string, DriverCache>();
  readonly #shards: Shards;
  readonly #specs: ReadonlyMap<string, Spec>;
  readonly #closeTimeoutMs: number;
  readonly #accounts: EngineAccounts;
  readonly #batches: BatchMaker;
  readonly #clock: Clock;
  readonly #retries: RetryBudget;
  /** By driver, what its keys took. */
  readonly #timeouts = new Map<string, LearnedTimeouts>();
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
    this.#specs = specs;
    this.#closeTimeoutMs = options.closeTimeoutMs;
    this.#accounts = new EngineAccounts(this, options, clock);
    this.#batches = new BatchMaker({
      dataDir: options.dataDir,
      hostOf: (driver, isLive) => {
        const cache = this.#cacheOf(driver, this.#spec(driver));
        return { ...this.#hostOf(driver, isLive ? 'live' : 'once'), cache };
      },
      refuseClosed: () => this.#refuseClosed(),
    });
    shards.tokens = (about) => this.#accounts.token(about);
    this.#clock = clock;
    this.#retries = new RetryBudget(clock);
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
    return new Promise((resolve, reject) => {
      if (options) checkCallOptions(options, RUN_OPTIONS);
      const spec = this.#spec(driver);
      const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      if (!isReady(spec, request) || (options !== undefined && takesMore(options)) || timeoutMs === 'auto') {
        this.#runTries(driver, spec, request, options ?? {}).then(resolve as (response: unknown) => void, reject);
        return;
      }
      const parsed = parse(spec, request);
      const how = this.#how('once', timeoutMs, options?.priority ?? 0, options?.labels);
      let plan: CachePlan | undefined;
      const settled = (call: Call) => {
        if (plan) this.#cacheOf(driver, spec).heard(plan, call);
        if (call.error) reject(call.error);
        else resolve(call.response as ResponseOf<D>);
      };
      if (options?.cache) {
        plan = this.#cacheOf(driver, spec).plan(parsed, options.cache);
        how.cache = plan.part;
      }
      this.#submit(new Call(driver, parsed, how, { settled }), options?.signal);
    });
  }

  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options: StreamOptions = {},
  ): EngineStream<ResponseOf<D>> {
    checkCallOptions(options, STREAM_OPTIONS);
    const spec = this.#spec(driver);
    const link = {
      input: (call: Call, data: Uint8Array, end: boolean) => this.#shards.clientOf(call)?.input(call, data, end),
      credit: (call: Call, bytes: number) => this.#shards.clientOf(call)?.credit(call, bytes),
      cancel: (call: Call) => this.#shards.cancel(call),
    };
    return new EngineStream(link, async (events, checkWanted) => {
      const how = this.#how('stream', options.timeoutMs ?? 0, options.priority ?? 0, options.labels);
      const bounds = { deadline: how.deadline, signal: options.signal };
      const parsed = isReady(spec, request) ? parse(spec, request) : await this.#prepare(spec, request, bounds);
      checkWanted();
      return this.#submit(new Call(driver, parsed, how, events), options.signal);
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
    return { ...this.#shards.inUse, shards };
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

  /** `run` where there is more to it than one try of what is at hand. */
  async #runTries(driver: string, spec: Spec, request: unknown, options: CallOptions): Promise<unknown> {
    const { attempts = 1, idempotent = false, priority = 0, labels, signal, cache, invalidates } = options;
    const patience = new Patience(options, this.#timeoutsOf(driver));
    const deadline = patience.deadline(this.#clock.now());
    const parsed = await this.#prepare(spec, request, { deadline, signal });
    const remember = this.#cacheOf(driver, spec);
    const plan = cache ? remember.plan(parsed, cache) : undefined;
    const found = plan?.persist && !signal?.aborted ? await remember.look(plan, parsed) : undefined;
    if (found) return found.response;
    const start = () =>
      new Promise<Call>((settled, reject) => {
        const until = patience.ofTry(parsed.key, this.#clock, deadline);
        const now = this.#clock.now();
        const how: CallHow = { mode: 'once', priority, deadline: until, labels, now, cache: plan?.part };
        const heard = (call: Call) => {
          if (plan) remember.heard(plan, call);
          if (!call.isRemembered) patience.heard(call);
          settled(call);
        };
        try {
          this.#submit(new Call(driver, parsed, how, { settled: heard }), signal);
        } catch (error) {
          reject(error);
        }
      });
    const policy = { key: parsed.key, attempts, idempotent, deadline, signal, budget: this.#retries };
    const { call, history } = await tryUntilSettled(start, policy, this.#clock, Math.random);
    // It may have changed something, whatever was heard of it. Nobody is told how it ended before all have forgotten.
    if (invalidates && mayHaveRun(call.error?.outcome, call.shard, history)) await this.#cache.forget(invalidates);
    if (call.error) throw call.error;
    return call.response;
  }

  #hostOf(driver: string, mode: RunMode): BatchHost {
    const spec = this.#spec(driver);
    return {
      clock: this.#clock,
      random: Math.random,
      retries: this.#retries,
      most: this.#shards.maxInFlight,
      timeouts: this.#timeoutsOf(driver),
      parse: (request, bounds) =>
        isReady(spec, request) ? parse(spec, request) : this.#prepare(spec, request, bounds),
      ok: (response) => spec.ok(response),
      submit: (parsed: Parsed, { deadline, priority, labels, signal, cache }, events: CallEvents) => {
        const how: CallHow = { mode, priority, deadline, labels, now: this.#clock.now(), cache };
        return this.#submit(new Call(driver, parsed, how, events), signal, false);
      },
      credit: (call, bytes) => this.#shards.clientOf(call)?.credit(call, bytes),
      recall: (signal, why) => this.#shards.recall(signal, why),
    };
  }

  #cacheOf(driver: string, spec: Spec): DriverCache {
    let cache = this.#caches.get(driver);
    if (!cache) {
      cache = new DriverCache(this.#cache, driver, spec, (parsed, part, settled) => {
        const how = { ...this.#how('once', DEFAULT_TIMEOUT_MS, 0), cache: part };
        this.#submit(new Call(driver, parsed, how, { settled }), undefined);
      });
      this.#caches.set(driver, cache);
    }
    return cache;
  }

  #timeoutsOf(driver: string): LearnedTimeouts {
    let timeouts = this.#timeouts.get(driver);
    if (!timeouts) {
      timeouts = new LearnedTimeouts();
      this.#timeouts.set(driver, timeouts);
    }
    return timeouts;
  }

  #submit(call: Call, signal: AbortSignal | undefined, bounded = true): Call {
    this.#refuseClosed(call.key);
    return this.#shards.submit(call, signal, bounded);
  }

  #refuseClosed(key?: string): void {
    if (this.#closed === undefined) return;
    throw new KeylaneError('ERR_CLOSED', 'the engine is closed', key === undefined ? {} : { key });
  }

  #spec(driver: string): Spec {
    const spec = this.#specs.get(driver);
    if (spec) return spec;
    throw new KeylaneError(
      'ERR_INPUT',
      `unknown driver \`${driver}\`: this engine has ${[...this.#specs.keys()].join(', ')}`,
    );
  }

  #how(mode: RunMode, timeoutMs: number, priority: number, labels?: readonly string[]): CallHow {
    const now = this.#clock.now();
    return { mode, priority, labels, deadline: timeoutMs === 0 ? Number.POSITIVE_INFINITY : now + timeoutMs, now };
  }
}

/** Is there more to a run than one try of what is at hand? */
function takesMore({ attempts = 1, invalidates, cache }: CallOptions): boolean {
  return attempts > 1 || invalidates !== undefined || (typeof cache === 'object' && cache.persist === true);
}
