import { KeylaneError } from '../../errors.js';
import type { Store } from '../../store/store.js';
import type { Result } from '../../types.js';
import type { Clock } from '../../util/clock.js';
import type { Owner } from '../../util/owner.js';
import { lineOf, shortLineOf } from '../line.js';
import { ownerIn } from './claim.js';
import type { JournalCounts } from './counts.js';
import { Group } from './group.js';
import { NO_DIGEST, outcomeByte, packHeader } from './header.js';
import { headerKey, type JournalState, jsonRecord, linesKey, OUTCOMES, STATE } from './records.js';
import { LONGEST_LINE, type SideFile } from './side-file.js';

export interface CommitsOptions {
  store: Pick<Store, 'get' | 'put' | 'transaction'>;
  side: SideFile;
  clock: Clock;
  owner: Owner;
  /** Of the first commit. */
  seq: number;
  /** Where it is counted what is written. */
  counts: JournalCounts | undefined;
  /** As it is to be written with the next commit. */
  state(): JournalState;
}

/** So much is committed without waiting for more. */
const FULL_BYTES = 4_194_304;
/** A process that stood still for a minute in the midst of a commit does not wait for another one. */
const LONGEST_PAUSE_MS = 250;
/**
 * Of what the last commit took. Measured with 10,000 commands on 100 hosts: with 1 the journal takes 48 µs of CPU a command and
 * 6 % of the throughput, with 3 16 to 31 µs and 2 % at most; batches of 10 to 200 in flight that answer after 0 to 20 ms are not slower.
 */
const PAUSE = 3;

/**
 * Gathers what is told in one turn of the event loop, and what is told while the disk is busy, and commits it together.
 *
 * As long as most requests are out, more will be told soon: then a commit waits three times as long as the one before took, so
 * that on a slow disk commits are larger instead of more, and a quarter of the time at most goes into them. Where most wait for the
 * commit themselves, waiting would gain nothing (measured, 200 in flight and flushes of 5 ms: twice the requests a second).
 *
 *     idle ── something is told ──▶ waiting ── most wait for it, or it is time ──▶ due ── the turn ends ──▶ committing
 *      ▲                                                                                                    │   └─ fails ──▶ failed
 *      └────────────────────────────────────────────────────────────────────────────────────────────────────┘
 */
