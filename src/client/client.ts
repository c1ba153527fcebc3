import { checkCallOptions, RUN_OPTIONS, STREAM_OPTIONS } from '../call-options.js';
import { KeylaneError } from '../errors.js';
import type {
  AccountRequestOf,
  Batch,
  BatchOptions,
  CallOptions,
  DriverName,
  Engine,
  EngineStats,
  EngineStream,
  KeyState,
  KeysOptions,
  RequestOf,
  ResponseOf,
  Result,
  StreamOptions,
} from '../index.js';
import type { LoggedEvent } from '../server/events.js';
import type { History } from '../server/history.js';
import type { ServiceStats } from '../server/metrics/stats.js';
import { ServiceBatch } from './batch.js';
import { ServiceBatches } from './batches.js';
import { ServiceCache } from './cache.js';
import { requestJson } from './json.js';
import { MARGIN_MS, type ServiceLink } from './link.js';
import { listIn, type ServiceAccount } from './lists.js';
import { refusedResult, resultOf } from './settled.js';
import { ServiceStream } from './stream.js';

/** What a stream of an engine and one of a client have in common: all that a program uses. */
export interface ClientStream<Response>
  extends Pick<
    EngineStream<Response>,
    'response' | 'accepted' | 'result' | 'write' | 'end' | 'cancel' | 'next' | 'return'
  > {
  [Symbol.asyncIterator](): ClientStream<Response>;
}

/** What a batch of an engine and one of a client have in common: all that a program uses. */
export interface ClientBatch<Req, Res>
  extends Pick<Batch<Req, Res>, 'id' | 'open' | 'pause' | 'resume' | 'drain' | 'progress' | 'next' | 'return'> {
  [Symbol.asyncIterator](): ClientBatch<Req, Res>;
}

/**
 * What runs requests: an engine in this process, or a service behind a client. A function that takes one of these takes
 * both.
 */
export interface Requester
  extends Pick<Engine, 'run' | 'result' | 'stats' | 'keys' | 'close' | 'destroy'>,
    Pick<AsyncDisposable, typeof Symbol.asyncDispose> {
  /** A long or two-way request: chunks under flow control. No time-out unless asked for. */
  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options?: StreamOptions,
  ): ClientStream<ResponseOf<D>>;
  /** Many requests: an iterable of results in the order they settle. Begins when iterated. */
  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options?: BatchOptions<RequestOf<D>>,
  ): ClientBatch<RequestOf<D>, ResponseOf<D>>;
}

/** A service, held as a program holds an engine. `close()` ends the client; the service goes on. */
export interface Client extends Requester {
  /** Batches that the service keeps: those that this token may see, and a way to make one. */
  readonly batches: ServiceBatches;
  /** What the service remembers of answers. */
  readonly cache: ServiceCache;
  /** How the service is: its process, its HTTP, its engine, and the last second. */
  serviceStats(): Promise<ServiceStats>;
  /** One sample a second of the last 15 minutes, or the last so many. */
  history(last?: number): Promise<History>;
  /** What its engine told of itself lately; those after `since` (a `seq`) where that is given. */
  events(since?: number): Promise<LoggedEvent[]>;
  /** The accounts that this token may see. */
  accounts(filter?: { driver?: string; labels?: readonly string[] }): Promise<ServiceAccount[]>;
}

const DEFAULT_CEILING_MS = 60_000;

/** Each call is one HTTP request: it is encoded here, sent by the link (link.ts), and read back (settled.ts). */
export class ServiceClient implements Client {
  readonly #link: ServiceLink;

  readonly batches: ServiceBatches;
  readonly cache: ServiceCache;

  constructor(link: ServiceLink) {
    this.#link = link;
    this.batches = new ServiceBatches(link);
    this.cache = new ServiceCache(link);
  }

