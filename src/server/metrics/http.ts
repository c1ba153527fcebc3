import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { App } from '../parts.js';
import type { Buckets } from './text.js';

/** Upper bounds of how long answers took, in seconds. */
const HTTP_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const BOUNDS_MS = HTTP_BOUNDS.map((seconds) => seconds * 1000);
const WIDTH = HTTP_BOUNDS.length + 1;
/** Who has gone before the answer was whole, as nginx writes it. */
const GONE = 499;
/** Reasons that are counted apart; who comes later is counted as `other`. */
const MOST_REASONS = 64;

/** What is told of HTTP in `/v1/stats`. */
export interface HttpStats {
  /** Connections that are open. */
  connections: number;
  /** Requests that have no whole answer yet; open streams among them. */
  inFlight: number;
  /** Answered since the start. */
  requests: number;
  /** Server-sent events and live answers that are open. */
  streams: number;
  /** Readers that were too slow, and were dropped. */
  dropped: number;
  /** Requests and connections that were refused, by why: a code of docs/errors.md, or what was too many. */
  refused: Record<string, number>;
}

/** What was asked of one route. */
export interface RouteCounts {
  readonly method: string;
  readonly route: string;
  readonly statuses: readonly [status: number, count: number][];
  readonly durations: Buckets;
}

/** One route's counts: arrays, because they are written for each request. */
class Route {
  readonly method: string;
  readonly route: string;
  readonly statuses = new Map<number, number>();
  readonly buckets = new Float64Array(WIDTH);
  sumMs = 0;

  constructor(method: string, route: string) {
    this.method = method;
    this.route = route;
  }
}

/** What is no request, by what Node's parser says. */
const NO_REQUEST: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'head_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'head_too_slow',
};

/** The reply of a response, for whom it is closed. */
const REPLY = Symbol('keylane.reply');
type Metered = ServerResponse & { [REPLY]?: FastifyReply };

/**
 * Counts what is asked over HTTP: one listener a request, and no object, 0.2 µs of CPU time. Routes are numbered when they
 * are made, so labels are bounded by the router's table.
 */
export class HttpMeter {
  #inFlight = 0;
  #answered = 0;
  readonly #routes: Route[] = [new Route('', 'none')];
  readonly #refused = new Map<string, number>();
  #connections: () => number = () => 0;

  /** To be called before any other hook is added and any route is made. */
  watch(app: App): void {
    const open = new Set<unknown>();
    app.server.on('connection', (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    });
    this.#connections = () => open.size;
    app.server.on('clientError', ({ code = '' }: NodeJS.ErrnoException) => {
      // A client that has gone was not refused.
      if (code !== 'ECONNRESET' && code !== 'EPIPE') this.refused(NO_REQUEST[code] ?? 'no_http');
    });
    app.addHook('onRoute', (options) => {
      const methods = [options.method].flat().join(',');
      options.config = { ...options.config, meter: this.#routes.push(new Route(methods, options.url)) - 1 };
    });
    const meter = this;
    function closed(this: Metered): void {
      meter.#closed(this);
    }
    app.addHook('onRequest', (_request, reply, done) => {
      this.#inFlight++;
      const raw = reply.raw as Metered;
      raw[REPLY] = reply;
      raw.on('close', closed);
      done();
    });
    app.addHook('onError', (_request, _reply, error, done) => {
      this.refused(error.code);
      done();
    });
  }

  /** Something was refused: a code of docs/errors.md, or what was too many. */
  refused(why: string): void {
    const known = this.#refused.has(why) || this.#refused.size < MOST_REASONS ? why : 'other';
    this.#refused.set(known, (this.#refused.get(known) ?? 0) + 1);
  }

  stats(): Omit<HttpStats, 'streams' | 'dropped'> {
    return {
      connections: this.#connections(),
      inFlight: this.#inFlight,
      requests: this.#answered,
      refused: Object.fromEntries(this.#refused),
    };
  }

  /** Of the routes that were asked. */
  *routes(): Iterable<RouteCounts> {
    for (const { method, route, statuses, buckets, sumMs } of this.#routes) {
      if (statuses.size === 0) continue;
      const durations = { bounds: HTTP_BOUNDS, counts: buckets, sum: sumMs / 1000 };
      yield { method, route, statuses: [...statuses], durations };
    }
  }

  #closed(raw: Metered): void {
    const reply = raw[REPLY];
    if (!reply) return;
    raw[REPLY] = undefined as never;
    this.#inFlight--;
    this.#answered++;
    const route = this.#routes[reply.request.routeOptions.config.meter ?? 0] as Route;
    const status = raw.writableFinished ? raw.statusCode : GONE;
    route.statuses.set(status, (route.statuses.get(status) ?? 0) + 1);
    const ms = reply.elapsedTime;
    route.sumMs += ms;
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++;
    route.buckets[bucket]!++;
  }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route's place among those that are counted. @internal */
    meter?: number;
  }
}
