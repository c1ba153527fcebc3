import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Clock, Engine } from '../index.js';
import type { ServiceBatches } from './batches/service-batches.js';
import type { Events } from './events.js';
import type { LiveWriters } from './live-writers.js';
import type { ServiceLog } from './log.js';
import type { HttpMeter } from './metrics/http.js';
import type { Monitor } from './metrics/monitor.js';
import type { ResolvedServiceOptions } from './options.js';
import type { Tracing } from './tracing.js';

/**
 * What a route asks of who calls it: `nothing` (it holds no data and does nothing) · `read` · `run` (it runs requests, or
 * changes what is kept of them) · `admin` (it is about the whole service). A route that does not say is refused at start.
 */
export type Needs = 'nothing' | 'read' | 'run' | 'admin';

/** Who calls: the bearer of a token. */
export interface Principal {
  /** The token's name. Batches belong to it. */
  readonly name: string;
  /** Throws `ERR_FORBIDDEN`, which says why, where this one may not do what the route needs. */
  check(needs: Needs): void;
  /** Throws `ERR_FORBIDDEN`, which names the field, where this one may not run this request. */
  checkRequest(driver: string, request: unknown): void;
  /** Takes one of what it may have at once and per second; throws `ERR_QUOTA`. What comes back gives it back, once. */
  take(what: 'request' | 'batch'): () => void;
  /** Requests in a second and in flight that it may have; a batch of it has no more. */
  readonly most: { readonly perSecond?: number; readonly inFlight?: number };
  /** May it see what belongs to that principal? */
  sees(owner: string | undefined): boolean;
  /** Is it for some hosts only? Then it is told nothing of other keys. */
  readonly limited: boolean;
  /** Globs (`*` any characters, `?` one) that all keys match which it sees, and others may; undefined where it sees all. */
  readonly keyGlobs: readonly string[] | undefined;
  /** May it see that the engine knows this key? What a token for some hosts is not for, it sees nothing of. */
  seesKey(key: string): boolean;
}

/** What was done for whom. */
export interface Audited {
  readonly principal: string;
  /** Where from. */
  readonly address: string;
  /** The route, as in the API: `POST /v1/run`. */
  readonly route: string;
  readonly driver?: string;
  /** The key of a request, the id of a batch. Never what was run: it may hold secrets. */
  readonly key?: string;
  readonly batch?: string;
  /** Of a request its outcome; else the status of the answer. */
  readonly outcome: string;
  readonly code?: string;
  readonly ms: number;
}

/** What the routes are given. Whoever adds a part adds it here. */
export interface Parts {
  readonly engine: Engine;
  readonly options: ResolvedServiceOptions;
  readonly log: Logger;
  /** The same log, with its level. */
  readonly serviceLog: ServiceLog;
  readonly clock: Clock;
  /** Answers without a known end: events and lines. */
  readonly live: LiveWriters;
  /** What the engine told of itself. */
  readonly events: Events;
  /** Counts what is asked over HTTP, and what is refused. */
  readonly http: HttpMeter;
  /** How everything is, once a second. */
  readonly monitor: Monitor;
  readonly batches: ServiceBatches;
  /** Tells the program's OpenTelemetry of each settled request. */
  readonly tracing: Tracing;
  /** One line for each request that ran something. */
  audit(line: Audited): void;
  /** False from the moment at which the service is asked to stop: who asks for the next request may go elsewhere. */
  ready(): boolean;
  /** Aborted when the service stops listening: what has no end (SSE) ends, what waits is answered. */
  readonly stopping: AbortSignal;
}

export type App = FastifyInstance;

declare module 'fastify' {
  interface FastifyContextConfig {
    needs?: Needs;
    /**
     * Its bodies may be of any length and go on for as long as they like; only until the answer begins they must not stand
     * still. @default false
     */
    streams?: boolean;
    /** It writes its own lines of the audit. @default false: a line for each answer, where it does something */
    audits?: boolean;
  }
  interface FastifyRequest {
    /** Set before any handler of a route that needs something. */
    principal: Principal;
  }
}