export class Commits {
  readonly #options: CommitsOptions;
  #seq: number;
  #group: Group | undefined;
  #spare: Buffer | undefined;
  #state: 'idle' | 'waiting' | 'due' | 'committing' | 'failed' = 'idle';
  /** Begun on the disk, and without a result. */
  #out = 0;
  #failure: unknown;
  #isClosed = false;
  #notBefore = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#seq = options.seq;
  }

  begin(index: number, digest: string | undefined): Promise<void> {
    const group = this.#open();
    if (!group) return this.#refusal();
    group.begun.push(index);
    group.digests.push(digest ?? NO_DIGEST);
    this.#plan(group);
    return group.committed.promise;
  }

  withdraw(index: number): void {
    const group = this.#open();
    if (!group) return;
    group.withdrawn.push(index);
    if (this.#out > 0) this.#out--;
    this.#plan(group);
  }

  settle(result: Result): { committed: Promise<void>; outcome: number } {
    const outcome = OUTCOMES.indexOf(result.outcome);
    const group = this.#open();
    if (!group) return { committed: this.#refusal(), outcome };
    const { openMs, runMs } = result.timing;
    const isAside = this.#add(group, result);
    group.indexes.push(result.index);
    group.micros.push((openMs + runMs) * 1000);
    group.outcomes.push(outcomeByte(result.outcome, isAside));
    if (this.#out > 0) this.#out--;
    this.#plan(group);
    return { committed: group.committed.promise, outcome };
  }

  /** Commits what was told and takes no more. Resolves with what failed, if anything did. */
  async close(): Promise<unknown> {
    this.#isClosed = true;
    await this.#running;
    if (this.#group && this.#state !== 'failed') await this.#commit();
    return this.#failure;
  }

  /** The line, or where it is, or what is short of it. */
  #add(group: Group, result: Result): boolean {
    const line = lineOf(result);
    // A character takes at most three bytes.
    const bytes = line.length * 3 < LONGEST_LINE ? undefined : Buffer.from(`${line}\n`);
    const { side } = this.#options;
    if (!bytes || bytes.length <= LONGEST_LINE) group.lengths.push(group.addLine(line));
    else if (!side.hasRoomFor(bytes.length)) group.lengths.push(group.addLine(shortLineOf(result, bytes.length)));
    else {
      const place = side.take(bytes);
      group.addBytes(place);
      group.lengths.push(place.length);
      return true;
    }
    return false;
  }

  /** Undefined where nothing is taken any more. */
  #open(): Group | undefined {
    if (this.#isClosed || this.#state === 'failed') return undefined;
    if (!this.#group) {
      this.#group = new Group(this.#spare);
      this.#spare = undefined;
    }
    return this.#group;
  }

  #refusal(): Promise<never> {
    return Promise.reject(this.#failure ?? new KeylaneError('ERR_CLOSED', 'the journal is closed'));
  }

  /** When the group is committed; asked whenever it has grown. */
  #plan(group: Group): void {
    if (this.#state !== 'idle' && this.#state !== 'waiting') return;
    const wait = this.#notBefore - this.#options.clock.now();
    if (wait < 1 || group.size >= this.#out || group.bytes > FULL_BYTES) {
      this.#state = 'due';
      setImmediate(this.#start);
    } else if (this.#state === 'idle') {
      this.#state = 'waiting';
      this.#options.clock.timer(wait, this.#start);
    }
  }

  /** Of a timer or an immediate, whichever is first: the other one finds that it is done, or begins the next one early. */
  readonly #start = () => {
    if (this.#group && (this.#state === 'due' || this.#state === 'waiting')) void this.#commit();
  };

  #commit(): Promise<void> {
    this.#running = this.#committed().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #committed(): Promise<void> {
    const group = this.#group!;
    const { clock, counts } = this.#options;
    const start = clock.now();
    this.#group = undefined;
    this.#state = 'committing';
    try {
      await this.#write(group);
    } catch (error) {
      if (counts) counts.failed++;
      this.#fail(error, group);
      return;
    }
    const end = clock.now();
    if (counts) add(counts, group, end - start);
    this.#notBefore = end + Math.min(PAUSE * (end - start), LONGEST_PAUSE_MS);
    this.#spare = group.spare;
    this.#state = 'idle';
    this.#out += group.begun.length;
    group.committed.resolve();
    if (this.#group && !this.#isClosed) this.#plan(this.#group);
  }

  async #write(group: Group): Promise<void> {
    const { store, side, owner, state } = this.#options;
    // Before anything is waited for: it says what is known with this commit, and not what is told meanwhile.
    const now = jsonRecord(state());
    const seq = this.#seq++;
    const header = packHeader(Date.now(), group);
    await side.flush();
    await store.transaction(() => {
      // Whoever took the batch from us would have found us dead; if we are not, nothing of ours may be added.
      if (ownerIn(store)?.id !== owner.id)
        throw new KeylaneError('ERR_STORE_BUSY', 'another process has taken the batch over');
      void store.put(headerKey(seq), header);
      if (group.indexes.length > 0) void store.put(linesKey(seq), group.lines);
      void store.put(STATE, now);
    });
  }

  /** After a flush that failed nothing is known of what was written, so nothing more is promised. */
  #fail(error: unknown, group: Group): void {
    this.#state = 'failed';
    this.#failure = error;
    group.committed.reject(error);
    this.#group?.committed.reject(error);
    this.#group = undefined;
  }
}

function add(counts: JournalCounts, { begun, indexes, bytes }: Group, tookMs: number): void {
  counts.commits++;
  counts.begun += begun.length;
  counts.results += indexes.length;
  counts.bytes += bytes;
  counts.lastCommitMs = tookMs;
  counts.commitMs += tookMs;
}
