import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BatchState, InputIdentity, Journal, JournalAsked } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import { privateDirectory } from '../../store/directory.js';
import { DATA_FILE } from '../../store/environment.js';

import { openStore, type Store } from '../../store/store.js';
import type { Outcome, Result } from '../../types.js';
import { type Clock, systemClock } from '../../util/clock.js';
import { claim, isRun, ownerIn } from './claim.js';
import { Commits } from './commits.js';
import type { JournalCounts } from './counts.js';
import { enter } from './enter.js';
import { Header } from './header.js';
import { checkId } from './id.js';
import { Marks } from './marks.js';
import { OwnerSocket, ownerWhoAnswers } from './owner.js';
import {
  FORMAT,
  HEADERS,
  type JournalMeta,
  type JournalState,
  jsonRecord,
  OWNER,
  readState,
  STATE,
  seqOf,
} from './records.js';
import { SideFile } from './side-file.js';

export interface JournalOptions extends JournalAsked {
  clock?: Clock;
  counts?: JournalCounts;
  /** @default openStore */
  open?: (dir: string) => Promise<JournalStore>;
}

/** What a journal needs of a store. */
export type JournalStore = Pick<Store, 'get' | 'put' | 'remove' | 'range' | 'transaction' | 'close'>;

/** Of the side file, where `maxOutputTotal` is not given. */
const DEFAULT_MOST_OUTPUT = 10 * 2 ** 30;

export function openBatchStore(dir: string): Promise<Store> {
  return openStore(dir, { durable: true, version: FORMAT });
}

/**
 * Opens the journal of a batch, new or gone on with, for its one owner. Rejects with `ERR_EXISTS` (there is one of this id,
 * and it is not to be gone on with), `ERR_INPUT` (there is none, it has ended, or its input is another one now),
 * `ERR_STORE_BUSY` (another process runs it) or what a store rejects with.
 */
export async function openJournal(batchesDir: string, options: JournalOptions): Promise<BatchJournal> {
  const id = checkId(options.id);
  const dir = join(batchesDir, id);
  const { clock = systemClock, open = openBatchStore } = options;
  if (options.resume && !existsSync(join(dir, DATA_FILE)))
    throw new KeylaneError('ERR_INPUT', `there is no batch ${id} in ${batchesDir}`);
  privateDirectory(batchesDir);
  privateDirectory(dir);
  const pid = await ownerWhoAnswers(dir);
  if (pid !== undefined) throw isRun(id, pid);
  const store = await open(dir);
  let socket: OwnerSocket | undefined;
  try {
    socket = await OwnerSocket.listen(dir);
    const meta = await claim(store, dir, socket.me, id, () => enter(store, options));
    socket.owns = true;
    const side = await SideFile.open(dir, options.maxOutputTotal ?? DEFAULT_MOST_OUTPUT);
    const { counts, total } = options;
    return new BatchJournal({ dir, store, socket, side, meta, clock, total, counts });
  } catch (error) {
    await store.close().catch(() => {});
    await socket?.close();
    throw error;
  }
}

interface Parts {
  dir: string;
  store: JournalStore;
  socket: OwnerSocket;
  side: SideFile;
  meta: JournalMeta;
  clock: Clock;
  total: number | undefined;
  counts: JournalCounts | undefined;
}

/**
 * A journal that this process owns. What `begin` and `settle` promise is on the disk when they resolve; when one rejects,
 * all later ones do, and whoever opens the journal next finds what was acknowledged.
 *
 *     open ── close ──▶ closed
 *       └─ a commit fails ──▶ broken ── close ──▶ closed
 */
