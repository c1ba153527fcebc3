import { existsSync, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchLine, BatchSummary } from '../batch-types.js';
import { KeylaneError } from '../errors.js';
import { dataPath } from '../store/data-dir.js';
import { DATA_FILE } from '../store/environment.js';

import type { Store } from '../store/store.js';
import type { Outcome } from '../types.js';
import { claim, ownerIn, whenUnowned } from './journal/claim.js';
import { checkId, isId } from './journal/id.js';
import { openBatchStore } from './journal/journal.js';
import { leftOver } from './journal/left-over.js';
import { anyoneListens, askToCancel, OwnerSocket } from './journal/owner.js';
import { Reader } from './journal/reader.js';
import { jsonRecord, OWNER, readState, STATE } from './journal/records.js';
import { A_TURN, asSettled, chained, inOrder, inTurns, merged, nextTurn } from './journal/results.js';
import { type BatchSelection, selectionOf } from './journal/selection.js';
import { marksOf, summaryOf } from './journal/summary.js';
import { type BatchReport, ReportBuilder } from './report/report.js';

export interface BatchesOptions {
  /** Where the batches are kept. @default `keylane` in XDG_DATA_HOME, or in ~/.local/share */
  dataDir?: string | undefined;
}

export interface ResultsOptions {
  /** In the order of the input, instead of the order in which they were settled. @default false */
  ordered?: boolean;
  /** Only what came after this commit: the `commit` of a line that was read before. */
  after?: number | undefined;
  /** Only these. @default all */
  outcomes?: readonly Outcome[] | undefined;
  /** So many are passed over: whoever has them need not wait for them. @default 0 */
  skip?: number | undefined;
}

/** The batches of a data directory, without an engine: nothing is started for them, and each is opened while it is asked. */
export function openBatches(options: BatchesOptions = {}): Batches {
  return new Batches(join(dataPath(options.dataDir), 'batches'));
}

export class Batches {
  readonly #dir: string;
  /** By id: what is being done with it here, but for what reads its results. */
  readonly #working = new Map<string, Set<Promise<unknown>>>();
  /** Nobody opens them any more. */
  readonly #removing = new Set<string>();

  /** @internal */
  constructor(batchesDir: string) {
    this.#dir = batchesDir;
  }

  /** Where the batch of this id is kept, or would be. */
  directory(id: string): string {
    return join(this.#dir, checkId(id));
  }

  /** Whether there is one of this id. */
  has(id: string): boolean {
    return existsSync(join(this.directory(id), DATA_FILE));
  }

  /** The newest first. One that cannot be read has an `error`. `known`: those that it gives are not opened. */
  async list({ known }: { known?: (id: string) => BatchSummary | undefined } = {}): Promise<BatchSummary[]> {
    const found: BatchSummary[] = [];
    for (const id of this.#ids()) {
      const summary =
        known?.(id) ??
        (await this.#with(id, (store) => summaryOf(store, id)).catch((error: unknown) =>
          error instanceof KeylaneError ? unread(id, error) : Promise.reject(error),
        ));
      if (summary) found.push(summary);
    }
    return found.sort((one, other) => other.createdAt - one.createdAt || (one.id < other.id ? -1 : 1));
  }

  /** Rejects with `ERR_INPUT` where there is none of this id, as the others do. */
  show(id: string): Promise<BatchSummary> {
    return this.#with(id, (store) => this.#summary(store, id));
  }

