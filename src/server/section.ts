import { z } from 'zod';
import { type HttpLimits, httpLimitsSchema } from './access/limits.js';
import { type TokenOptions, tokensSchema } from './access/token-options.js';

/** Levels of the log, the most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is logged. */
export interface LogSection {
  /** What is written, and what weighs more. It can be changed while the service runs. @default 'info' */
  level?: LogLevel;
  /** `json`: one object a line, as pino has them; `pretty`: lines for a person. @default 'json'; of the command line `pretty` on a terminal */
  format?: 'json' | 'pretty';
}

/** Options of the service's encryption. */
export interface TlsOptions {
  /** Path of the certificate and what it was signed by, PEM. */
  cert: string;
  /** Path of its private key, PEM. */
  key: string;
}

/** Options of `/metrics`. */
export interface MetricsOptions {
  /** Three series for each of the 1,000 keys with most requests. @default false */
  keys?: boolean;
}

/** Options of tracing. */
export interface TracingOptions {
  /** Spans name the key of their request. @default true */
  keys?: boolean;
}

/** The section `serve` of keylane.yaml: what of the options of `createService` a file can say. */
export interface ServeSection {
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
  /** Bodies of batches that are taken in at once; of one token half as many. @default 8 */
  maxBatchUploads?: number;
  /** Bytes of the body of one batch. @default 10 GiB */
  maxBatchBytes?: number;
  /** Who may call it, beside the bearer of the token of the first start. @default nobody */
  tokens?: readonly TokenOptions[];
  /** Milliseconds that what is in flight has to end when the service is closed. @default 30_000 */
  closeTimeoutMs?: number;
  /** Milliseconds for which `/readyz` says 503 before the service stops listening: a load balancer needs to see it. @default 0 */
  drainDelayMs?: number;
  /** What is logged, to stderr. */
  log?: LogSection;
  /** What `/metrics` tells beside its bounded series. */
  metrics?: MetricsOptions;
  /** What spans tell, where the program has registered a tracer provider of OpenTelemetry. */
  tracing?: TracingOptions;
}

const DAY_MS = 86_400_000;
const path = z.string().min(1).max(4_096);
const logFields = { level: z.enum(LOG_LEVELS).optional(), format: z.enum(['json', 'pretty']).optional() };

/** Its schema. */
export const serveSection = z
  .strictObject({
    host: z.string().min(1).max(253),
    port: z.int().min(0).max(65_535),
    tls: z.strictObject({ cert: path, key: path }),
    allowInsecure: z.boolean(),
    allowHosts: z.array(z.string().min(1).max(512)).max(1_000),
    allowOrigins: z.array(z.string().min(1).max(512)).max(1_000),
    http: httpLimitsSchema,
    audit: path,
    resume: z.boolean(),
    maxBatches: z.int().min(1).max(10_000),
    maxBatchUploads: z.int().min(1).max(1_000),
    maxBatchBytes: z.int().min(1),
    tokens: tokensSchema,
    closeTimeoutMs: z.number().min(0).max(DAY_MS),
    drainDelayMs: z.number().min(0).max(DAY_MS),
    log: z.strictObject(logFields),
    metrics: z.strictObject({ keys: z.boolean().optional() }),
    tracing: z.strictObject({ keys: z.boolean().optional() }),
  })
  .partial();
