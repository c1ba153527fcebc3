import type { Job } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import { grouped } from '../../util/grouped.js';
import { dependencyProblems, MOST_WAITING, type Waiting } from './dependencies.js';
import { IdTable } from './ids.js';
import type { InputFile } from './input-file.js';
import { type JobRules, jobProblem, shown } from './job-check.js';
import { MOST_SKIPPED, Problems } from './problems.js';

/** What is known of a file when all of it was looked at. */
export interface Checked {
  /** Jobs that are good. */
  total: number;
  /** Ids that other jobs wait for, and the indexes of their jobs. */
  named: ReadonlyMap<string, number>;
  /** True where a job waits for another. */
  after: boolean;
  /** What was wrong, where bad ones are skipped. */
  problems: Problems;
  /** Marks of the records that are skipped, ascending. */
  skipped: readonly number[];
}

/**
 * Looks at every record. Rejects with `ERR_INPUT` where one is bad, unless bad ones are skipped: what is left is good then,
 * and has the places (its indexes, and the ids of those that name none) that it has without them. `known`: marks of those
 * that were skipped before.
 */
export async function checkAll(
  file: InputFile,
  rules: JobRules,
  skipBad: boolean,
  known: readonly number[] = [],
): Promise<Checked> {
  const skipped = new Set<number>(known);
  let problems = new Problems(file.as.name);
  for (;;) {
    const pass = new Pass(file, rules, skipped, problems);
    const end = await pass.run(skipBad);
    if (end === 'again') {
      // Two ids have the same hash: with another seed they have not.
      problems = new Problems(file.as.name);
      skipped.clear();
      for (const mark of known) skipped.add(mark);
      continue;
    }
    if (problems.count > 0 && !skipBad) throw problems.error();
    for (const mark of problems.marks) skipped.add(mark);
    // Jobs that had a place are left out: those behind them have another one now.
    if (end === 'moved') continue;
    const { total, named, after } = pass;
    if (total > 0) return { total, named, after, problems, skipped: [...skipped].sort((a, b) => a - b) };
    if (problems.count > 0) throw problems.error('no job is left');
    throw new KeylaneError('ERR_INPUT', `${file.as.name}: holds no jobs`);
  }
}

/** One look at all records but those that are known to be bad. */
class Pass {
  total = 0;
  named: ReadonlyMap<string, number> = new Map();
  after = false;
  readonly #file: InputFile;
  readonly #rules: JobRules;
  readonly #skipped: ReadonlySet<number>;
  readonly #problems: Problems;
  /** None as long as no job names an id. */
  #ids: IdTable | undefined = undefined;
  readonly #waiting: Waiting[] = [];
  /** By mark: ids that it must have, for those that were refused because it has. */
  readonly #holds = new Map<number, string>();
  #alike = false;

  constructor(file: InputFile, rules: JobRules, skipped: ReadonlySet<number>, problems: Problems) {
    this.#file = file;
    this.#rules = rules;
    this.#skipped = skipped;
    this.#problems = problems;
  }

  /** `again` its ids must be looked at with another seed · `moved` jobs that have a place are bad. */
  async run(skipBad: boolean): Promise<'done' | 'again' | 'moved'> {
    for await (const { block, decoder, first, markOf } of this.#file.pieces()) {
      const picked: number[] = [];
      for (let at = first; at < block.records.count; at++) if (!this.#skipped.has(markOf(at))) picked.push(at);
      decoder.begin(block, picked);
      for (let at = 0; at < picked.length; at++) {
        const record = picked[at] as number;
        const line = block.records.lines[record] as number;
        const says = this.#add(decoder.job(at), line, markOf(record));
        if (says !== undefined) this.#problems.add({ line, mark: markOf(record), says });
      }
      if (skipBad) this.#problems.checkCount();
    }
    return this.#checkIds(skipBad);
  }

  /** What is wrong with the job; where nothing is, it has its place. */
  #add(job: Job | string, line: number, mark: number): string | undefined {
    if (typeof job === 'string') return job;
    const problem = jobProblem(job, this.#rules) ?? this.#idProblem(job.id, mark);
    if (problem !== undefined) return problem;
    if (job.after && job.after.length > 0) {
      if (this.#waiting.length === MOST_WAITING)
        throw new KeylaneError(
          'ERR_INPUT',
          `${this.#file.as.name}:${line}: more than ${grouped(MOST_WAITING)} jobs have \`after\``,
        );
      this.#waiting.push({ line, mark, index: this.total, after: job.after });
    }
    this.total++;
    return undefined;
  }

  #idProblem(id: string | undefined, mark: number): string | undefined {
    if (!this.#ids) {
      if (id === undefined) return undefined;
      this.#ids = new IdTable();
      for (let index = 0; index < this.total; index++) this.#ids.add(String(index), unnamed(index));
    }
    const text = id ?? String(this.total);
    const place = this.#ids.add(text, id === undefined ? unnamed(this.total) : mark);
    if (place === undefined) return undefined;
    const other = this.#ids.markOf(place);
    const name = `the id \`${shown(text)}\``;
    if (other < 0) {
      if (text !== String(place)) this.#alike = true;
      return `${name} is the place of a job that names no id; let all jobs name one`;
    }
    if (this.#holds.size < MOST_SKIPPED) {
      if ((this.#holds.get(other) ?? text) !== text) this.#alike = true;
      this.#holds.set(other, text);
    }
    const where = `${this.#file.as.format === 'json' ? 'job' : 'line'} ${other}`;
    return id === undefined
      ? `it names no id, and its place, ${name}, is taken by ${where}`
      : `${name} is taken by ${where}`;
  }

  /** Those that are known by their hashes are looked at themselves. */
  async #checkIds(skipBad: boolean): Promise<'done' | 'again' | 'moved'> {
    const ids = this.#ids;
    if (this.#alike) return 'again';
    const places = new Map<string, number>();
    for (const id of this.#waiting.flatMap(({ after }) => after)) {
      const place = ids?.placeOf(id);
      if (place === undefined || places.has(id)) continue;
      const mark = ids!.markOf(place);
      // The place of a job is no name for it: in another version of the file it is another job's.
      if (mark < 0) continue;
      places.set(id, place);
      if ((this.#holds.get(mark) ?? id) !== id) return 'again';
      this.#holds.set(mark, id);
    }
    this.#ids = undefined;
    if (this.#holds.size === 0 && this.#waiting.length === 0) return 'done';
    for (const [mark, id] of await idsAt(this.#file, this.#holds)) if (this.#holds.get(mark) !== id) return 'again';
    const late = dependencyProblems(this.#waiting, (id) => places.get(id), skipBad);
    for (const problem of late) this.#problems.add(problem);
    this.named = places;
    this.after = this.#waiting.length > 0;
    return late.length > 0 ? 'moved' : 'done';
  }
}

/** The ids that records have, by their marks, for those that are asked for; undefined where one names none. */
async function idsAt(
  file: InputFile,
  wanted: { has(mark: number): boolean },
): Promise<Map<number, string | undefined>> {
  const ids = new Map<number, string | undefined>();
  for await (const { block, decoder, first, markOf } of file.pieces()) {
    const picked: number[] = [];
    for (let at = first; at < block.records.count; at++) if (wanted.has(markOf(at))) picked.push(at);
    decoder.begin(block, picked);
    picked.forEach((record, at) => {
      const job = decoder.job(at);
      ids.set(markOf(record), typeof job === 'string' ? undefined : job.id);
    });
  }
  return ids;
}

/** The mark of an id that no record names. */
function unnamed(index: number): number {
  return -1 - index;
}
