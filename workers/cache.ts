import { LRUCache } from 'lru-cache';
import { matchesAny, type Named } from '../src/cache/pattern.js';
import { ttlOf } from '../src/cache/ttl.js';
import type { CachePart } from '../src/wire/protocol.js';

/** An answer that a shard remembers. */
export interface Entry extends Named {
  /** A copy that nobody else has: each caller gets one of his own, over the wall. */
  readonly value: unknown;
  /** That it takes, packed. */
  readonly bytes: number;
  readonly etag: string | undefined;
  /** When it came, in milliseconds of the shard's clock. */
  readonly storedAt: number;
  /** Which of the shard's fetches brought it. */
  readonly fetch: number;
  readonly ttlMs: number;
  /** How long its peer says that it holds. */
  readonly saidMs?: number | undefined;
  /** The peer said no. */
  readonly negative: boolean;
}

export interface Found {
  entry: Entry;
  status: 'hit' | 'stale';
  ageMs: number;
}

const DEFAULT_BYTES = 10 * 1024 * 1024;
/** What an entry takes beside its bytes and its texts, an answer of a few fields: measured, where half were evicted again. */
const OVERHEAD_BYTES = 1_000;

/** What a shard remembers of its keys' answers, within so many bytes; past them the longest unused goes. */
export class ShardCache {
  evictions = 0;
  readonly #maxBytes: number;
  /** Made at first use: most shards never remember anything. */
  #entries: LRUCache<string, Entry> | undefined = undefined;

  constructor(maxBytes = DEFAULT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  get size(): { entries: number; bytes: number } {
    return { entries: this.#entries?.size ?? 0, bytes: this.#entries?.calculatedSize ?? 0 };
  }

  /**
   * What may be given for this, at this time. It is as old as the caller allows and as whoever had it fetched did. One that
   * lacks a tag of the caller's does not count: an invalidation by that tag may have passed it by.
   */
  find(part: CachePart, now: number): Found | undefined {
    const entry = this.#entries?.get(part.digest);
    if (!entry || !covers(entry.tags, part.tags)) return undefined;
    const ageMs = now - entry.storedAt;
    const ttlMs = Math.min(entry.ttlMs, entry.negative ? part.negativeMs : ttlOf(part, entry.saidMs));
    if (ageMs < ttlMs) return { entry, status: 'hit', ageMs };
    if (!entry.negative && ageMs < ttlMs + part.staleMs) return { entry, status: 'stale', ageMs };
    return undefined;
  }

  /** What is there, of whatever age. */
  peek(digest: string): Entry | undefined {
    return this.#entries?.peek(digest);
  }

  /** An answer that was fetched earlier than the one that is there does not replace it. */
  put(digest: string, entry: Entry): void {
    const there = this.peek(digest);
    if (there && there.fetch > entry.fetch) return;
    this.#entries ??= this.#open();
    const { key, name, tags } = entry;
    this.#entries.set(own(digest), { ...entry, key: own(key), name: own(name), tags: tags.map(own) });
  }

  /** Forgets what the patterns name; how many that was. */
  invalidate(patterns: readonly string[]): number {
    let forgotten = 0;
    for (const [digest, entry] of this.#entries?.entries() ?? []) {
      if (!matchesAny(patterns, entry)) continue;
      this.#entries?.delete(digest);
      forgotten++;
    }
    return forgotten;
  }

  #open(): LRUCache<string, Entry> {
    return new LRUCache<string, Entry>({
      maxSize: this.#maxBytes,
      sizeCalculation: sizeOf,
      dispose: (_entry, _digest, reason) => {
        if (reason === 'evict') this.evictions++;
      },
    });
  }
}

/**
 * The text, copied: one that came in a frame is a slice of the frame's, and keeps all of that from being collected. With
 * answers of 10 KB that was 2.2 KB for each.
 */
function own(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

/** Are all of these tags among those? */
export function covers(tags: readonly string[], wanted: readonly string[]): boolean {
  return wanted.length === 0 || wanted.every((tag) => tags.includes(tag));
}

function sizeOf({ bytes, key, name, tags }: Entry): number {
  let size = OVERHEAD_BYTES + bytes + key.length + name.length;
  for (const tag of tags) size += tag.length + 16;
  return size;
}
