import { KeylaneError } from '../errors.js';
import { dataInode, setAside } from '../store/set-aside.js';
import { openStore, type Store } from '../store/store.js';
import type { Clock } from '../util/clock.js';
import { type Deferred, deferred } from '../util/deferred.js';
import { type AnswersOptions, DiskAnswers, type DiskCacheStats, type ListOptions } from './disk-answers.js';
import type { DiskEntry, EntryInfo } from './disk-entry.js';
import { type Invalidation, InvalidationLog } from './invalidation-log.js';

/** Of what is stored. An older one is not there, a newer one neither. */
const FORMAT = 1;
export interface DiskCacheOptions extends AnswersOptions {
  /** What was there is damaged, was moved to this path, and a new cache made. */
  wasDamaged?(aside: string, error: KeylaneError): void;
  clock?: Clock;
}

interface Waiting {
  readonly entry: DiskEntry;
  readonly startSeq: number;
  readonly settled: Deferred<boolean>;
}

/**
 * Answers on disk, shared by the processes of a data directory. Reading is synchronous (0.02 ms); what is put in one turn
 * of the event loop is one transaction. Rejects and throws as a store does; whoever asks takes that for a miss.
 */
export class DiskCache {
  readonly #store: Store;
  readonly #log: InvalidationLog;
  readonly #answers: DiskAnswers;
  /** Of the data file: another one means that the cache was set aside by another process. */
  readonly #inode: number | undefined;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined = undefined;
  private constructor(store: Store, options: DiskCacheOptions) {
    this.#store = store;
    this.#answers = new DiskAnswers(store, options);
    this.#log = new InvalidationLog(store, () => options.wallNow());
    this.#inode = dataInode(store.dir);
  }

  /** A damaged cache is set aside and made anew. */
  static async open(dir: string, options: DiskCacheOptions): Promise<DiskCache> {
    const store = await openedStore(dir, options);
    try {
      const cache = new DiskCache(store, options);
      if (cache.lastSeq() === 0) await store.transaction(() => cache.#log.begin());
      return cache;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** What was put under this digest, unless its time is over, or it is from the future: a clock was set back. */
  get(digest: string): DiskEntry | undefined {
    return this.#answers.get(digest);
  }

  /**
   * Keeps an answer that was begun to be fetched when the log ended at `startSeq`. Resolves with whether it was kept: not
   * if something that names it was invalidated since, by whatever process, nor if it is too large.
   */
  put(entry: DiskEntry, startSeq: number): Promise<boolean> {
    const settled = deferred<boolean>();
    this.#waiting.push({ entry, startSeq, settled });
    this.#writing ??= this.#writeAll();
    return settled.promise;
  }

  /** Forgets what the patterns name, and tells the other processes. Resolves with its place in the log. */
  invalidate(patterns: readonly string[]): Promise<number> {
    return this.#answers.change((total) => {
      this.#answers.forget(patterns, total);
      return this.#log.append(patterns);
    });
  }

  /** What was invalidated after this place, by whatever process. */
  since(seq: number): Invalidation[] {
    if (dataInode(this.#store.dir) !== this.#inode) {
      const text = `the store ${this.#store.dir} was damaged, and set aside by another process`;
      throw new KeylaneError('ERR_STORE_CORRUPT', text);
    }
    return this.#log.since(seq);
  }

  /** Where the log ends. */
  lastSeq(): number {
    return this.#log.last();
  }

  /** Forgets everything, and tells the other processes. Resolves with how many answers that were. */
  clear(): Promise<number> {
    return this.#answers.change((total) => {
      this.#log.append(['*']);
      return this.#answers.forgetAll(total);
    });
  }

  stats(): DiskCacheStats {
    return this.#answers.stats();
  }

  /** The answers that are there, the last used first; those of one operation. */
  list(options?: ListOptions): IterableIterator<EntryInfo> {
    return this.#answers.list(options);
  }

  /** Lets finish what was put. */
  async close(): Promise<void> {
    await this.#writing;
    try {
      if (this.#answers.hasUses) await this.#answers.change(() => undefined);
    } finally {
      await this.#store.close();
    }
  }

  /** What is put in one turn is one transaction. Never rejects: those who wait are told. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        const kept = await this.#answers.change((total) =>
          waiting.map(
            ({ entry, startSeq }) => !this.#log.hasNamed(entry, startSeq) && this.#answers.keep(entry, total),
          ),
        );
        for (const [i, { settled }] of waiting.entries()) settled.resolve(kept[i] === true);
      } catch (error) {
        for (const { settled } of waiting) settled.reject(error);
      }
    }
    this.#writing = undefined;
  }
}

const MOST_TRIES = 3;

async function openedStore(dir: string, { clock, wasDamaged }: DiskCacheOptions): Promise<Store> {
  for (let tries = 1; ; tries++) {
    const before = dataInode(dir);
    try {
      return await openStore(dir, { durable: false, version: FORMAT, ...(clock && { clock }) });
    } catch (error) {
      if (!(error instanceof KeylaneError) || tries === MOST_TRIES) throw error;
      // Another process set it aside while it was looked at: that says nothing of the new one.
      if (before !== undefined && dataInode(dir) !== before) continue;
      if (error.code !== 'ERR_STORE_CORRUPT') throw error;
      const aside = setAside(dir, before);
      if (aside !== undefined) wasDamaged?.(aside, error);
    }
  }
}
