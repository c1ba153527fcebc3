import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { createEngine, type Engine, systemClock } from '../index.js';
import { admin } from './access/open.js';
import { buildApp } from './app.js';
import { LiveWriters } from './live-writers.js';
import { resolveServiceOptions, type ServiceOptions } from './options.js';
import type { App, Parts } from './parts.js';

/** An engine behind HTTP. `close()` it in a `finally`: it keeps the process alive. */
export interface Service extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:7473`. */
  readonly url: string;
  readonly engine: Engine;
  /** Listens no more, lets finish what is in flight (`closeTimeoutMs`, then cuts), closes the engine. */
  close(): Promise<void>;
  /** Cuts: connections and engine. */
  destroy(reason?: string): Promise<void>;
}

/**
 * Starts an engine and serves it over HTTP. Resolves when it listens.
 *
 * @throws KeylaneError `ERR_CONFIG` for a bad option.
 */
export async function createService(options: ServiceOptions = {}): Promise<Service> {
  const resolved = resolveServiceOptions(options);
  const engine = await createEngine(resolved.engine);
  const stop = new AbortController();
  try {
    const log = pino({ level: 'silent' });
    const parts: Parts = {
      engine,
      options: resolved,
      log,
      clock: systemClock,
      live: new LiveWriters(systemClock, log, stop.signal),
      audit: () => {},
      stopping: stop.signal,
    };
    const app = buildApp(parts, () => admin);
    await app.listen({ host: resolved.host, port: resolved.port });
    return new RunningService(app, parts, stop);
  } catch (error) {
    await engine.destroy('the service did not start');
    throw error;
  }
}

class RunningService implements Service {
  readonly url: string;
  readonly engine: Engine;
  readonly #app: App;
  readonly #stop: AbortController;
  #closed: Promise<void> | undefined = undefined;

  constructor(app: App, { engine, options }: Parts, stop: AbortController) {
    this.#app = app;
    this.engine = engine;
    this.#stop = stop;
    const { port } = app.server.address() as AddressInfo;
    this.url = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async destroy(reason = 'the service was destroyed'): Promise<void> {
    this.#stop.abort();
    await this.engine.destroy(reason);
    this.#app.server.closeAllConnections();
    await this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#app.close();
    await this.engine.close();
  }
}
