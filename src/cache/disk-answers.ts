import type { Store } from '../store/store.js';
import {
  bodyKey,
  type DiskEntry,
  digestIn,
  type EntryInfo,
  type Meta,
  metaKey,
  placeOf,
  TOTAL,
  termKeys,
  USED,
  USED_END,
  usedKey,
} from './disk-entry.js';
import { matchesAny } from './pattern.js';

/** Evicted down to this part of the bound, so that it is not for each answer anew. */
const EVICTED_TO = 0.97;
/** An answer that would take more of the bound is not kept: it would put out too many others. */
const LARGEST_PART = 0.25;
/** An answer's use is noted once in this time: a hit writes nothing by itself. */
const USE_GRAIN_MS = 60_000;
const MOST_TOUCHED = 1_000;
/** Answers that each change looks at for whether their time is over. */
const SWEPT_AT_ONCE = 16;

export interface AnswersOptions {
  /** Bytes of all answers together. The file takes more, and does not shrink: LMDB uses freed space again. */
  bytes: number;
  /** Milliseconds of the wall clock, the only one that processes share. */
  wallNow(): number;
}

export interface DiskCacheStats {
  entries: number;
  bytes: number;
  /** By this process, since it opened it. */
  evicted: number;
}

export interface ListOptions {
  /** Only its answers. @default all */
  operation?: string;
  /** @default none */
  limit?: number;
}

interface Total {
  entries: number;
  bytes: number;
}

/**
 * The answers of a cache as records of its store: found by digest, by what names them, and in the order of their last use.
 * Whatever changes them does so within `change`, which keeps the count and the bound.
 */
export class DiskAnswers {
  readonly #store: Store;
  readonly #options: AnswersOptions;
  /** Digests of answers whose use is to be noted with the next change. */
  readonly #touched = new Set<string>();
  /** Up to where answers were looked at for whether their time is over. */
  #sweptTo: Buffer = Buffer.from(USED);
  #evicted = 0;

