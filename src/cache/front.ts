import type { CacheOptions, Parsed } from '../types.js';
import type { CacheNote, ShardCacheStats } from '../wire/protocol.js';
import { checkPatterns } from './pattern.js';
import { type CachePlan, planOf, type TtlOptions } from './plan.js';
import { type OperationStats, Ratios } from './ratios.js';

/** What an engine remembers. */
export interface EngineCache {
  /**
   * Forgets what the patterns name (`key:<key>`, a tag, or a glob such as `vm_list:*`), in every shard and on disk. Resolves
   * when it is done everywhere here, with how many answers were forgotten; other processes follow within a second.
   */
  invalidate(...patterns: string[]): Promise<number>;
  /** Counts since the engine started. */
  stats(): Promise<CacheStats>;
}

export interface CacheStats {
  /** By shard; undefined for one that does not serve. */
  shards: (ShardCacheStats | undefined)[];
  /** How often answers were remembered, by operation: the first 100, the rest under `other`. */
  operations: Record<string, OperationStats>;
}

/** The shards, as far as the cache needs them. */
export interface CacheShards {
  invalidate(patterns: readonly string[]): Promise<number>;
  cacheStats(): Promise<(ShardCacheStats | undefined)[]>;
}

/** A call that was answered. */
interface Answered {
  readonly note: CacheNote | undefined;
}

/** The main thread's half of the cache: how requests are remembered, and what all levels must hear. */
export class CacheFront {
  readonly #options: TtlOptions;
  readonly #shards: CacheShards;
  readonly #ratios = new Ratios();
  /** What a program may do with it. */
  readonly face: EngineCache = Object.freeze({
    invalidate: async (...patterns: string[]) => {
      checkPatterns(patterns, 'patterns');
      return this.forget(patterns);
    },
    stats: async () => ({ shards: await this.#shards.cacheStats(), operations: this.#ratios.snapshot() }),
  });

  constructor(options: TtlOptions, shards: CacheShards) {
    this.#options = options;
    this.#shards = shards;
  }

  /** Throws `ERR_INPUT` where the request has no fixed form. */
  plan(driver: string, parsed: Parsed, options: true | CacheOptions): CachePlan {
    return planOf(driver, parsed, options, this.#options);
  }

  /** A call by this plan is settled. */
  heard({ operation }: CachePlan, { note }: Answered): void {
    if (note) this.#ratios.note(operation, note.status);
  }

  /** Forgets what the patterns name, which were checked. Never rejects. */
  forget(patterns: readonly string[]): Promise<number> {
    return this.#shards.invalidate(patterns);
  }
}
