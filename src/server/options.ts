import { z } from 'zod';
import { type EngineOptions, KeylaneError } from '../index.js';
import { check } from '../util/check.js';
import { isLoopbackHost } from '../util/networks.js';
import { HTTP_LIMITS, type HttpLimits } from './access/limits.js';
import { type LogSection, type ServeSection, serveSection } from './section.js';

/** Options of the service's log. */
export interface ServiceLogOptions extends LogSection {
  /** Gets each line, with its end. @default it is written to stderr */
  write?: (line: string) => void;
}

/** Options of `createService`. */
export interface ServiceOptions extends Omit<ServeSection, 'log'> {
  /** Of the engine behind it: options of `createEngine`. */
  engine?: EngineOptions;
  /** JSON that is kept in the journal of each batch, for whoever goes on with it without this service. No secrets. */
  batchSettings?: object;
  /** @default nothing is logged */
  log?: ServiceLogOptions;
}

export interface ResolvedServiceOptions
  extends Readonly<
      Required<Omit<ServiceOptions, 'tls' | 'audit' | 'log' | 'http' | 'metrics' | 'tracing' | 'batchSettings'>>
    >,
    Readonly<Pick<ServiceOptions, 'tls' | 'audit' | 'log' | 'metrics' | 'tracing' | 'batchSettings'>> {
  readonly http: Readonly<Required<HttpLimits>>;
}

const DEFAULTS = Object.freeze({
  engine: Object.freeze({}),
  host: '127.0.0.1',
  port: 7473,
  allowInsecure: false,
  tokens: Object.freeze([]),
  allowHosts: Object.freeze([]),
  allowOrigins: Object.freeze([]),
  resume: true,
  maxBatches: 64,
  maxBatchUploads: 8,
  maxBatchBytes: 10 * 2 ** 30,
  closeTimeoutMs: 30_000,
  drainDelayMs: 0,
});

/** The schema of what of `createService(options)` is not the engine's. */
const serviceOptions = serveSection.extend({
  engine: z
    .custom<EngineOptions>((value) => typeof value === 'object' && value !== null, 'expected an object')
    .optional(),
  batchSettings: z
    .custom<object>((value) => typeof value === 'object' && value !== null, 'expected an object')
    .optional(),
  log: serveSection.shape.log
    .unwrap()
    .extend({
      write: z.custom<(line: string) => void>((value) => typeof value === 'function', 'must be a function').optional(),
    })
    .optional(),
});

/** The options with every default filled in, frozen. Throws `ERR_CONFIG` that names what is wrong, by its path. */
export function resolveServiceOptions(given: ServiceOptions = {}): ResolvedServiceOptions {
  const options = check(serviceOptions, given, 'createService', 'ERR_CONFIG');
  const said = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved = {
    ...DEFAULTS,
    ...(said as ServiceOptions),
    http: { ...HTTP_LIMITS, ...options.http } as Required<HttpLimits>,
  };
  // Names are not looked up: what they stand for may change.
  if (!isLoopbackHost(resolved.host) && !resolved.tls && !resolved.allowInsecure)
    throw new KeylaneError(
      'ERR_CONFIG',
      `createService.host: ${resolved.host} can be reached from outside, where tokens would be read on their way; ` +
        'give a certificate (tls, --tls-cert and --tls-key), or allow it (allowInsecure, --allow-insecure) behind a proxy that encrypts',
    );
  return Object.freeze(resolved);
}
