import { Agent, type OutgoingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps, Agent as TlsAgent } from 'node:https';
import { KeylaneError } from '../errors.js';
import { Bell } from '../util/bell.js';
import type { Clock } from '../util/clock.js';
import { jsonOf } from './answer.js';
import { Exchange } from './exchange.js';
import type { ResolvedClientOptions } from './options.js';
import { Pending } from './pending.js';
import { Places } from './places.js';
import { Token } from './token.js';

/** A request to the service. */
export interface Ask {
  method: 'GET' | 'POST' | 'DELETE';
  /** With what comes before `?` and after it. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** JSON text, made when it leaves; `waitedMs`: how long it has waited here for a connection. */
  body?: (waitedMs: number) => string;
  /** 0: none. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** It may have an effect: where no answer comes, it is `unknown`. */
  runs: boolean;
  /** Doing it twice does no harm. */
  isIdempotent: boolean;
}

/** An exchange that goes on after the answer has begun. `close` it when it is over. */
export interface Opened {
  exchange: Exchange;
  close(): void;
}

/** How much longer than the service this side waits: for the way there and back, and for the last words of a driver. */
export const MARGIN_MS = 5_000;
/**
 * An idle connection is closed after this time, or 1 s before the time that the service has told (`Keep-Alive`), which Node
 * looks at only where there is one of ours: a request that meets the service's close on its way may have run for all that
 * is known. A connection in use is not closed by it.
 */
const IDLE_MS = 30_000;
const AGENT = { keepAlive: true, scheduling: 'lifo', timeout: IDLE_MS } as const;

/** The way to the service: its connections, who we are there, and what is in flight. */
export class ServiceLink {
  /** As errors name it. */
  readonly origin: string;
  readonly clock: Clock;
  readonly options: ResolvedClientOptions;
  readonly #token: Token;
  readonly #places: Places;
  readonly #kept: Agent;
  readonly #base: string;
  readonly #pending = new Set<Pending>();
  readonly #changed = new Bell();
  #closed: KeylaneError | undefined = undefined;

  constructor(options: ResolvedClientOptions, clock: Clock) {
    const { url, ca, connections } = options;
    this.options = options;
    this.clock = clock;
    this.origin = url.origin;
    this.#base = url.pathname.replace(/\/$/, '');
    this.#token = new Token(options.token);
    this.#places = new Places(connections);
    const bounds = { ...AGENT, maxSockets: connections, maxFreeSockets: connections };
    this.#kept =
      url.protocol === 'https:' ? new TlsAgent({ ...bounds, ...(ca && { ca: ca as string }) }) : new Agent(bounds);
  }

  /** Rejects with `ERR_CONFIG` where the token cannot be read. */
  async ready(): Promise<void> {
    if (typeof this.options.token === 'string') await this.#token.get();
  }

  /** Asks for what changes nothing. */
  read(path: string, signal?: AbortSignal): Promise<unknown> {
    const { timeoutMs } = this.options;
    return this.ask({ method: 'GET', path, timeoutMs, signal, runs: false, isIdempotent: true });
  }

  /** Asks for a change of what the service keeps, which is the same where it is asked for twice. */
  change(
    method: 'POST' | 'DELETE',
    path: string,
    headers: OutgoingHttpHeaders = {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    const { timeoutMs } = this.options;
    return this.ask({ method, path, headers, timeoutMs, signal, runs: true, isIdempotent: true });
  }

  /** Asks, and gives the answer's JSON. Rejects with KeylaneError. */
  async ask(ask: Ask): Promise<unknown> {
    const pending = this.#begin(ask);
    try {
      const begun = this.clock.now();
      if (!this.#places.takeNow()) await this.#places.take((cut) => pending.onEnd(cut));
      try {
        const headers = await this.#headers(ask, pending);
        const body = ask.body?.(this.clock.now() - begun);
        let exchange = this.#send(ask, headers, body, this.#kept, pending);
        return await this.#answerOf(exchange).catch((error: unknown) => {
          if (!exchange.mayGoAgain(ask.isIdempotent)) throw error;
          exchange = this.#send(ask, headers, body, undefined, pending);
          return this.#answerOf(exchange);
        });
      } finally {
        this.#places.give();
      }
    } catch (error) {
      throw this.noted(error);
    } finally {
      this.#end(pending);
    }
  }

  /** Begins an exchange on a connection of its own, whose body the caller writes. */
  async open(ask: Omit<Ask, 'body'>): Promise<Opened> {
    const pending = this.#begin(ask);
    try {
      const headers = await this.#headers(ask, pending);
      const exchange = this.#send(ask, headers, undefined, undefined, pending, ask.method === 'POST');
      return { exchange, close: () => this.#end(pending) };
    } catch (error) {
      this.#end(pending);
      throw error;
    }
  }

  /** Throws `ERR_CLOSED` where it is. */
  refuseClosed(): void {
    if (this.#closed) throw this.#closed;
  }

  /** The same error. A token that was refused may be another one next time. */
  noted(error: unknown): unknown {
    if (error instanceof KeylaneError && error.code === 'ERR_UNAUTHENTICATED') this.#token.refused();
    return error;
  }

  /** Takes nothing more, lets what is in flight end, then cuts. */
  async close(): Promise<void> {
    this.#closed ??= new KeylaneError('ERR_CLOSED', 'the client is closed');
    const cut = this.clock.timer(this.options.closeTimeoutMs, () => this.#cut('the client was closed'));
    while (this.#pending.size > 0) await this.#changed.wait();
    cut.cancel();
    this.#kept.destroy();
  }

  destroy(reason: string): Promise<void> {
    this.#closed ??= new KeylaneError('ERR_CLOSED', 'the client is closed');
    this.#cut(reason);
    return this.close();
  }

  #cut(reason: string): void {
    for (const pending of this.#pending) pending.end(new KeylaneError('ERR_CLOSED', reason));
  }

  #begin({ timeoutMs, signal }: Pick<Ask, 'timeoutMs' | 'signal'>): Pending {
    this.refuseClosed();
    const pending = new Pending(this.clock, timeoutMs, signal);
    this.#pending.add(pending);
    return pending;
  }

  #end(pending: Pending): void {
    pending.settle();
    this.#pending.delete(pending);
    this.#changed.ring();
  }

  async #headers({ headers, body }: Pick<Ask, 'headers' | 'body'>, pending: Pending): Promise<OutgoingHttpHeaders> {
    const known = this.#token.get();
    const token = typeof known === 'object' ? await pending.race(known) : known;
    pending.check();
    return {
      accept: 'application/json, application/problem+json',
      ...(body && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    };
  }

  /** `agent` undefined: a connection of its own. */
  #send(
    { method, path, runs }: Pick<Ask, 'method' | 'path' | 'runs'>,
    headers: OutgoingHttpHeaders,
    body: string | undefined,
    agent: Agent | undefined,
    pending: Pending,
    isOpen = false,
  ): Exchange {
    const { url, ca } = this.options;
    const isTls = url.protocol === 'https:';
    const request = (isTls ? requestHttps : requestHttp)({
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      path: this.#base + path,
      method,
      headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
      agent: agent ?? false,
      ...(isTls && ca !== undefined && { ca: ca as string }),
    });
    const exchange = new Exchange(request, { clock: this.clock, origin: this.origin, runs });
    pending.onEnd((error) => exchange.cut(error));
    if (!isOpen) request.end(body);
    return exchange;
  }

  async #answerOf(exchange: Exchange): Promise<unknown> {
    return jsonOf(exchange, await exchange.answered, this.options.maxAnswerBytes);
  }
}
