import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { type EngineOptions, KeylaneError } from '../index.js';
import { check } from '../util/check.js';
import { HTTP_LIMITS, type HttpLimits, httpLimitsSchema } from './access/limits.js';
import { type TokenOptions, tokensSchema } from './access/token-options.js';
import type { TracingOptions } from './tracing.js';

/** Levels of the log, the most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Options of the service's log. */
export interface ServiceLogOptions {
  /** What is written, and what weighs more. It can be changed while the service runs. @default 'info' */
  level?: LogLevel;
  /** `json`: one object a line, as pino has them; `pretty`: lines for a person. @default 'json' */
  format?: 'json' | 'pretty';
  /** Gets each line, with its end. @default it is written to stderr */
  write?: (line: string) => void;
}

/** Options of the service's encryption. */
export interface TlsOptions {
  /** Path of the certificate and what it was signed by, PEM. */
  cert: string;
  /** Path of its private key, PEM. */
  key: string;
}

/** Options of `createService`. */
export interface ServiceOptions {
  /** Of the engine behind it: options of `createEngine`. */
  engine?: EngineOptions;
  /** The address to listen on. @default '127.0.0.1' */
  host?: string;
  /** 0: any free one. @default 7473 */
  port?: number;
  /** Serve HTTPS with this certificate. */
  tls?: TlsOptions;
  /** Listen on other addresses than loopback without `tls`: tokens and what requests hold go through the network in the clear. @default false */
  allowInsecure?: boolean;
  /** Values of the Host header that are answered, beside the address that is listened on and `localhost`. `*` is any. */
  allowHosts?: readonly string[];
  /** Values of the Origin header that are answered, beside the service's own. */
  allowOrigins?: readonly string[];
  /** What clients may have of it. */
  http?: HttpLimits;
  /** Path of a file that gets a line for each request that ran something. */
  audit?: string;
  /** Go on with batches that were interrupted. @default true */
  resume?: boolean;
  /** Batches with a journal that run at once. @default 64 */
  maxBatches?: number;
  /** Bodies of batches that are taken in at once. @default 8 */
  maxBatchUploads?: number;
  /** Bytes of the body of one batch. @default 10 GiB */
  maxBatchBytes?: number;
  /** JSON that is kept in the journal of each batch, for whoever goes on with it without this service. No secrets. */
  batchSettings?: object;
  /** Who may call it, beside the bearer of the token of the first start. @default nobody */
  tokens?: readonly TokenOptions[];
  /** Milliseconds that what is in flight has to end when the service is closed. @default 30_000 */
  closeTimeoutMs?: number;
  /** Milliseconds for which `/readyz` says 503 before the service stops listening: a load balancer needs to see it. @default 0 */
  drainDelayMs?: number;
  /** @default nothing is logged */
  log?: ServiceLogOptions;
  /** What `/metrics` tells beside its bounded series. */
  metrics?: MetricsOptions;
  /** What spans tell, where the program has registered a tracer provider of OpenTelemetry. */
  tracing?: TracingOptions;
}

/** Options of `/metrics`. */
export interface MetricsOptions {
  /** Three series for each of the 1,000 keys with most requests. @default false */
  keys?: boolean;
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

const DAY_MS = 86_400_000;
const path = z.string().min(1).max(4_096);

/** The schema of what of `createService(options)` is not the engine's. */
const serviceOptions = z.strictObject({
  engine: z.custom<EngineOptions>((value) => typeof value === 'object' && value !== null, 'expected an object'),
  host: z.string().min(1).max(253),
  port: z.int().min(0).max(65_535),
  tls: z.strictObject({ cert: path, key: path }),
  allowInsecure: z.boolean(),
  tokens: tokensSchema,
  allowHosts: z.array(z.string().min(1).max(512)).max(1_000),
  allowOrigins: z.array(z.string().min(1).max(512)).max(1_000),
  http: httpLimitsSchema,
  audit: path,
  resume: z.boolean(),
  batchSettings: z.custom<object>((value) => typeof value === 'object' && value !== null, 'expected an object'),
  maxBatches: z.int().min(1).max(10_000),
  maxBatchUploads: z.int().min(1).max(1_000),
  maxBatchBytes: z.int().min(1),
  closeTimeoutMs: z.number().min(0).max(DAY_MS),
  drainDelayMs: z.number().min(0).max(DAY_MS),
  metrics: z.strictObject({ keys: z.boolean().optional() }),
  tracing: z.strictObject({ keys: z.boolean().optional() }),
  log: z.strictObject({
    level: z.enum(LOG_LEVELS).optional(),
    format: z.enum(['json', 'pretty']).optional(),
    write: z.custom<(line: string) => void>((value) => typeof value === 'function', 'must be a function').optional(),
  }),
});

/** The options with every default filled in, frozen. Throws `ERR_CONFIG` that names what is wrong, by its path. */
export function resolveServiceOptions(given: ServiceOptions = {}): ResolvedServiceOptions {
  const options = check(serviceOptions.partial(), given, 'createService', 'ERR_CONFIG');
  const said = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved = {
    ...DEFAULTS,
    ...(said as ServiceOptions),
    http: { ...HTTP_LIMITS, ...options.http } as Required<HttpLimits>,
  };
  if (!isLoopback(resolved.host) && !resolved.tls && !resolved.allowInsecure)
    throw new KeylaneError(
      'ERR_CONFIG',
      `createService.host: ${resolved.host} can be reached from outside, where tokens would be read on their way; ` +
        'give a certificate (tls, --tls-cert and --tls-key), or allow it (allowInsecure, --allow-insecure) behind a proxy that encrypts',
    );
  return Object.freeze(resolved);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Names are not looked up: what they stand for may change. */
function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