  async serviceStats(): Promise<ServiceStats> {
    return (await this.#link.read('/v1/stats')) as ServiceStats;
  }

  async history(last?: number): Promise<History> {
    return (await this.#link.read(`/v1/stats/history${last === undefined ? '' : `?last=${last}`}`)) as History;
  }

  async events(since?: number): Promise<LoggedEvent[]> {
    const query = since === undefined ? '' : `?since=${since}`;
    return listIn<LoggedEvent>(await this.#link.read(`/v1/events${query}`), 'events');
  }

  async accounts({ driver, labels = [] }: { driver?: string; labels?: readonly string[] } = {}) {
    const query = new URLSearchParams();
    for (const label of labels) query.append('label', label);
    if (driver !== undefined) query.set('driver', driver);
    return listIn<ServiceAccount>(await this.#link.read(`/v1/accounts?${query}`), 'accounts');
  }

  async run<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options: CallOptions = {},
  ): Promise<ResponseOf<D>> {
    const { error, response } = await this.#settled(driver, request, options);
    if (error) throw error;
    return response as ResponseOf<D>;
  }

  async result<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options: CallOptions = {},
  ): Promise<Result<RequestOf<D> | AccountRequestOf<D>, ResponseOf<D>>> {
    checkCallOptions(options, RUN_OPTIONS);
    const about = { index: 0, id: '0', driver, request };
    const settled = this.#settled(driver, request, options).catch((error: KeylaneError) => refusedResult(error, about));
    return settled as Promise<Result<RequestOf<D> | AccountRequestOf<D>, ResponseOf<D>>>;
  }

  stream<D extends DriverName>(
    driver: D,
    request: RequestOf<D> | AccountRequestOf<D>,
    options: StreamOptions = {},
  ): ClientStream<ResponseOf<D>> {
    checkCallOptions(options, STREAM_OPTIONS);
    return new ServiceStream(this.#link, driver, request, options);
  }

  batch<D extends DriverName>(
    driver: D,
    requests: Iterable<RequestOf<D>> | AsyncIterable<RequestOf<D>>,
    options: BatchOptions<RequestOf<D>> = {},
  ): ClientBatch<RequestOf<D>, ResponseOf<D>> {
    return new ServiceBatch(this.#link, driver, requests, options);
  }

  async stats(): Promise<EngineStats> {
    return (await this.serviceStats()).engine;
  }

  async keys({ match, limit, stopped }: KeysOptions = {}): Promise<KeyState[]> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ match, limit, stopped }))
      if (value !== undefined) query.set(name, String(value));
    return listIn<KeyState>(await this.#link.read(`/v1/hosts?${query}`), 'hosts');
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  destroy(reason = 'the client was destroyed'): Promise<void> {
    return this.#link.destroy(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #settled(driver: string, request: unknown, options: CallOptions): Promise<Result> {
    checkCallOptions(options, RUN_OPTIONS);
    this.#link.refuseClosed();
    const { signal, traceparent, timeoutMs = this.#link.options.timeoutMs, ...rest } = options;
    const asked = requestJson(driver, request);
    const isAuto = timeoutMs === 'auto';
    const longestMs = isAuto ? (options.timeoutCeilingMs ?? DEFAULT_CEILING_MS) : timeoutMs;
    const answer = await this.#link.ask({
      method: 'POST',
      path: '/v1/run',
      ...(traceparent !== undefined && { headers: { traceparent } }),
      // Its time runs while it waits for a connection, too.
      body: (waitedMs) => {
        const left = isAuto || timeoutMs === 0 ? timeoutMs : Math.max(1, Math.ceil(timeoutMs - waitedMs));
        const options = JSON.stringify({ timeoutMs: left, ...rest });
        return `{"driver":${JSON.stringify(driver)},"request":${asked},${options.slice(1)}`;
      },
      timeoutMs: longestMs === 0 ? 0 : longestMs + MARGIN_MS,
      signal,
      runs: true,
      isIdempotent: options.idempotent === true,
    });
    const result = resultOf(answer, { index: 0, id: '0', driver, request });
    if (result) return result;
    throw new KeylaneError('ERR_PROTOCOL', `${this.#link.origin} answers with what is no settled request`);
  }
}
