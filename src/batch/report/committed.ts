import type { Outcome } from '../../types.js';

/** Results that were written together, as the report reads them: what the header says is free, a line is not. */
export interface Committed {
  /** When they were written, by the wall clock. */
  readonly at: number;
  readonly count: number;
  index(i: number): number;
  outcome(i: number): Outcome;
  /** Milliseconds that the request took, from its start on. */
  ms(i: number): number;
  /** The result as one line of JSON, without a line end. The lines are read with the first that is asked for. */
  line(i: number): string;
}
