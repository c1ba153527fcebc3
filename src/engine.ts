import { Batch, type BatchHost } from './batch/batch.js';
import { QueueBudget } from './admission.js';
import { BATCH_OPTIONS, checkCallOptions, PREWARM_OPTIONS, RUN_OPTIONS, STREAM_OPTIONS } from './call-options.js';
import { Call, type CallHow } from './call.js';
import { KeylaneError } from './errors.js';
import { Answers } from './host/answers.js';
import { startThread } from './host/shard-thread.js';
import { type ShardState, Supervisor } from './host/supervisor.js';
import { type EngineOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { loadSpecs, type Registry } from './registry.js';
import { shardOf } from './routing.js';
import { EngineStream } from './stream.js';
import { tryUntilSettled } from './tries.js';
import type { BatchOptions, CallOptions, DriverName, RequestOf, ResponseOf, Spec } from './types.js';
import { systemClock } from './util/clock.js';
import { Deadlines } from './util/deadlines.js';
import type { RunMode, ShardStats } from './wire/protocol.js';

/** What a program holds. Made by `createEngine`; `close()` it in a `finally`, it keeps the process alive. */
export interface Engine extends AsyncDisposable {
  /**
   * One request. Resolves with what the peer answered, yes or no (exit code 3 is an answer). Rejects with KeylaneError
   * otherwise: its `outcome` tells whether anything may have reached the peer.
   */
  run<D extends DriverName>(driver: D, request: RequestOf<D>, options?: CallOptions): Promise<ResponseOf<D>>;
  /** A long or two-way request: chunks under flow control. No time-out unless asked for. */
  stream<D extends DriverName>(driver: D, request: RequestOf<D>, options?: StreamOptions): EngineStream<ResponseOf<D>>;
  /** Many requests: an iterable of results in the order they settle. Begins when iterated. */
  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options?: BatchOptions<RequestOf<D>>,
  ): Batch<RequestOf<D>, ResponseOf<D>>;
  /** Opens connections ahead of use. Resolves with how many of the requests' lanes are ready, and why others are not. */
  prewarm<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options?: PrewarmOptions,
  ): Promise<Prewarmed>;
  /** A snapshot of everything that can be counted. */
  stats(): Promise<EngineStats>;
  /** Lets finish what is in flight (`closeTimeoutMs`, then cuts), closes every connection, ends the threads. */
  close(): Promise<void>;
  /** Cuts: what waits is `not_started`, what is in flight is `unknown` where its bytes had left. */
  destroy(reason?: string): Promise<void>;
}

export type StreamOptions = Pick<CallOptions, 'timeoutMs' | 'signal' | 'priority' | 'labels'>;

export interface PrewarmOptions {
  /** Connections of each lane; at most `limits.connectionsPerLane`. @default 1 */
  perKey?: number;
  /** @default 60_000 */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface Prewarmed {
  ready: number;
  failed: KeylaneError[];
}

export interface EngineStats {
  inFlight: number;
  queued: number;
  /** `inside` is undefined while the shard does not serve. */
  shards: { state: ShardState; restarts: number; inFlight: number; queued: number; inside: ShardStats | undefined }[];
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** How long a shard may take to answer for a passed deadline or a cancel, before the main thread answers for it. */
const SHARD_GRACE_MS = 3_000;
const PREWARM_CONCURRENCY = 64;

/**
 * Starts the shards and resolves when all of them serve.
 * Rejects with `ERR_CONFIG` for a bad option, `ERR_SHARD_UNAVAILABLE` if a thread does not start.
 */
export async function createEngine(options?: EngineOptions): Promise<Engine> {
  const resolved = resolveOptions(options);
  const registry = await loadSpecs(resolved.drivers, resolved.ssh);
  const engine = new ShardedEngine(resolved, registry);
  try {
    await engine.started();
  } catch (error) {
    await engine.destroy('a shard did not start');
    throw error;
  }
  return engine;
}

/** The main path: `run` → `#parts` → `#submit` → Admission → ShardClient, and back through `Call.settle`. */
class ShardedEngine implements Engine {
  readonly #options: ResolvedOptions;
  readonly #specs: ReadonlyMap<string, Spec>;
  readonly #supervisors: Supervisor[] = [];
  readonly #clock = systemClock;
  readonly #deadlines: Deadlines<Call>;
  #closed: Promise<void> | undefined = undefined;
  #whenEmpty: (() => void) | undefined = undefined;

  constructor(options: ResolvedOptions, registry: Registry) {
    this.#options = options;
    this.#specs = registry.specs;
    this.#deadlines = new Deadlines(
      this.#clock,
      () => this.#calls(),
      (call) => this.#due(call),
    );
    const { shards, maxInFlight, maxQueued, limits, shardBlockedMs } = options;
    const answers = new Answers(this.#clock);
    const budget = new QueueBudget(maxQueued);
    for (let shard = 0; shard < shards; shard++) {
      const window = Math.max(1, Math.floor(maxInFlight / shards) + (shard < maxInFlight % shards ? 1 : 0));
      const { inFlightPerKey, queuedPerKey } = limits;
      this.#supervisors.push(
        new Supervisor({
          shard,
          clock: this.#clock,
          startThread,
          limits,
          admission: { window, inFlightPerKey, queuedPerKey },
          budget,
          drivers: registry.own,
          shardBlockedMs,
          ask: (ask) => answers.answer(ask),
          freed: () => this.#tellIfEmpty(),
        }),
      );
    }
  }