  /** Its figures: the rate, the slowest keys, the reasons why requests are not `ok`. */
  report(id: string): Promise<BatchReport> {
    return this.#with(id, async (store) => {
      const { state, why, total, begun, createdAt, updatedAt, ranMs, counts, settled } = await this.#summary(store, id);
      const report = new ReportBuilder();
      const reader = new Reader(store);
      try {
        let count = 0;
        for (const commit of reader.commits()) {
          report.add(commit);
          count += commit.count;
          if (count < A_TURN) continue;
          count = 0;
          await nextTurn();
        }
      } finally {
        reader.close();
      }
      const facts = { id, state, begun, createdAt, updatedAt, ranMs };
      const told = report.report(
        { ...facts, ...(why !== undefined && { why }), ...(total !== undefined && { total }) },
        Date.now(),
      );
      // Of what never had a result it is known how it ended.
      return state === 'canceled' ? { ...told, outcomes: counts, settled, inFlight: 0, pending: 0 } : told;
    });
  }

  /** The results that are there now. Of a canceled batch those that never had one come last, or in their places. */
  async *results(id: string, options: ResultsOptions = {}): AsyncGenerator<BatchLine, void, undefined> {
    const { ordered = false, after, outcomes, skip = 0 } = options;
    const first = after === undefined ? 0 : after + 1;
    const outcome = (one: Outcome) => outcomes?.includes(one) ?? true;
    const store = await this.#open(id);
    const reader = new Reader(store);
    try {
      const left = readState(store)?.state === 'canceled' ? leftOver(store, outcome) : undefined;
      // Those that are left over are passed over with the others.
      const wanted = { first, outcome, skip: left ? 0 : skip };
      const found = ordered ? inOrder(reader, wanted) : asSettled(reader, wanted);
      if (!left) yield* inTurns(found);
      else yield* inTurns(ordered ? merged(found, left) : chained(found, left), skip);
    } finally {
      reader.close();
      await store.close();
    }
  }

  /**
   * Ends the batch for good: what has not begun never will. The process that runs it is asked to, and this resolves when it
   * has let go. One that has ended already stays as it is.
   */
  cancel(id: string): Promise<BatchSummary> {
    return this.#with(id, async (store) => {
      const dir = join(this.#dir, id);
      for (;;) {
        await this.#summary(store, id);
        const owner = ownerIn(store);
        if (owner && (await askToCancel(dir, owner))) {
          if (ownerIn(store)?.id !== owner.id) break;
          // It died over it.
          continue;
        }
        await whenUnowned(store, dir, id, () => {
          const state = readState(store);
          if (!state || !(state.state === 'running' || state.state === 'interrupted')) return;
          const { why: _, ...rest } = state;
          void store.put(STATE, jsonRecord({ ...rest, state: 'canceled', updatedAt: Date.now() }));
          void store.remove(OWNER);
        });
        break;
      }
      return this.#summary(store, id);
    });
  }

  /** Removes the batch and all that is kept of it. Rejects with `ERR_STORE_BUSY` while a process runs it. */
  async remove(id: string): Promise<void> {
    if (this.#removing.has(id)) throw this.#unknown(id);
    this.#removing.add(id);
    try {
      // LMDB ends the process where a store that it writes to is removed and made anew.
      await Promise.allSettled(this.#working.get(id) ?? []);
      await this.#remove(id);
    } finally {
      this.#removing.delete(id);
    }
  }

  async #remove(id: string): Promise<void> {
    const dir = this.directory(id);
    // Without a journal, too: a process that was killed while it copied stdin leaves that.
    if (!existsSync(dir)) throw this.#unknown(id);
    const gone = join(this.#dir, `${REMOVED}${id}-${process.pid}`);
    const socket = await OwnerSocket.listen(dir);
    try {
      const store = await openBatchStore(dir).catch(async (error: unknown) => {
        // A damaged one is removed like any other, unless somebody is there.
        if (!isCorrupt(error) || (await anyoneListens(dir, socket.me))) throw error;
        return undefined;
      });
      if (store)
        try {
          await claim(store, dir, socket.me, id, () => {});
        } finally {
          await store.close();
        }
      await rename(dir, gone);
    } finally {
      await socket.close();
    }
    // And what a crash left of others.
    for (const name of readdirSync(this.#dir))
      if (name.startsWith(REMOVED)) await rm(join(this.#dir, name), { recursive: true, force: true });
  }

  /**
   * Which requests ended so, for a batch of these alone. Rejects with `ERR_STORE_BUSY` while it runs, `ERR_INPUT` where it
   * is to be gone on with: both would run what is left.
   */
  select(id: string, outcomes: readonly Outcome[]): Promise<BatchSelection> {
    return this.#with(id, async (store) => {
      const { state, total } = await this.#summary(store, id);
      if (state === 'running') throw new KeylaneError('ERR_STORE_BUSY', `the batch ${id} runs; wait for its end`);
      if (state === 'interrupted') {
        const text = `the batch ${id} has not ended: go on with it by \`keylane batch resume ${id}\`, or end it by \`keylane batch cancel ${id}\``;
        throw new KeylaneError('ERR_INPUT', text);
      }
      return selectionOf(marksOf(store), total, outcomes);
    });
  }

  async #summary(store: Store, id: string): Promise<BatchSummary> {
    const summary = await summaryOf(store, id);
    if (!summary) throw this.#unknown(id);
    return summary;
  }

  async #with<T>(id: string, work: (store: Store) => Promise<T>): Promise<T> {
    const dir = this.#dirOf(id);
    const working = this.#worksIn(dir, work);
    const others = this.#working.get(id) ?? new Set();
    this.#working.set(id, others.add(working));
    try {
      return await working;
    } finally {
      others.delete(working);
      if (others.size === 0) this.#working.delete(id);
    }
  }

  async #worksIn<T>(dir: string, work: (store: Store) => Promise<T>): Promise<T> {
    const store = await openBatchStore(dir);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async #open(id: string): Promise<Store> {
    return openBatchStore(this.#dirOf(id));
  }

  /** Throws where there is none: opening one would make it. */
  #dirOf(id: string): string {
    const dir = this.directory(id);
    if (this.#removing.has(id) || !this.has(id)) throw this.#unknown(id);
    return dir;
  }

  #unknown(id: string): KeylaneError {
    return new KeylaneError('ERR_INPUT', `there is no batch ${id}: \`keylane batch list\` has them`);
  }

  #ids(): string[] {
    if (!existsSync(this.#dir)) return [];
    return readdirSync(this.#dir).filter(
      (name) => isId(name) && !this.#removing.has(name) && existsSync(join(this.#dir, name, DATA_FILE)),
    );
  }
}

/** No id begins so. */
const REMOVED = '.removed-';

function isCorrupt(error: unknown): boolean {
  return error instanceof KeylaneError && error.code === 'ERR_STORE_CORRUPT';
}

function unread(id: string, error: KeylaneError): BatchSummary {
  const counts = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  const never = { begun: 0, settled: 0, inFlight: 0, counts, createdAt: 0, updatedAt: 0, ranMs: 0 };
  return { id, state: 'interrupted', ...never, error };
}