  constructor(store: Store, options: AnswersOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** What was put under this digest, unless its time is over, or it is from the future: a clock was set back. */
  get(digest: string): DiskEntry | undefined {
    const id = Buffer.from(digest, 'hex');
    const meta = this.#meta(id);
    const now = this.#options.wallNow();
    if (!meta || meta.deadAt <= now || meta.storedAt > now) return undefined;
    const response = this.#store.get(bodyKey(id));
    if (!response) return undefined;
    if (now - meta.usedAt > USE_GRAIN_MS && this.#touched.size < MOST_TOUCHED) this.#touched.add(digest);
    const { key, name, tags, etag, saidMs, storedAt, staleAt, deadAt } = meta;
    return { digest, key, name, tags, etag, saidMs, storedAt, staleAt, deadAt, response };
  }

  stats(): DiskCacheStats {
    return { ...this.#total(), evicted: this.#evicted };
  }

  /** The answers that are there, the last used first; those of one operation. */
  *list({ operation, limit = Number.POSITIVE_INFINITY }: ListOptions = {}): IterableIterator<EntryInfo> {
    let left = limit;
    for (const [used] of this.#store.range({ prefix: USED, reverse: true })) {
      if (left <= 0) return;
      const id = digestIn(used);
      const meta = this.#meta(id);
      if (!meta || (operation !== undefined && !meta.name.startsWith(`${operation}:`))) continue;
      left--;
      const { usedAt: _, ...info } = meta;
      yield { digest: id.toString('hex'), ...info };
    }
  }

  /** One transaction, which also notes uses, drops what is dead, and keeps the bound. */
  change<T>(work: (total: Total) => T): Promise<T> {
    return this.#store.transaction(() => {
      const total = this.#total();
      const result = work(total);
      this.#noteUses();
      this.#sweep(total);
      this.#evict(total);
      const value = Buffer.alloc(16);
      value.writeDoubleLE(total.entries, 0);
      value.writeDoubleLE(total.bytes, 8);
      void this.#store.put(TOTAL, value);
      return result;
    });
  }

  /** Within a change. */
  forget(patterns: readonly string[], total: Total): void {
    const ids = new Map<string, Buffer>();
    for (const pattern of patterns) {
      for (const [key] of this.#store.range({ prefix: placeOf(pattern) })) {
        const id = digestIn(key);
        ids.set(id.toString('latin1'), id);
      }
    }
    for (const id of ids.values()) {
      const meta = this.#meta(id);
      if (meta && matchesAny(patterns, meta)) this.#remove(id, meta, total);
    }
  }

  /** Within a change. Returns how many there were. */
  forgetAll(total: Total): number {
    const ids = [...this.#store.range({ prefix: USED })].map(([key]) => digestIn(key));
    for (const id of ids) this.#remove(id, this.#meta(id), total);
    return ids.length;
  }

  /** What is to be noted with the next change. */
  get hasUses(): boolean {
    return this.#touched.size > 0;
  }

  /** Within a change. Not where it is too large. */
  keep(entry: DiskEntry, total: Total): boolean {
    const { digest, response, key, name, tags, etag, saidMs, storedAt, staleAt, deadAt } = entry;
    const id = Buffer.from(digest, 'hex');
    const named = { key, name, tags, ...(etag !== undefined && { etag }), ...(saidMs !== undefined && { saidMs }) };
    const bytes = response.length + JSON.stringify(named).length;
    if (bytes > this.#options.bytes * LARGEST_PART) return false;
    const old = this.#meta(id);
    if (old) this.#remove(id, old, total);
    const meta: Meta = { ...named, storedAt, staleAt, deadAt, bytes, usedAt: this.#options.wallNow() };
    this.#putMeta(id, meta);
    void this.#store.put(bodyKey(id), response);
    for (const term of termKeys(entry, id)) void this.#store.put(term, NOTHING);
    total.entries++;
    total.bytes += bytes;
    return true;
  }

  #remove(id: Buffer, meta: Meta | undefined, total: Total): void {
    void this.#store.remove(metaKey(id));
    void this.#store.remove(bodyKey(id));
    if (!meta) return;
    void this.#store.remove(usedKey(meta.usedAt, id));
    for (const term of termKeys(meta, id)) void this.#store.remove(term);
    total.entries--;
    total.bytes -= meta.bytes;
  }

  #noteUses(): void {
    const usedAt = this.#options.wallNow();
    for (const digest of this.#touched) {
      const id = Buffer.from(digest, 'hex');
      const meta = this.#meta(id);
      if (!meta) continue;
      void this.#store.remove(usedKey(meta.usedAt, id));
      this.#putMeta(id, { ...meta, usedAt });
    }
    this.#touched.clear();
  }

  #putMeta(id: Buffer, meta: Meta): void {
    const dies = Buffer.alloc(8);
    dies.writeDoubleLE(meta.deadAt);
    void this.#store.put(usedKey(meta.usedAt, id), dies);
    void this.#store.put(metaKey(id), Buffer.from(JSON.stringify(meta)));
  }

  /** A few more of all, in turn: so what is asked for no more goes as well. */
  #sweep(total: Total): void {
    const now = this.#options.wallNow();
    const looked = [...this.#store.range({ start: this.#sweptTo, end: USED_END, limit: SWEPT_AT_ONCE })];
    this.#sweptTo = looked.length < SWEPT_AT_ONCE ? Buffer.from(USED) : looked.at(-1)![0];
    for (const [key, dies] of looked) if (dies.readDoubleLE() <= now) this.#drop(key, total);
  }

  #evict(total: Total): void {
    if (total.bytes <= this.#options.bytes) return;
    while (total.bytes > this.#options.bytes * EVICTED_TO) {
      const [oldest] = this.#store.range({ prefix: USED, limit: 1 });
      if (!oldest) return;
      this.#drop(oldest[0], total);
      this.#evicted++;
    }
  }

  /** By its place in the order of use, which goes in any case. */
  #drop(used: Buffer, total: Total): void {
    const id = digestIn(used);
    this.#remove(id, this.#meta(id), total);
    void this.#store.remove(used);
  }

  #meta(id: Buffer): Meta | undefined {
    const value = this.#store.get(metaKey(id));
    return value && (JSON.parse(value.toString()) as Meta);
  }

  #total(): Total {
    const value = this.#store.get(TOTAL);
    return value?.length === 16
      ? { entries: value.readDoubleLE(0), bytes: value.readDoubleLE(8) }
      : { entries: 0, bytes: 0 };
  }
}

const NOTHING = new Uint8Array(0);
