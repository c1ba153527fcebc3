import { KeylaneError } from '../errors.js';
import type { Clock, Timer } from '../util/clock.js';
import { unpackValue } from '../wire/codec.js';
import type { CacheNote } from '../wire/protocol.js';
import type { DiskEntry } from './disk-entry.js';
import type { CachePlan } from './plan.js';
import { ttlOf } from './ttl.js';

/** An answer that is remembered on disk. Times are of the wall clock, in milliseconds. */
export interface Listed {
  /** `<operation>:<the first 8 hex digits of its digest>` */
  name: string;
  key: string;
  tags: readonly string[];
  /** Of the answer. */
  bytes: number;
  storedAt: number;
  /** Until then it is fresh. */
  staleAt: number;
}

export interface ListOptions {
  /** Only its answers. @default all */
  operation?: string;
  /** @default 1_000 */
  limit?: number;
}

/** What is remembered on disk: answers, and bytes that they take. */
export interface DiskStats {
  entries: number;
  bytes: number;
}

/** What is remembered on disk, as the second level needs it. */
export interface DiskLevel {
  get(digest: string): DiskEntry | undefined;
  /** Keeps an answer, unless something that names it was invalidated after `startSeq`. */
  put(entry: DiskEntry, startSeq: number): Promise<unknown>;
  /** Forgets what the patterns name, and tells the other processes; resolves with its place in the log, when it is done. */
  invalidate(patterns: readonly string[]): Promise<number>;
  /** What was invalidated after this place, by whomever, and where the log ends now. */
  since(seq: number): Iterable<{ seq: number; patterns: readonly string[] }>;
  /** Where the log ends. */
  lastSeq(): number;
  stats(): DiskStats;
  /** Without their responses, the last used first. */
  list(which: ListOptions): Iterable<Listed>;
  /** Forgets everything, and gives its space back. */
  clear(): Promise<unknown>;
  close(): Promise<void>;
}

export interface SecondLevelOptions<Disk extends DiskLevel> {
  /** Are there answers on disk at all? */
  exists(): boolean;
  open(): Promise<Disk>;
  pollMs: number;
  clock: Clock;
  /** The wall clock: between processes there is no other. */
  wallNow(): number;
  /** Something failed, told once: from then on nothing is found on disk and nothing kept there. */
  failed(message: string): void;
  /** Other processes have invalidated this. */
  invalidated(patterns: readonly string[]): void;
}

/** An answer that was found on disk. */
export interface Remembered {
  readonly status: 'hit' | 'stale';
  readonly ageMs: number;
  readonly response: unknown;
}

/** Where the log ended when a fill began, and an older answer that its validator may prove to hold still. */
export interface Looked {
  readonly found: Remembered | undefined;
  readonly startSeq: number;
  readonly old: { etag: string; bytes: Uint8Array } | undefined;
}

/** What the peer says of its answer. */
type Said = Pick<CacheNote, 'etag' | 'saidMs'>;

/** An older answer that is larger is fetched again rather than carried to its shard. */
const MOST_CARRIED_BYTES = 256 * 1024;
/** How long an answer with a validator is kept past its time. */
const REVALIDATE_MS = 24 * 3_600_000;

/**
 * Answers on disk: for other processes, and for later ones. Opened at first use. Whatever fails here is a miss, and told
 * once: no request may fail for what was only to spare it.
 */
export class SecondLevel<Disk extends DiskLevel> {
  readonly #options: SecondLevelOptions<Disk>;
  #disk: Promise<Disk | undefined> | undefined = undefined;
  /** Open; its invalidations up to `#seen` are known here. */
  #open: Disk | undefined = undefined;
  #seen = 0;
  /** Places in the log of what was invalidated here. */
  readonly #own = new Set<number>();
  readonly #pending = new Set<Promise<unknown>>();
  #poll: Timer | undefined = undefined;
  #hasFailed = false;
  #closed: Promise<void> | undefined = undefined;

  constructor(options: SecondLevelOptions<Disk>) {
    this.#options = options;
  }

