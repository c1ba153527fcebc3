import { Batch } from './batch/batch.js';
import type { BatchHost } from './batch/host.js';
import type { KeylaneError } from './errors.js';
import type { PrepareBounds } from './prepare.js';

export interface PrewarmOptions {
  /** Connections of each lane; at most `limits.connectionsPerLane`. @default 1 */
  perKey?: number;
  /** @default 60_000 */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface Prewarmed {
  /** Requests whose lanes have their connections, and requests whose lanes have not. */
  ready: number;
  notReady: number;
  /** Why not: the first 1,000 errors. */
  failed: KeylaneError[];
}

const AT_ONCE = 64;
/** Errors that a prewarm keeps: its input may be endless. */
const MOST_TOLD = 1_000;

/** Asks for the lanes of the requests and for nothing else, by a batch whose requests are never sent. */
export async function prewarm<Request>(
  host: BatchHost,
  requests: Iterable<Request> | AsyncIterable<Request>,
  { perKey = 1, timeoutMs = 60_000, signal }: PrewarmOptions,
): Promise<Prewarmed> {
  const lanes: BatchHost = {
    ...host,
    ok: () => true,
    parse: async (request: unknown, bounds: PrepareBounds) => ({
      ...(await host.parse(request, bounds)),
      request: perKey,
    }),
  };
  const bounds = { concurrency: AT_ONCE, attempts: 1, timeoutMs, ...(signal ? { signal } : {}) };
  const prewarmed: Prewarmed = { ready: 0, notReady: 0, failed: [] };
  for await (const { error } of new Batch<Request, null>(lanes, { kind: 'requests', from: requests }, bounds)) {
    if (!error) {
      prewarmed.ready++;
    } else {
      prewarmed.notReady++;
      if (prewarmed.failed.length < MOST_TOLD) prewarmed.failed.push(error);
      // Of an endless input every further request would be told the same.
      if (error.code === 'ERR_CLOSED') break;
    }
  }
  return prewarmed;
}
