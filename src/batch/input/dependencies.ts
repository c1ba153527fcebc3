import { shown } from './job-check.js';
import type { Problem } from './problems.js';

/** A job that waits for others. */
export interface Waiting {
  line: number;
  mark: number;
  /** Its place among all jobs. */
  index: number;
  after: readonly string[];
}

export const MOST_WAITING = 10_000;

/**
 * What is wrong with who waits for whom: an id that is no job's, jobs that wait for each other. With `cascade` also those
 * that wait for a job which is wrong. `indexOf`: of the job that says it has this id.
 */
export function dependencyProblems(
  waiting: readonly Waiting[],
  indexOf: (id: string) => number | undefined,
  cascade: boolean,
): Problem[] {
  const byIndex = new Map(waiting.map((job) => [job.index, job]));
  const problems = new Map<number, Problem>();
  const add = ({ line, mark, index }: Waiting, says: string) => problems.set(index, { line, mark, says });
  for (const job of waiting) {
    const missing = job.after.find((id) => indexOf(id) === undefined);
    if (missing !== undefined) add(job, `it is to run after \`${shown(missing)}\`, which no job says is its id`);
  }
  const done = new Set<number>();
  for (const job of waiting) if (!done.has(job.index)) walk(job);
  for (let more = cascade; more; ) {
    more = false;
    for (const job of waiting) {
      const bad = problems.has(job.index) ? undefined : job.after.find((id) => problems.has(indexOf(id) as number));
      if (bad === undefined) continue;
      add(job, `it is to run after \`${shown(bad)}\`, which is put aside`);
      more = true;
    }
  }
  return [...problems.values()].sort((a, b) => a.line - b.line);

  /** Without a recursion: a chain may be 10,000 long. */
  function walk(start: Waiting): void {
    const path: { job: Waiting; next: number }[] = [{ job: start, next: 0 }];
    const on = new Set([start.index]);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const id = top.job.after[top.next++];
      if (id === undefined) {
        done.add(top.job.index);
        on.delete(top.job.index);
        path.pop();
        continue;
      }
      const index = indexOf(id);
      const other = index === undefined ? undefined : byIndex.get(index);
      if (!other || done.has(other.index)) continue;
      if (!on.has(other.index)) {
        path.push({ job: other, next: 0 });
        on.add(other.index);
        continue;
      }
      const circle = path.slice(path.findIndex(({ job }) => job === other));
      const lines = circle.map(({ job }) => job.line).sort((a, b) => a - b);
      const first = circle.find(({ job }) => job.line === lines[0])?.job as Waiting;
      add(
        first,
        circle.length === 1
          ? 'it is to run after itself'
          : `it is to run after itself, by way of ${listed(lines.slice(1))}`,
      );
    }
  }
}

function listed(lines: readonly number[]): string {
  const told = lines.slice(0, 5).join(', ');
  return `${lines.length === 1 ? 'line' : 'lines'} ${told}${lines.length > 5 ? ` and ${lines.length - 5} more` : ''}`;
}
