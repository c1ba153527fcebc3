import { createEngine, type Engine, systemClock } from '../index.js';
import { openAccess } from './access/access.js';
import { readCertificate } from './access/certificate.js';
import { logEvent } from './engine-log.js';
import { engineOptionsOf } from './engine-options.js';
import { Events } from './events.js';
import { ServiceLog } from './log.js';
import { resolveServiceOptions, type ServiceOptions } from './options.js';
import type { ServiceRoute } from './route-table.js';
import type { LogLevel } from './section.js';

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
   * Takes other tokens from now on, and the certificate of these files; references are read anew. What is in flight goes on,
   * and so do connections that are there. Without `tls` the certificate is read anew from where it was.
   *
   * @throws KeylaneError `ERR_CONFIG`: all is as it was before.
   */
  reload(options: Pick<ServiceOptions, 'tokens' | 'tls'>): void;
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
  const https = resolved.tls && readCertificate(resolved.tls);
  const serviceLog = new ServiceLog(resolved.log);
  const { log } = serviceLog;
  const access = await openAccess(resolved, systemClock);
  const { onEvent } = resolved.engine;
  const events = new Events();
  const starting = createEngine({
    ...(await engineOptionsOf(resolved.engine)),
    onEvent: (event) => {
      events.add(event);
      logEvent(log, event);
      onEvent?.(event);
    },
  });
  // While its threads start, all that is HTTP is loaded: that is as much work again for this one.
  const [started, loaded] = await Promise.allSettled([starting, import('./running-service.js')]);
  if (started.status === 'rejected') throw started.reason;
  const engine = started.value;
  try {
    if (loaded.status === 'rejected') throw loaded.reason;
    return await loaded.value.serve({ options: resolved, engine, access, serviceLog, events, https });
  } catch (error) {
    await engine.destroy('the service did not start');
    throw error;
  }
}
