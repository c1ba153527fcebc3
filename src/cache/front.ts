import { KeylaneError } from '../errors.js';
import type { Report } from '../report/report.js';
import type { CacheOptions, Parsed } from '../types.js';
import type { Clock } from '../util/clock.js';
import { packValue } from '../wire/codec.js';
import type { CacheNote, ShardCacheStats } from '../wire/protocol.js';
import { checkPatterns } from './pattern.js';
import { type CachePlan, planOf, type TtlOptions } from './plan.js';
import { type OperationStats, Ratios } from './ratios.js';
import {
  type DiskLevel,
  type DiskStats,
  type Listed,
  type ListOptions,
  type Remembered,
  SecondLevel,
} from './second-level.js';

/** What an engine remembers. */
export interface EngineCache {
  /**
   * Forgets what the patterns name (`key:<key>`, a tag, or a glob such as `vm_list:*`), in every shard and on disk. Resolves
   * when it is done everywhere here, with how many answers the shards forgot; other processes follow within a second.
   */
  invalidate(...patterns: string[]): Promise<number>;
  /** What is in memory and on disk, and counts since the engine started. */
  stats(): Promise<CacheStats>;
  /** What is remembered on disk, the last used first, at most 1,000 unless asked for otherwise. Empty where there is no disk. */
  list(which?: ListOptions): Promise<Listed[]>;
  /** Forgets everything, in every shard and on disk, for all processes. */
  clear(): Promise<void>;
}

export interface CacheStats {
  /** By shard; undefined for one that does not serve. */
  shards: (ShardCacheStats | undefined)[];
  /** How often answers were remembered, by operation: the first 100, the rest under `other`. */
  operations: Record<string, OperationStats>;
  /** What is on disk, for all processes; undefined where nothing ever was, or it cannot be read. */
  disk: DiskStats | undefined;
}

export interface FrontOptions extends TtlOptions {
  readonly pollMs: number;
  /** Which answers the report counts. */
  readonly report: 'none' | 'persisted' | 'all';
}

/** What the cache needs of its engine. */
export interface FrontHost {
  readonly shards: {
    invalidate(patterns: readonly string[]): Promise<number>;
    cacheStats(): Promise<(ShardCacheStats | undefined)[]>;
  };
  readonly clock: Clock;
  readonly disk: { exists(): boolean; open(): Promise<DiskLevel> };
  /** What is counted over runs. */
  readonly report?: Pick<Report, 'note' | 'close'>;
  wallNow(): number;
  failed(message: string): void;
}

const MOST_LISTED = 1_000;

/** A call that was answered. */
interface Answered {
  readonly note: CacheNote | undefined;
  readonly response: unknown;
  /** When it was handed over. */
  readonly submittedAt: number;
}

/** The main thread's half of the cache: how requests are remembered, the second level, and what all levels must hear. */
export class CacheFront {
  readonly #options: FrontOptions;
  readonly #host: FrontHost;
  readonly #ratios = new Ratios();
  readonly #second: SecondLevel<DiskLevel>;
  /** Digests of what is fetched behind stale answers from the disk. */
  readonly #refreshing = new Set<string>();
  /** Patterns of an invalidation that has not begun. */
  #gathered: { patterns: Set<string>; forgotten: Promise<number> } | undefined = undefined;
  /** What a program may do with it. */
  readonly face: EngineCache = Object.freeze({
    invalidate: async (...patterns: string[]) => {
      checkPatterns(patterns, 'patterns');
      return this.forget(patterns);
    },
    stats: async () => {
      const [shards, disk] = await Promise.all([
        this.#host.shards.cacheStats(),
        this.#second.ask((level) => level.stats()),
      ]);
      return { shards, operations: this.#ratios.snapshot(), disk };
    },
    list: async (which: ListOptions = {}) => {
      checkList(which);
      const limited = { limit: MOST_LISTED, ...which };
      return (await this.#second.ask((level) => Array.from(level.list(limited), shown))) ?? [];
    },
    clear: async () => {
      await this.forget(['*']);
      await this.#second.ask((level) => level.clear());
    },
  });

  constructor(options: FrontOptions, host: FrontHost) {
    this.#options = options;
    this.#host = host;
    this.#second = new SecondLevel({
      ...{ exists: () => host.disk.exists(), open: () => host.disk.open() },
      ...{ pollMs: options.pollMs, clock: host.clock, wallNow: () => host.wallNow() },
      failed: (message) => host.failed(message),
      // In the order of its port: who asks a shard from now on is not given what this forgets.
      invalidated: (patterns) => void host.shards.invalidate(patterns),
    });
  }

