import type { BatchSummary, Outcome } from '../../index.js';
import { settingsOf } from './settings.js';

/** A batch as the API tells of it: nothing of the machine that it is kept on. */
export interface ToldBatch {
  id: string;
  state: BatchSummary['state'];
  why?: string;
  /** The service that answers runs it. */
  here: boolean;
  paused: boolean;
  /** The name of the token that it belongs to; null where another program made it. */
  principal: string | null;
  total: number | null;
  begun: number;
  settled: number;
  inFlight: number;
  counts: Record<Outcome, number>;
  createdAt: string;
  updatedAt: string;
  ranMs: number;
  driver?: string;
  input?: { format: string; bytes: number; sha256: string };
  options?: object;
  retryOf?: { id: string; outcomes: readonly Outcome[] };
  error?: { code: string; message: string };
}

export function told(summary: BatchSummary, here: { paused: boolean } | undefined): ToldBatch {
  const { id, state, why, total, begun, settled, inFlight, counts, createdAt, updatedAt, ranMs } = summary;
  const { driver, input, error } = summary;
  const settings = settingsOf(summary);
  return {
    ...{ id, state },
    ...(why !== undefined && { why }),
    ...{ here: here !== undefined, paused: here?.paused ?? false, principal: settings?.principal ?? null },
    ...{ total: total ?? null, begun, settled, inFlight, counts },
    ...{ createdAt: new Date(createdAt).toISOString(), updatedAt: new Date(updatedAt).toISOString(), ranMs },
    ...(driver !== undefined && { driver }),
    ...(input && { input: { format: input.format, bytes: input.bytes, sha256: input.sha256 } }),
    ...(settings && { options: settings.options }),
    ...(settings?.retryOf && { retryOf: settings.retryOf }),
    ...(error && { error: { code: error.code, message: error.message } }),
  };
}
