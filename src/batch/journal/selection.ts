import type { Outcome } from '../../types.js';
import type { Marks } from './marks.js';

/** Requests of a batch that ended in some way. */
export interface BatchSelection {
  count: number;
  has(index: number): boolean;
}

/** Of a batch that has ended: what was cut off is `unknown`, what never began `not_started`. */
export function selectionOf(marks: Marks, total: number | undefined, outcomes: readonly Outcome[]): BatchSelection {
  const wanted = new Set(outcomes);
  const end = total ?? marks.end;
  const has = (index: number) =>
    Number.isInteger(index) && index >= 0 && index < end && wanted.has(endOf(marks, index));
  let count = 0;
  for (let index = 0; index < end; index++) if (has(index)) count++;
  return { count, has };
}

/** How a request of a batch that has ended did end. */
function endOf(marks: Marks, index: number): Outcome {
  const known = marks.known(index);
  if (known === 'new') return 'not_started';
  return known === 'begun' ? 'unknown' : known;
}
