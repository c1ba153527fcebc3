import { KeylaneError } from '../../errors.js';
import type { Store } from '../../store/store.js';
import type { Outcome } from '../../types.js';
import { Item } from '../item.js';
import { lineOf } from '../line.js';
import { unsubmitted } from '../result.js';
import { readState } from './records.js';
import type { BatchLine } from './results.js';
import { marksOf } from './summary.js';

/** Of a canceled batch those that have no result, in the order of the input. Their ids are not known: they were never read. */
export function* leftOver(store: Store, wanted: (outcome: Outcome) => boolean): Generator<BatchLine> {
  const marks = marksOf(store);
  const end = readState(store)?.total ?? marks.end;
  for (let index = 0; index < end; index++) {
    const known = marks.known(index);
    if (known !== 'new' && known !== 'begun') continue;
    const error = known === 'new' ? NEVER : CUT;
    if (!wanted(error.outcome)) continue;
    const line = lineOf(unsubmitted(new Item(index, undefined, undefined), '', error));
    yield { index, outcome: error.outcome, line, commit: undefined };
  }
}

const NEVER = new KeylaneError('ERR_CANCELED', 'the batch was canceled before it', { outcome: 'not_started' });
const CUT = new KeylaneError('ERR_INTERRUPTED', 'the batch was canceled while it was in flight: it may have run');
