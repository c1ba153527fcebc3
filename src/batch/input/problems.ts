import { KeylaneError } from '../../errors.js';
import { grouped } from '../../util/grouped.js';

/** A record that is no job. */
export interface Problem {
  line: number;
  /** What tells the record from all others: see `marks`. */
  mark: number;
  says: string;
}

const MOST_TOLD = 20;
/** More of them are no slips: it is another kind of file. */
export const MOST_SKIPPED = 100_000;

/** What is wrong with a file, record by record. Bounded: every line of a million may be bad. */
export class Problems {
  readonly #name: string;
  #told: Problem[] = [];
  readonly #marks: number[] = [];
  count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add(problem: Problem): void {
    this.count++;
    if (this.#marks.length < MOST_SKIPPED) this.#marks.push(problem.mark);
    const last = this.#told.at(-1);
    if (last && problem.line < last.line) {
      this.#told = [...this.#told, problem].sort((a, b) => a.line - b.line).slice(0, MOST_TOLD);
    } else if (this.#told.length < MOST_TOLD) this.#told.push(problem);
  }

  /** The first of them, as `FILE:LINE: what is wrong`. */
  lines(): string[] {
    return this.#told.map(({ line, says }) => `${this.#name}:${line}: ${says}`);
  }

  get marks(): readonly number[] {
    return this.#marks;
  }

  /** Throws `ERR_INPUT` where they are too many to be skipped. */
  checkCount(): void {
    if (this.count > MOST_SKIPPED) throw this.error(`more than ${grouped(MOST_SKIPPED)} bad lines are not put aside`);
  }

  error(why?: string): KeylaneError {
    const lines = this.lines();
    const rest = this.count - lines.length;
    if (rest > 0) lines.push(`and ${grouped(rest)} more bad ${rest === 1 ? 'line' : 'lines'}`);
    if (why !== undefined) lines.push(why);
    const errors = this.#told.map(({ line, says }) => ({ line, detail: says }));
    return new KeylaneError('ERR_INPUT', lines.join('\n'), { errors });
  }
}
