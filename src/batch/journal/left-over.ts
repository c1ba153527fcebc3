import type { BatchLine, IndexedJob } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import type { Store } from '../../store/store.js';
import type { Outcome } from '../../types.js';
import { reopenJobs } from '../input/open.js';
import { Item } from '../item.js';
import { lineOf } from '../line.js';
import { unsubmitted } from '../result.js';
import { readMeta, readState } from './records.js';
import { marksOf } from './summary.js';

/**
 * Of a canceled batch those that have no result, in the order of the input. Their names are in the input alone; where that
 * cannot be read any more, their places must do.
 */
export async function* leftOver(store: Store, wanted: (outcome: Outcome) => boolean): AsyncGenerator<BatchLine> {
  const marks = marksOf(store);
  const end = readState(store)?.total ?? marks.end;
  const errorOf = (index: number) => {
    const known = index < end ? marks.known(index) : 'ok';
    if (known === 'new') return NEVER;
    return known === 'begun' ? CUT : undefined;
  };
  const isLeft = (index: number) => wanted(errorOf(index)?.outcome ?? 'ok') && errorOf(index) !== undefined;
  for await (const job of (await jobsOf(store, isLeft)) ?? placesOf(end, isLeft)) {
    const { outcome } = errorOf(job.index)!;
    yield { index: job.index, outcome, line: lineIn(job, errorOf(job.index)!), commit: undefined };
  }
}

const NEVER = new KeylaneError('ERR_CANCELED', 'the batch was canceled before it', { outcome: 'not_started' });
const CUT = new KeylaneError('ERR_INTERRUPTED', 'the batch was canceled while it was in flight: it may have run');

function lineIn(job: IndexedJob, error: KeylaneError): string {
  return lineOf(unsubmitted(new Item(job.index, job.request, job), '', error));
}

async function jobsOf(store: Store, isLeft: (index: number) => boolean) {
  const { input } = readMeta(store) ?? {};
  if (!input) return undefined;
  try {
    return (await reopenJobs(input, { dir: store.dir })).read(isLeft);
  } catch (error) {
    if (error instanceof KeylaneError) return undefined;
    throw error;
  }
}

function* placesOf(end: number, isLeft: (index: number) => boolean): Generator<IndexedJob> {
  for (let index = 0; index < end; index++) if (isLeft(index)) yield { index, request: undefined };
}
