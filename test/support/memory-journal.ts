import type { BatchState, Journal } from '../../src/batch-types.ts';
import { KeylaneError } from '../../src/errors.ts';
import type { Outcome, Result } from '../../src/types.ts';
import { type Deferred, deferred } from '../../src/util/deferred.ts';

/** What of a batch is on the disk: it outlives whoever wrote it. */
export class JournalDisk {
  readonly begun = new Map<number, string | undefined>();
  /** In the order in which they were written. */
  readonly results: Result[] = [];
  readonly outcomes = new Map<number, Outcome>();
  state: BatchState = 'running';
  why: string | undefined = undefined;
}

/** A journal in memory. A commit happens when the test says so, or at the end of each turn. */
export class MemoryJournal implements Journal {
  readonly id = 'b';
  readonly mark = 'b';
  readonly disk: JournalDisk;
  onCancel: (() => void) | undefined = undefined;
  /** True: only `commit` commits. */
  isHeld = false;
  /** What every commit from now on rejects with. */
  trouble: Error | undefined = undefined;
  closed = 0;
  /** Its process is dead: what is left of it here writes no more. */
  isDead = false;
  readonly #known: { begun: Map<number, string | undefined>; outcomes: Map<number, Outcome> };
  readonly #counts: Record<Outcome, number> = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  #turn: { steps: (() => void)[]; done: Deferred<void> } | undefined = undefined;

  constructor(disk: JournalDisk) {
    this.disk = disk;
    this.#known = { begun: new Map(disk.begun), outcomes: new Map(disk.outcomes) };
    for (const outcome of disk.outcomes.values()) this.#counts[outcome]++;
    disk.state = 'running';
  }

  get settled(): number {
    return this.disk.outcomes.size;
  }

  get end(): number {
    return Math.max(0, ...[...this.#known.begun.keys(), ...this.#known.outcomes.keys()].map((index) => index + 1));
  }

  get counts(): Record<Outcome, number> {
    return { ...this.#counts };
  }

  known(index: number): 'new' | 'begun' | Outcome {
    return this.#known.outcomes.get(index) ?? (this.#known.begun.has(index) ? 'begun' : 'new');
  }

  check(index: number, digest: string): void {
    const before = this.#known.begun.get(index);
    if (before !== undefined && before !== digest)
      throw new KeylaneError('ERR_INPUT', `request ${index} is another one`);
  }

  begin(index: number, digest: string | undefined): Promise<void> {
    return this.#write(() => {
      if (this.disk.begun.has(index)) throw new Error(`${index} has begun twice`);
      this.disk.begun.set(index, digest);
    });
  }

  withdraw(index: number): void {
    this.#known.begun.delete(index);
    void this.#write(() => this.disk.begun.delete(index)).catch(() => {});
  }

  settle(result: Result): Promise<void> {
    return this.#write(() => {
      if (this.disk.outcomes.has(result.index)) throw new Error(`${result.index} is settled twice`);
      this.disk.outcomes.set(result.index, result.outcome);
      this.disk.results.push(result);
    });
  }

  async close(state: Exclude<BatchState, 'running'>, why?: string): Promise<void> {
    this.closed++;
    this.commit();
    if (this.trouble) throw this.trouble;
    if (this.isDead) return;
    this.disk.state = state;
    this.disk.why = why;
  }

  get hasPending(): boolean {
    return this.#turn !== undefined;
  }

  commit(): void {
    const turn = this.#turn;
    if (!turn || this.isDead) return;
    this.#turn = undefined;
    if (this.trouble) {
      turn.done.reject(this.trouble);
      return;
    }
    for (const step of turn.steps) step();
    turn.done.resolve();
  }

  #write(step: () => void): Promise<void> {
    if (!this.#turn) {
      this.#turn = { steps: [], done: deferred() };
      if (!this.isHeld) setImmediate(() => this.commit());
    }
    this.#turn.steps.push(step);
    return this.#turn.done.promise;
  }
}
