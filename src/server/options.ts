import type { EngineOptions } from '../index.js';

/** Options of `createService`. */
export interface ServiceOptions {
  /** Of the engine behind it. */
  engine?: EngineOptions;
  /** The address to listen on. @default '127.0.0.1' */
  host?: string;
  /** 0: any free one. @default 7473 */
  port?: number;
  /** Milliseconds that what is in flight has to end when the service is closed. @default 30_000 */
  closeTimeoutMs?: number;
}

export interface ResolvedServiceOptions {
  engine: EngineOptions;
  host: string;
  port: number;
  closeTimeoutMs: number;
}

const DEFAULTS = { host: '127.0.0.1', port: 7473, closeTimeoutMs: 30_000 };

export function resolveServiceOptions({ engine = {}, ...rest }: ServiceOptions): ResolvedServiceOptions {
  return Object.freeze({ ...DEFAULTS, ...rest, engine });
}