  /** What is there for this plan; undefined where nothing can be kept either. */
  async look(plan: CachePlan): Promise<Looked | undefined> {
    const disk = await this.disk();
    if (!disk || this.#hasFailed) return undefined;
    try {
      // What other processes have invalidated is invalid here from now on, in the shards too.
      this.#catchUp(disk);
      const startSeq = disk.lastSeq();
      const entry = plan.part.fresh ? undefined : disk.get(plan.part.digest);
      const found = entry && this.#usable(entry, plan);
      const { etag, response } = entry ?? {};
      const old = !found && etag !== undefined && response && response.length <= MOST_CARRIED_BYTES;
      return { found, startSeq, old: old ? { etag, bytes: response } : undefined };
    } catch (error) {
      this.#fail('read', error);
      return undefined;
    }
  }

  /** Keeps an answer that was fetched after `startSeq`. Never rejects; `close` waits for it. */
  keep({ key, part }: CachePlan, startSeq: number, response: Uint8Array, { etag, saidMs }: Said): void {
    const disk = this.#open;
    const ttlMs = ttlOf(part, saidMs);
    if (!disk || this.#hasFailed || ttlMs === 0) return;
    const { digest, name, tags, staleMs } = part;
    const storedAt = this.#options.wallNow();
    const staleAt = storedAt + ttlMs;
    const deadAt = staleAt + (etag === undefined ? staleMs : Math.max(staleMs, REVALIDATE_MS));
    const entry = { digest, key, name, tags, response, etag, saidMs, storedAt, staleAt, deadAt };
    const put = async () => {
      try {
        await disk.put(entry, startSeq);
      } catch (error) {
        this.#fail('write', error);
      }
    };
    const putting = put().finally(() => this.#pending.delete(putting));
    this.#pending.add(putting);
  }

  /** Resolves when it is done on disk, or failed, which is told. Where no process ever kept an answer there is nothing to do. */
  async invalidate(patterns: readonly string[]): Promise<void> {
    if (!this.#disk && !this.#options.exists()) return;
    const disk = await this.disk();
    if (!disk) return;
    try {
      // Also after a failure: other processes may still read what this one cannot write.
      const seq = await disk.invalidate(patterns);
      if (seq > this.#seen) this.#own.add(seq);
    } catch (error) {
      this.#fail('invalidate', error);
    }
  }

  /** What the disk says, where there is one; undefined where there is none, or it fails. */
  async ask<T>(question: (disk: Disk) => T): Promise<Awaited<T> | undefined> {
    if (!this.#disk && !this.#options.exists()) return undefined;
    const disk = await this.disk();
    if (!disk || this.#hasFailed) return undefined;
    try {
      return await question(disk);
    } catch (error) {
      this.#fail('read', error);
      return undefined;
    }
  }

  /** The disk, opened; undefined where it cannot be, or is closed. */
  disk(): Promise<Disk | undefined> {
    if (this.#closed) return NOTHING;
    this.#disk ??= this.#opened();
    return this.#disk;
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    this.#poll?.cancel();
    const disk = await this.#disk;
    await Promise.all(this.#pending);
    try {
      await disk?.close();
    } catch (error) {
      this.#fail('close', error);
    }
  }

  async #opened(): Promise<Disk | undefined> {
    try {
      const disk = await this.#options.open();
      this.#seen = disk.lastSeq();
      this.#open = disk;
      this.#arm(disk);
      return disk;
    } catch (error) {
      this.#fail('open', error);
      return undefined;
    }
  }

  #usable(entry: DiskEntry, { part }: CachePlan): Remembered | undefined {
    const ageMs = this.#options.wallNow() - entry.storedAt;
    // From the future: a clock was set back, and nobody knows how old it is. One without the caller's tags may have been
    // passed by when they were invalidated.
    if (ageMs < 0 || !part.tags.every((tag) => entry.tags.includes(tag))) return undefined;
    const ttlMs = Math.min(entry.staleAt - entry.storedAt, ttlOf(part, entry.saidMs));
    if (ageMs >= ttlMs + part.staleMs) return undefined;
    return { status: ageMs < ttlMs ? 'hit' : 'stale', ageMs, response: unpackValue(entry.response) };
  }

  #arm(disk: Disk): void {
    if (this.#closed) return;
    this.#poll = this.#options.clock.timer(this.#options.pollMs, () => {
      if (this.#hasFailed) return;
      try {
        this.#catchUp(disk);
      } catch (error) {
        this.#fail('read', error);
      }
      this.#arm(disk);
    });
  }

  #catchUp(disk: Disk): void {
    for (const { seq, patterns } of disk.since(this.#seen)) {
      if (!this.#own.delete(seq)) this.#options.invalidated(patterns);
      this.#seen = seq;
    }
  }

  #fail(what: string, error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const code = error instanceof KeylaneError ? `${error.code}: ` : '';
    const says = error instanceof Error ? error.message : String(error);
    this.#options.failed(`cannot ${what} what is remembered on disk, and goes on without: ${code}${says}`);
  }
}

const NOTHING = Promise.resolve(undefined);
