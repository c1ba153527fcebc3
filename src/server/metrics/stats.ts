import type { EngineStats } from '../../index.js';
import type { HttpStats } from './http.js';
import type { ProcessStats } from './process.js';

/** What `GET /v1/stats` answers. */
export interface ServiceStats {
  /** Milliseconds of Unix time. */
  at: number;
  version: string;
  uptimeMs: number;
  lately: Lately;
  process: ProcessStats;
  http: HttpStats;
  engine: EngineStats;
}

/** Of the last second, or of the time since the start where that is less. */
export interface Lately {
  /** Requests settled a second, and those of them that are not `ok`. */
  perSecond: number;
  notOkPerSecond: number;
  /** Requests and connections refused a second: by the engine's bounds, and by the service's. */
  refusedPerSecond: number;
  /** How long requests took that were settled in it, queue, open and run together; null where there were none. */
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
}
