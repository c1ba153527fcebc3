import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type BatchJournal, type JournalOptions, openJournal } from '../../src/batch/journal/journal.ts';
import { KeylaneError } from '../../src/errors.ts';
import type { Outcome, Result } from '../../src/types.ts';

/** Opens a journal of a data directory, and closes it with the test. */
export async function journalIn(dataDir: string, options: Partial<JournalOptions> = {}): Promise<BatchJournal> {
  const asked = { id: 'b1', resume: false, input: undefined, total: undefined, driver: 'echo', settings: undefined };
  const journal = await openJournal(join(dataDir, 'batches'), { ...asked, maxOutputTotal: undefined, ...options });
  onTestFinished(() => journal.close('interrupted').catch(() => {}));
  return journal;
}

/** A result as a batch has it. */
export function resultOf(index: number, outcome: Outcome = 'ok', payload: unknown = index): Result {
  const answered = outcome === 'ok' || outcome === 'failed';
  const code = outcome === 'canceled' ? 'ERR_CANCELED' : outcome === 'unknown' ? 'ERR_CONNECTION_LOST' : 'ERR_CONNECT';
  return {
    index,
    id: `id-${index}`,
    request: { key: 'k' },
    key: `k${index % 7}`,
    outcome,
    ...(answered ? { response: { payload } } : { error: new KeylaneError(code, undefined, { outcome }) }),
    attempts: 1,
    shard: 0,
    reused: true,
    cache: 'none',
    timing: { queuedMs: 0.0004, openMs: 0, runMs: 1.5 },
    history: [],
  };
}