export class BatchJournal implements Journal {
  readonly dir: string;
  readonly meta: JournalMeta;
  readonly #parts: Parts;
  readonly #marks = new Marks();
  readonly #commits: Commits;
  readonly #openedAt: number;
  readonly #ranMs: number;
  readonly #total: number | undefined;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(parts: Parts) {
    const { store, clock, socket } = parts;
    this.#parts = parts;
    this.dir = parts.dir;
    this.meta = parts.meta;
    this.#openedAt = clock.now();
    const state = readState(store);
    this.#ranMs = state?.ranMs ?? 0;
    this.#total = parts.total ?? state?.total;
    let seq = 0;
    for (const [key, value] of store.range({ prefix: HEADERS })) {
      this.#marks.recover(new Header(value));
      seq = seqOf(key) + 1;
    }
    this.#commits = new Commits({ ...parts, seq, owner: socket.me, state: () => this.#state('running') });
  }

  get id(): string {
    return this.meta.id;
  }

  get mark(): string | undefined {
    return this.meta.mark;
  }

  get input(): InputIdentity | undefined {
    return this.meta.input;
  }

  get settled(): number {
    return this.#marks.settled;
  }

  get end(): number {
    return this.#marks.end;
  }

  get counts(): Readonly<Record<Outcome, number>> {
    return this.#marks.counts;
  }

  /** What has been told of it so far: one whose `begin` was called has begun. */
  known(index: number): 'new' | 'begun' | Outcome {
    return this.#marks.known(index);
  }

  begin(index: number, digest: string | undefined): Promise<void> {
    this.#marks.begin(index);
    return this.#commits.begin(index, digest);
  }

  withdraw(index: number): void {
    this.#marks.withdraw(index);
    this.#commits.withdraw(index);
  }

  check(index: number, digest: string): void {
    const known = this.#marks.digest(index);
    if (known === undefined || known === digest) return;
    const text = `the request at index ${index} is not the one that batch ${this.id} had there; give it the same requests, or begin another batch`;
    throw new KeylaneError('ERR_INPUT', text);
  }

  settle(result: Result): Promise<void> {
    const { index } = result;
    const known = this.#marks.known(index);
    if (known !== 'new' && known !== 'begun') throw new Error(`the request at index ${index} has a result already`);
    const { committed, outcome } = this.#commits.settle(result);
    this.#marks.settle(index, outcome);
    return committed;
  }

  get onCancel(): (() => void) | undefined {
    return this.#parts.socket.onCancel;
  }

  /** One that was asked for before is told at once. */
  set onCancel(call: (() => void) | undefined) {
    const { socket } = this.#parts;
    socket.onCancel = call;
    if (socket.wasAskedToCancel) call?.();
  }

  close(state: Exclude<BatchState, 'running'>, why?: string): Promise<void> {
    this.#closed ??= this.#close(state, why);
    return this.#closed;
  }

  async #close(state: Exclude<BatchState, 'running'>, why: string | undefined): Promise<void> {
    const { store, side, socket } = this.#parts;
    let isWritten = false;
    try {
      const failed = await this.#commits.close();
      const last = failed === undefined ? this.#state(state, why) : undefined;
      const letGo = store.transaction(() => {
        if (ownerIn(store)?.id !== socket.me.id) return;
        const broken = { ...readState(store), state: 'interrupted', why: reasonOf(failed) };
        void store.put(STATE, jsonRecord(last ?? broken));
        void store.remove(OWNER);
      });
      // That the disk is full has been told.
      if (failed === undefined) await letGo;
      else await letGo.catch(() => {});
      isWritten = ownerIn(store)?.id !== socket.me.id;
    } finally {
      await side.close();
      await store.close().catch(() => {});
      // Last: who waits for the batch to be let go of waits for this.
      await socket.close(isWritten);
    }
  }

  #state(state: BatchState, why?: string): JournalState {
    const { counts, begun, settled } = this.#marks;
    const { clock } = this.#parts;
    const total = state === 'done' ? settled : this.#total;
    return {
      state,
      ...(why !== undefined && { why }),
      ...(total !== undefined && { total }),
      begun,
      counts,
      updatedAt: Date.now(),
      ranMs: Math.round(this.#ranMs + clock.now() - this.#openedAt),
    };
  }
}

function reasonOf(failed: unknown): string {
  return failed instanceof Error ? failed.message : String(failed);
}
