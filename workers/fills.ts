import { matchesAny } from '../src/cache/pattern.js';
import { ttlOf } from '../src/cache/ttl.js';
import { KeylaneError } from '../src/errors.js';
import { unpackValue } from '../src/wire/codec.js';
import type { CachePart, RunCommand, ShardCacheStats } from '../src/wire/protocol.js';
import { covers, type Entry, type Found, ShardCache } from './cache.js';
import { type Answer, Caller, Fill, type FillEvents, type FillHost } from './fill.js';
import type { Run } from './run.js';

/** What a refresh may take, for which nobody waits. */
const REFRESH_MS = 60_000;

/** What the cache of a shard needs of it. */
export interface FillsHost extends FillHost {
  /** A caller waits from now on, until it is `answered`. */
  entered(caller: Caller): void;
  /** Gets a run on its way. */
  begin(run: Run): void;
  /** A caller was answered out of memory; it never waited. */
  served(command: RunCommand): void;
  /** A fill is over. */
  filled(): void;
}

type CachedCommand = RunCommand & { cache: CachePart };

/** The cache of a shard: what it remembers, and one fill at a time for what it does not. */
export class Fills implements FillEvents {
  readonly #host: FillsHost;
  readonly #cache: ShardCache;
  /** Those that can be joined, by digest. */
  readonly #open = new Map<string, Fill>();
  /** Those whose run is not over. */
  readonly #all = new Set<Fill>();
  readonly #counts = { hits: 0, misses: 0, stale: 0, revalidated: 0, joined: 0 };
  #last = 0;

  constructor(host: FillsHost, bytes: number | undefined) {
    this.#host = host;
    this.#cache = new ShardCache(bytes);
  }

  get size(): number {
    return this.#all.size;
  }

  get runs(): Iterable<Run> {
    return Array.from(this.#all, ({ run }) => run);
  }

  get stats(): ShardCacheStats {
    return { ...this.#cache.size, ...this.#counts, filling: this.#all.size, evictions: this.#cache.evictions };
  }

  /** Answers a request from memory, or has it wait for the answer. */
  run(command: CachedCommand): void {
    const { cache: part } = command;
    const now = this.#host.now();
    const found = part.fresh ? undefined : this.#cache.find(part, now);
    if (found && now < command.deadline) {
      this.#give(command, found);
      if (found.status === 'stale' && !this.#open.has(part.digest)) this.#fill(command, now + REFRESH_MS);
      return;
    }
    const caller = new Caller(command, now, (reply) => this.#host.reply(reply));
    this.#host.entered(caller);
    if (now >= command.deadline) {
      // Its caller has given up, and must not find that it ran.
      caller.refuse({ queuedUs: 0, openUs: 0, runUs: 0, reused: false }, new KeylaneError('ERR_TIMEOUT'));
      this.#host.answered(caller);
      return;
    }
    const open = part.fresh ? undefined : this.#open.get(part.digest);
    if (open && covers(open.tags, part.tags)) {
      this.#counts.hits++;
      this.#counts.joined++;
      open.join(caller);
    } else {
      this.#counts.misses++;
      this.#fill(command, Number.POSITIVE_INFINITY, caller);
    }
  }

  /** Forgets what the patterns name. What is being fetched of it is given to those who wait, and not remembered. */
  invalidate(patterns: readonly string[]): number {
    for (const fill of this.#all) {
      const { key, tags, part } = fill;
      if (!matchesAny(patterns, { key, tags, name: part.name })) continue;
      fill.outdated = true;
      this.closed(fill);
    }
    return this.#cache.invalidate(patterns);
  }

  /** Is something of the key being fetched? */
  isFilling(key: string): boolean {
    for (const fill of this.#all) if (fill.key === key) return true;
    return false;
  }

  /** Ends what nobody waits for. */
  stop(error: KeylaneError): void {
    for (const fill of [...this.#all]) if (!fill.isWanted) fill.run.abort(error);
  }

  closed(fill: Fill): void {
    const { digest } = fill.part;
    if (this.#open.get(digest) === fill) this.#open.delete(digest);
  }

  fetched(fill: Fill, { value, bytes, etag, saidMs, ok, revalidated }: Answer): void {
    if (revalidated) this.#counts.revalidated++;
    const { key, tags, number, part } = fill;
    const ttlMs = ok ? ttlOf(part, saidMs) : part.negativeMs;
    if (fill.outdated || ttlMs === 0 || saidMs === 0) return;
    const entry: Entry = {
      ...{ key, tags, value, bytes, etag, ttlMs, saidMs },
      name: part.name,
      storedAt: this.#host.now(),
      fetch: number,
      negative: !ok,
    };
    this.#cache.put(part.digest, entry);
  }

  ended(fill: Fill): void {
    this.#all.delete(fill);
    this.#host.filled();
  }

  #give(command: CachedCommand, { entry, status, ageMs }: Found): void {
    this.#counts[status === 'hit' ? 'hits' : 'stale']++;
    const { slot, id } = command;
    const cache = { status, ageMs: Math.round(ageMs), etag: entry.etag, saidMs: entry.saidMs };
    const timing = { queuedUs: 0, openUs: 0, runUs: 0, reused: false };
    this.#host.reply({ kind: 'response', slot, id, ...timing, response: entry.value, cache });
    this.#host.served(command);
  }

  #fill(command: CachedCommand, dueAt: number, caller?: Caller): void {
    const { cache: part } = command;
    const there = this.#cache.peek(part.digest);
    const number = ++this.#last;
    // Whoever asked for it under other tags is not to miss it, and is to lose it with theirs.
    const tags = [...new Set([...part.tags, ...(there?.tags ?? []), ...(this.#open.get(part.digest)?.tags ?? [])])];
    const old = part.fresh ? undefined : oldOf(part, there);
    const fill = new Fill(command, { number, tags, old, dueAt }, this.#host, this);
    this.#all.add(fill);
    this.#open.set(part.digest, fill);
    if (caller) fill.join(caller);
    else this.#host.watch(dueAt);
    this.#host.begin(fill.run);
  }
}

/** An older answer with a validator. */
function oldOf({ etag, old }: CachePart, there: Entry | undefined): Fill['old'] {
  if (there?.etag !== undefined) return there;
  return etag !== undefined && old !== undefined ? { value: unpackValue(old), bytes: old.length, etag } : undefined;
}
