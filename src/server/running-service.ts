import type { AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { type Engine, systemClock } from '../index.js';
import type { Access } from './access/access.js';
import { readCertificate } from './access/certificate.js';
import { checkTokens } from './access/token-options.js';
import { buildApp } from './app.js';
import { Audit } from './audit.js';
import { ServiceBatches } from './batches/service-batches.js';
import { Connections } from './connections.js';
import type { Events } from './events.js';
import { listen } from './listen.js';
import { LiveWriters } from './live-writers.js';
import type { ServiceLog } from './log.js';
import { HttpMeter } from './metrics/http.js';
import { Monitor } from './metrics/monitor.js';
import type { ResolvedServiceOptions, ServiceOptions } from './options.js';
import type { Parts } from './parts.js';
import { logRequests } from './request-log.js';
import type { ServiceRoute } from './route-table.js';
import type { LogLevel } from './section.js';
import type { Service } from './service.js';
import { type Running, Stopping } from './stopping.js';
import { Tracing } from './tracing.js';
import { versionHere } from './version.js';

/** What is there before anything listens. */
export interface Started {
  options: ResolvedServiceOptions;
  engine: Engine;
  access: Access;
  serviceLog: ServiceLog;
  events: Events;
  https: { cert: Buffer; key: Buffer } | undefined;
}

/** Resolves when it listens. */
export async function serve({ options, engine, access, serviceLog, events, https }: Started): Promise<Service> {
  const { log } = serviceLog;
  const stop = new Stopping(options, systemClock);
  const live = new LiveWriters(systemClock, log, stop.signal);
  const http = new HttpMeter();
  const tracing = new Tracing(versionHere(), options.tracing);
  const audit = new Audit(options.audit, log, systemClock);
  const parts: Parts = {
    engine,
    options,
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
        batches: options.maxBatches,
        uploads: options.maxBatchUploads,
        bodyBytes: options.maxBatchBytes,
      },
      hasOwnDrivers: options.engine.drivers !== undefined,
      kept: options.batchSettings,
      principalNamed: (name) => access.tokens.named(name),
      settled: (result) => tracing.ofBatch(result),
    }),
    tracing,
    audit: audit.add,
    ready: () => stop.state === 'serving',
    stopping: stop.signal,
  };
  const { app, routes } = buildApp(parts, (authorization) => access.tokens.identify(authorization), https);
  app.addHook('onClose', () => audit.close());
  const connections = new Connections(app.server, https !== undefined);
  logRequests(app.server, serviceLog, systemClock);
  await listen(app, options);
  if (options.resume) void parts.batches.start();
  return new RunningService({ app, parts, connections }, stop, access, routes);
}

class RunningService implements Service {
  readonly url: string;
  readonly engine: Engine;
  readonly routes: readonly ServiceRoute[];
  readonly token: string;
  readonly #access: Access;
  /** As they were given last. */
  #tokens: NonNullable<ServiceOptions['tokens']>;
  readonly tokenFile: string;
  readonly #running: Running;
  readonly #stop: Stopping;

  constructor(running: Running, stop: Stopping, access: Access, routes: readonly ServiceRoute[]) {
    this.routes = routes;
    const { app, parts } = running;
    this.token = access.token;
    this.tokenFile = access.tokenFile;
    this.engine = parts.engine;
    this.#access = access;
    this.#tokens = parts.options.tokens;
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

  reload({ tokens = this.#tokens, tls = this.#running.parts.options.tls }: Parameters<Service['reload']>[0]): void {
    const { server } = this.#running.app;
    const certificate = tls && readCertificate(tls);
    this.#access.tokens.replace(checkTokens(tokens));
    this.#tokens = tokens;
    if (certificate && server instanceof TlsServer) server.setSecureContext(certificate);
    this.#running.parts.log.info({ tokens: tokens.length }, 'reloaded');
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
