import type { BatchLine } from '../../batch-types.js';
import type { Outcome } from '../../types.js';
import type { ReadCommit, Reader } from './reader.js';

/** So many bytes of lines are held while they are put in order. */
const WINDOW_BYTES = 16_777_216;

/** Which results. */
export interface Wanted {
  /** The first commit of theirs. */
  first: number;
  /** So many are passed over: their lines are not read. */
  skip: number;
  outcome(outcome: Outcome): boolean;
}

/** In the order they were settled. */
export function* asSettled(reader: Reader, wanted: Wanted): Generator<BatchLine> {
  let { skip } = wanted;
  for (const commit of reader.commits(wanted.first))
    for (let i = 0; i < commit.count; i++)
      if (wanted.outcome(commit.outcome(i)) && skip-- <= 0) yield lineIn(commit, i);
}

/**
 * In the order of the input. Where each result is takes 12 bytes; the lines themselves are read for some megabytes of the
 * input at a time, each commit once for each of these: as a rule a commit's results lie close together.
 */
export function* inOrder(reader: Reader, wanted: Wanted): Generator<BatchLine> {
  const places = new Places();
  for (const commit of reader.commits(wanted.first))
    for (let i = 0; i < commit.count; i++) if (wanted.outcome(commit.outcome(i))) places.add(commit, i);
  for (const { from, to } of places.windows(wanted.skip)) {
    const found = new Map<number, BatchLine>();
    for (const seq of places.commitsOf(from, to)) {
      const commit = reader.commit(seq);
      if (!commit) continue;
      for (let i = 0; i < commit.count; i++) {
        const index = commit.index(i);
        if (index >= from && index < to && places.isOf(index, seq) && wanted.outcome(commit.outcome(i)))
          found.set(index, lineIn(commit, i));
      }
    }
    for (let index = from; index < to; index++) {
      const line = found.get(index);
      if (line) yield line;
    }
  }
}

export async function* chained<T>(one: Iterable<T>, other: AsyncIterable<T>): AsyncGenerator<T> {
  yield* one;
  yield* other;
}

/** Both are in the order of the input. */
export async function* merged(one: Iterable<BatchLine>, other: AsyncIterable<BatchLine>): AsyncGenerator<BatchLine> {
  const lines = one[Symbol.iterator]();
  let next = lines.next();
  for await (const line of other) {
    for (; !next.done && next.value.index < line.index; next = lines.next()) yield next.value;
    yield line;
  }
  for (; !next.done; next = lines.next()) yield next.value;
}

/** So many lines are read in one turn of the event loop: nothing of it waits for a disk, and others want their turn. */
export const A_TURN = 1_000;

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function* inTurns(
  lines: Iterable<BatchLine> | AsyncIterable<BatchLine>,
  skip = 0,
): AsyncGenerator<BatchLine> {
  let count = 0;
  for await (const line of lines) {
    if (count++ >= skip) yield line;
    if (count % A_TURN === 0) await nextTurn();
  }
}

function lineIn(commit: ReadCommit, i: number): BatchLine {
  return { index: commit.index(i), outcome: commit.outcome(i), line: commit.line(i), commit: commit.seq };
}

/** By index, the commit that has its result, and how long its line is. */
class Places {
  /** The commit and one; 0 where there is none. */
  #commits = new Uint32Array(1_024);
  #bytes = new Uint32Array(1_024);
  #end = 0;

  add(commit: ReadCommit, i: number): void {
    const index = commit.index(i);
    if (index >= this.#commits.length) this.#grow(index);
    this.#commits[index] = commit.seq + 1;
    this.#bytes[index] = commit.header.length(i);
    this.#end = Math.max(this.#end, index + 1);
  }

  isOf(index: number, seq: number): boolean {
    return this.#commits[index] === seq + 1;
  }

  /** Without the first `skip` of those that there are. */
  *windows(skip: number): Generator<{ from: number; to: number }> {
    let first = 0;
    for (let left = skip; left > 0 && first < this.#end; first++) if (this.#commits[first]! > 0) left--;
    for (let from = first; from < this.#end; ) {
      let to = from;
      for (let bytes = 0; to < this.#end && bytes < WINDOW_BYTES; to++) bytes += this.#bytes[to]!;
      yield { from, to };
      from = to;
    }
  }

  /** In the order they were written. */
  commitsOf(from: number, to: number): Uint32Array {
    const found = new Set<number>();
    for (let index = from; index < to; index++) {
      const commit = this.#commits[index]!;
      if (commit > 0) found.add(commit - 1);
    }
    return Uint32Array.from(found).sort();
  }

  #grow(index: number): void {
    const length = Math.max(index + 1, this.#commits.length * 2);
    const commits = new Uint32Array(length);
    const bytes = new Uint32Array(length);
    commits.set(this.#commits);
    bytes.set(this.#bytes);
    this.#commits = commits;
    this.#bytes = bytes;
  }
}