  /** Throws `ERR_INPUT` where the request has no fixed form. */
  plan(driver: string, parsed: Parsed, options: true | CacheOptions): CachePlan {
    return planOf(driver, parsed, options, this.#options);
  }

  /** What the disk has for a plan that persists. To be asked before anything is fetched for it. */
  async look(plan: CachePlan): Promise<Remembered | undefined> {
    const since = this.#host.clock.now();
    const looked = await this.#second.look(plan);
    if (!looked) {
      // What other processes invalidate is not heard of any more: nothing that persists is safe to give.
      plan.part = { ...plan.part, fresh: true };
      return undefined;
    }
    const { found, startSeq, old } = looked;
    plan.startSeq = startSeq;
    if (old) plan.part = { ...plan.part, etag: old.etag, old: old.bytes };
    if (found) this.#note(plan, found.status, since);
    return found;
  }

  /** What is to be fetched behind a stale answer from the disk; undefined where it is being fetched already. */
  refresh(plan: CachePlan): CachePlan | undefined {
    const { digest } = plan.part;
    if (this.#refreshing.has(digest)) return undefined;
    this.#refreshing.add(digest);
    return { ...plan, part: { ...plan.part, fresh: true } };
  }

  /** `refresh` is over. */
  refreshed({ part }: CachePlan): void {
    this.#refreshing.delete(part.digest);
  }

  /** A call by this plan is settled. `ok`: did the peer say yes? */
  heard(plan: CachePlan, { note, response, submittedAt }: Answered, ok: (response: unknown) => boolean): void {
    if (!note) return;
    this.#note(plan, note.status, submittedAt);
    // Only what was fetched for this very call is known to be no older than `startSeq`.
    if (plan.startSeq === undefined || note.status !== 'miss') return;
    if (quietly(() => ok(response))) this.#second.keep(plan, plan.startSeq, packValue(response), note);
  }

  /** Forgets what the patterns name, which were checked. Never rejects. What is asked for in one turn is one invalidation. */
  forget(patterns: readonly string[]): Promise<number> {
    this.#gathered ??= { patterns: new Set(), forgotten: Promise.resolve().then(() => this.#forgetGathered()) };
    for (const pattern of patterns) this.#gathered.patterns.add(pattern);
    return this.#gathered.forgotten;
  }

  async #forgetGathered(): Promise<number> {
    const patterns = [...(this.#gathered?.patterns ?? [])];
    this.#gathered = undefined;
    const [forgotten] = await Promise.all([this.#host.shards.invalidate(patterns), this.#second.invalidate(patterns)]);
    return forgotten;
  }

  /** Lets finish what is being kept. */
  async close(): Promise<void> {
    await Promise.all([this.#second.close(), this.#host.report?.close()]);
  }

  #note({ operation, persist }: CachePlan, status: 'hit' | 'stale' | 'miss', since: number): void {
    this.#ratios.note(operation, status);
    const { report, clock } = this.#host;
    const which = this.#options.report;
    if (report && (which === 'all' || (which === 'persisted' && persist)))
      report.note(operation, status, clock.now() - since);
  }
}

function shown({ name, key, tags, bytes, storedAt, staleAt }: Listed): Listed {
  return { name, key, tags, bytes, storedAt, staleAt };
}

function checkList({ operation, limit, ...others }: ListOptions): void {
  const says =
    Object.keys(others).length > 0
      ? `unknown option \`${Object.keys(others).join(', ')}\`: it takes operation, limit`
      : operation !== undefined && typeof operation !== 'string'
        ? '`operation` must be a string'
        : limit !== undefined && !(Number.isInteger(limit) && limit >= 1)
          ? '`limit` must be a whole number from 1'
          : undefined;
  if (says) throw new KeylaneError('ERR_INPUT', says);
}

/** A driver that cannot read its own response says nothing that is worth keeping. */
function quietly(read: () => boolean): boolean {
  try {
    return read();
  } catch {
    return false;
  }
}