  async started(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.started));
  }

  run<D extends DriverName>(driver: D, request: RequestOf<D>, options?: CallOptions): Promise<ResponseOf<D>> {
    return new Promise((resolve, reject) => {
      if (options) checkCallOptions(options, RUN_OPTIONS);
      const spec = this.#spec(driver);
      if (spec.resolve || (options?.attempts ?? 1) > 1) {
        this.#runTries(driver, spec, request, options ?? {}).then(resolve as (response: unknown) => void, reject);
        return;
      }
      const settled = ({ response, error }: Call) => (error ? reject(error) : resolve(response as ResponseOf<D>));
      const how = this.#how('once', options?.timeoutMs ?? DEFAULT_TIMEOUT_MS, options?.priority ?? 0);
      this.#submit(new Call(driver, spec.parse(request), how, { settled }), options?.signal);
    });
  }

  stream<D extends DriverName>(driver: D, request: RequestOf<D>, options: StreamOptions = {}): EngineStream<ResponseOf<D>> {
    checkCallOptions(options, STREAM_OPTIONS);
    const spec = this.#spec(driver);
    const link = {
      input: (call: Call, data: Uint8Array, end: boolean) => this.#client(call)?.input(call, data, end),
      credit: (call: Call, bytes: number) => this.#client(call)?.credit(call, bytes),
      cancel: (call: Call) => this.#cancel(call),
    };
    return new EngineStream(link, async (events) => {
      const how = this.#how('stream', options.timeoutMs ?? 0, options.priority ?? 0);
      const parsed = spec.parse(spec.resolve ? await spec.resolve(request) : request);
      return this.#submit(new Call(driver, parsed, how, events), options.signal);
    });
  }

  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options: BatchOptions<RequestOf<D>> = {},
  ): Batch<RequestOf<D>, ResponseOf<D>> {
    checkCallOptions(options, BATCH_OPTIONS);
    const spec = this.#spec(driver);
    if (!isIterable(requests)) throw new KeylaneError('ERR_INPUT', '`requests` must be an iterable or an async iterable');
    const host: BatchHost = {
      clock: this.#clock,
      random: Math.random,
      parse: (request) => (spec.resolve ? spec.resolve(request).then((input) => spec.parse(input)) : spec.parse(request)),
      ok: (response) => spec.ok(response),
      submit: (parsed, { deadline, signal, priority, live }, events) => {
        const how: CallHow = { mode: live ? 'live' : 'once', priority, deadline, now: this.#clock.now() };
        return this.#submit(new Call(driver, parsed, how, events), signal, false);
      },
      credit: (call, bytes) => this.#client(call)?.credit(call, bytes),
    };
    return new Batch(host, requests, options);
  }

  async prewarm<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options: PrewarmOptions = {},
  ): Promise<Prewarmed> {
    checkCallOptions(options, PREWARM_OPTIONS);
    const { perKey = 1, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const spec = this.#spec(driver);
    const host: BatchHost = {
      clock: this.#clock,
      random: Math.random,
      parse: (request) => spec.parse(request),
      ok: () => true,
      submit: (parsed, { deadline, signal }, events) => {
        const how: CallHow = { mode: 'prewarm', priority: 0, deadline, now: this.#clock.now() };
        return this.#submit(new Call(driver, { ...parsed, request: perKey }, how, events), signal, false);
      },
      credit: () => {},
    };
    const result: Prewarmed = { ready: 0, failed: [] };
    const bounds = { concurrency: PREWARM_CONCURRENCY, attempts: 1, timeoutMs, ...(signal ? { signal } : {}) };
    for await (const { error } of new Batch<RequestOf<D>, null>(host, requests, bounds)) {
      if (error) result.failed.push(error);
      else result.ready++;
    }
    return result;
  }

  async stats(): Promise<EngineStats> {
    const inside = await Promise.all(this.#supervisors.map((supervisor) => supervisor.stats()));
    const shards = this.#supervisors.map(({ state, restarts, admission: { inFlight, queued } }, shard) => {
      return { state, restarts, inFlight, queued, inside: inside[shard] };
    });
    return { inFlight: this.#sum('inFlight'), queued: this.#sum('queued'), shards };
  }

  close(): Promise<void> {
    this.#closed ??= this.#drain();
    return this.#closed;
  }

  async destroy(reason = 'the engine was destroyed'): Promise<void> {
    this.#closed ??= Promise.resolve();
    this.#cut(reason);
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stopped));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `run` where there is more to it than one try of what is at hand. */
  async #runTries<D extends DriverName>(driver: D, spec: Spec, request: unknown, options: CallOptions): Promise<unknown> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, attempts = 1, idempotent = false, priority = 0, signal } = options;
    const deadline = this.#deadline(timeoutMs, this.#clock.now());
    const parsed = spec.parse(spec.resolve ? await spec.resolve(request) : request);
    const start = () =>
      new Promise<Call>((settled, reject) => {
        const how: CallHow = { mode: 'once', priority, deadline, now: this.#clock.now() };
        try {
          this.#submit(new Call(driver, parsed, how, { settled }), signal);
        } catch (error) {
          reject(error);
        }
      });
    const { call } = await tryUntilSettled(start, { attempts, idempotent, deadline, signal }, this.#clock, Math.random);
    if (call.error) throw call.error;
    return call.response;
  }

  #spec(driver: string): Spec {
    const spec = this.#specs.get(driver);
    if (spec) return spec;
    throw new KeylaneError('ERR_INPUT', `unknown driver \`${driver}\`: this engine has ${[...this.#specs.keys()].join(', ')}`);
  }

  #how(mode: RunMode, timeoutMs: number, priority: number): CallHow {
    const now = this.#clock.now();
    return { mode, priority, deadline: this.#deadline(timeoutMs, now), now };
  }

  #deadline(timeoutMs: number, now: number): number {
    return timeoutMs === 0 ? Number.POSITIVE_INFINITY : now + timeoutMs;
  }

  /** Hands a call over to admission. Throws what keeps it from being handed over. */
  #submit(call: Call, signal: AbortSignal | undefined, bounded = true): Call {
    const { key } = call;
    if (this.#closed) throw new KeylaneError('ERR_CLOSED', 'the engine is closed', { key });
    if (signal) {
      if (signal.aborted) throw new KeylaneError('ERR_CANCELED', undefined, { key, cause: signal.reason });
      const cancel = () => this.#cancel(call);
      signal.addEventListener('abort', cancel, { once: true });
      call.unlisten = () => signal.removeEventListener('abort', cancel);
    }
    try {
      this.#supervisor(call).admission.submit(call, bounded);
    } catch (error) {
      call.unlisten?.();
      throw error;
    }
    this.#deadlines.watch(call.dueAt);
    return call;
  }

  #supervisor(call: Call): Supervisor {
    return this.#supervisors[shardOf(call.key, this.#supervisors.length)]!;
  }

  #client(call: Call) {
    return call.slot >= 0 ? this.#supervisor(call).client : undefined;
  }

  #cancel(call: Call): void {
    if (call.state === 'queued') {
      this.#settleQueued(call, new KeylaneError('ERR_CANCELED', undefined, { key: call.key }));
    } else if (call.state === 'in_flight') {
      call.state = 'canceling';
      this.#client(call)?.cancel(call);
      call.dueAt = this.#clock.now() + SHARD_GRACE_MS;
      this.#deadlines.watch(call.dueAt);
    }
  }

  /** The shard keeps the deadline of what it has, and knows more: it is given time to say it. */
  #due(call: Call): void {
    const { key, deadline } = call;
    if (call.state === 'queued') {
      this.#settleQueued(call, new KeylaneError('ERR_TIMEOUT', 'the deadline passed while the request was waiting', { key }));
    } else if (call.state === 'canceling') {
      call.settle(undefined, new KeylaneError('ERR_CANCELED', 'canceled; its shard did not answer', { key }));
    } else if (call.dueAt === deadline) {
      call.dueAt = deadline + SHARD_GRACE_MS;
    } else {
      const says = 'the deadline passed; its shard did not answer';
      call.settle(undefined, new KeylaneError('ERR_TIMEOUT', says, { key, outcome: 'unknown' }));
    }
    if (call.state === 'settled') call.dueAt = Number.POSITIVE_INFINITY;
  }

  #settleQueued(call: Call, error: KeylaneError): void {
    this.#supervisor(call).admission.abandon(call);
    call.settle(undefined, error);
    this.#tellIfEmpty();
  }

  *#calls(): Iterable<Call | undefined> {
    for (const { admission, client } of this.#supervisors) {
      yield* admission.calls();
      if (client) yield* client.inFlight;
    }
  }

  async #drain(): Promise<void> {
    const late = this.#clock.timer(this.#options.closeTimeoutMs, () => this.#cut('the engine was closed'));
    if (this.#busy) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
    }
    for (const supervisor of this.#supervisors) supervisor.drain();
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stopped));
    late.cancel();
    this.#deadlines.stop();
  }

  #cut(reason: string): void {
    const error = new KeylaneError('ERR_CLOSED', reason);
    for (const supervisor of this.#supervisors) supervisor.destroy(error);
    this.#whenEmpty?.();
  }

  get #busy(): boolean {
    return this.#sum('inFlight') + this.#sum('queued') > 0;
  }

  #sum(of: 'inFlight' | 'queued'): number {
    return this.#supervisors.reduce((sum, { admission }) => sum + admission[of], 0);
  }

  #tellIfEmpty(): void {
    // Called as a call leaves; the books are right at the end of the turn.
    if (this.#whenEmpty) queueMicrotask(() => !this.#busy && this.#whenEmpty?.());
  }
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}
