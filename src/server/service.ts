import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createEngine, type Engine, KeylaneError, systemClock } from '../index.js';
import { type Access, openAccess } from './access/access.js';
import { checkTokens } from './access/token-options.js';
import { buildApp } from './app.js';
import { ServiceBatches } from './batches/service-batches.js';
import { Connections } from './connections.js';
import { logEvent } from './engine-log.js';
import { Events } from './events.js';
import { LiveWriters } from './live-writers.js';
import { ServiceLog } from './log.js';
import { HttpMeter } from './metrics/http.js';
import { Monitor } from './metrics/monitor.js';
import { type LogLevel, type ResolvedServiceOptions, resolveServiceOptions, type ServiceOptions } from './options.js';
import type { App, Parts } from './parts.js';
import { logRequests } from './request-log.js';
import type { ServiceRoute } from './route-table.js';
import { type Running, Stopping } from './stopping.js';
import { Tracing } from './tracing.js';
import { versionHere } from './version.js';

/** An engine behind HTTP. `close()` it in a `finally`: it keeps the process alive. */
export interface Service extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:7473`. */
  readonly url: string;
  readonly engine: Engine;
  /** All that can be asked of it. */
  readonly routes: readonly ServiceRoute[];
  /** The token of the first start, which is kept in the data directory: its bearer may do everything. */
  readonly token: string;
  /** The file of that token. */
  readonly tokenFile: string;
  /**
   * Takes other tokens from now on (`tokens` of the options); references are read anew. What is in flight goes on.
   *
   * @throws KeylaneError `ERR_CONFIG`: the tokens are those of before.
   */
  setTokens(tokens: NonNullable<ServiceOptions['tokens']>): void;
  /** Of its log; it may be changed at any time. */
  logLevel: LogLevel;
  /** The log's level becomes `debug`, and what it was at the start when this is called again. */
  cycleLogLevel(): void;
  /**
   * `/readyz` says 503 for `drainDelayMs`; then it listens no more, lets finish what is in flight (`closeTimeoutMs`, then
   * cuts) and closes the engine.
   */
  close(): Promise<void>;
  /** Cuts: connections and engine. */
  destroy(reason?: string): Promise<void>;
}

/**
 * Starts an engine and serves it over HTTP. Resolves when it listens.
 *
 * @throws KeylaneError `ERR_CONFIG` for a bad option, or where it cannot listen.
 */
export async function createService(options: ServiceOptions = {}): Promise<Service> {
  const resolved = resolveServiceOptions(options);
  const https = resolved.tls && secretsOf(resolved.tls);
  const serviceLog = new ServiceLog(resolved.log);
  const { log } = serviceLog;
  const access = await openAccess(resolved, systemClock);
  const { onEvent } = resolved.engine;
  const events = new Events();
  const engine = await createEngine({
    ...resolved.engine,
    onEvent: (event) => {
      events.add(event);
      logEvent(log, event);
      onEvent?.(event);
    },
  });
  try {
    const stop = new Stopping(resolved, systemClock);
    const live = new LiveWriters(systemClock, log, stop.signal);
    const http = new HttpMeter();
    const parts: Parts = {
      engine,
      options: resolved,
      log,
      serviceLog,
      clock: systemClock,
      live,
      events,
      http,
      monitor: new Monitor({ engine, clock: systemClock, http, streams: () => live.counts }),
      batches: new ServiceBatches({
        ...{ engine, log, clock: systemClock, stopping: stop.signal },
        limits: {
          batches: resolved.maxBatches,
          uploads: resolved.maxBatchUploads,
          bodyBytes: resolved.maxBatchBytes,
        },
        hasOwnDrivers: resolved.engine.drivers !== undefined,
        config: typeof resolved.engine.config === 'string' ? resolve(resolved.engine.config) : undefined,
        principalNamed: (name) => access.tokens.named(name),
      }),
      tracing: new Tracing(versionHere()),
      audit: () => {},
      ready: () => stop.state === 'serving',
      stopping: stop.signal,
    };
    const { app, routes } = buildApp(parts, (authorization) => access.tokens.identify(authorization), https);
    const connections = new Connections(app.server, https !== undefined);
    logRequests(app.server, serviceLog, systemClock);
    await listen(app, resolved);
    if (resolved.resume) void parts.batches.start();
    return new RunningService({ app, parts, connections }, stop, access, routes);
  } catch (error) {
    await engine.destroy('the service did not start');
    throw error;
  }
}

class RunningService implements Service {
  readonly url: string;
  readonly engine: Engine;
  readonly routes: readonly ServiceRoute[];
  readonly token: string;
  readonly #access: Access;
  readonly tokenFile: string;
  readonly #running: Running;
  readonly #stop: Stopping;

  constructor(running: Running, stop: Stopping, access: Access, routes: readonly ServiceRoute[]) {
    const { app, parts } = running;
    this.routes = routes;
    this.token = access.token;
    this.tokenFile = access.tokenFile;
    this.engine = parts.engine;
    this.#access = access;
    this.#running = running;
    this.#stop = stop;
    const { host, tls } = parts.options;
    const { port } = app.server.address() as AddressInfo;
    this.url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    parts.log.info({ url: this.url }, 'serving');
  }

  get logLevel(): LogLevel {
    return this.#running.parts.serviceLog.level;
  }

  set logLevel(level: LogLevel) {
    this.#running.parts.serviceLog.level = level;
  }

  cycleLogLevel(): void {
    this.#running.parts.serviceLog.cycle();
  }

  setTokens(tokens: NonNullable<ServiceOptions['tokens']>): void {
    this.#access.tokens.replace(checkTokens(tokens));
  }

  close(): Promise<void> {
    return this.#stop.close(this.#running);
  }

  destroy(reason = 'the service was destroyed'): Promise<void> {
    return this.#stop.destroy(this.#running, reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function listen(app: App, { host, port }: ResolvedServiceOptions): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const { code } = error as NodeJS.ErrnoException;
    const says = code === undefined ? undefined : LISTEN_PROBLEMS[code];
    if (says === undefined) throw error;
    throw new KeylaneError('ERR_CONFIG', `createService.port: cannot listen on ${host}:${port}: ${says}`, {
      cause: error,
    });
  }
}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process does; stop it, or choose another port',
  EACCES: 'this user may not; choose a port from 1024, or give it CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no address of this name',
  EAI_AGAIN: 'the name cannot be looked up now; write an address',
};

function secretsOf({ cert, key }: NonNullable<ResolvedServiceOptions['tls']>): { cert: Buffer; key: Buffer } {
  return { cert: readPem('cert', cert), key: readPem('key', key) };
}

function readPem(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KeylaneError('ERR_CONFIG', `createService.tls.${what}: ${path} cannot be read: ${code}`, { cause });
  }
}
