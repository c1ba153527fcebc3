import type { CacheStats, Listed, ListOptions } from '../index.js';
import type { ServiceLink } from './link.js';
import { listIn } from './lists.js';

/** What a service remembers of answers, as `engine.cache` is for an engine. */
export class ServiceCache {
  readonly #link: ServiceLink;

  /** @internal */
  constructor(link: ServiceLink) {
    this.#link = link;
  }

  async stats(): Promise<CacheStats> {
    return (await this.#link.read('/v1/cache')) as CacheStats;
  }

  /** What is on disk of keys that this token may see. */
  async list({ operation, limit }: ListOptions = {}): Promise<Listed[]> {
    const query = new URLSearchParams();
    if (operation !== undefined) query.set('operation', operation);
    if (limit !== undefined) query.set('limit', String(limit));
    return listIn<Listed>(await this.#link.read(`/v1/cache/entries?${query}`), 'entries');
  }

  /** Forgets what these patterns name, everywhere. Resolves with how many answers that were. */
  async invalidate(...patterns: string[]): Promise<number> {
    const query = new URLSearchParams();
    for (const pattern of patterns) query.append('pattern', pattern);
    const answer = await this.#link.change('DELETE', `/v1/cache?${query}`);
    return (answer as { forgotten: number }).forgotten;
  }
}
