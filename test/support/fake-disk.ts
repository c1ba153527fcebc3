import type { DiskEntry } from '../../src/cache/disk-entry.ts';
import { matchesAny } from '../../src/cache/pattern.ts';
import type { DiskLevel, Listed, ListOptions } from '../../src/cache/second-level.ts';

/** Answers "on disk", shared by all that open it, as processes share a directory. A test can let any step of it fail. */
export class FakeDisk implements DiskLevel {
  readonly entries = new Map<string, DiskEntry>();
  readonly log: (readonly string[])[] = [];
  opened = 0;
  /** Answers that were found. */
  found = 0;
  closed = 0;
  /** Steps that throw. */
  readonly failing = new Set<'open' | 'get' | 'put' | 'invalidate' | 'since' | 'close'>();

  exists(): boolean {
    return this.opened > 0;
  }

  async open(): Promise<this> {
    this.opened++;
    this.#check('open');
    return this;
  }

  get(digest: string): DiskEntry | undefined {
    this.#check('get');
    const entry = this.entries.get(digest);
    if (entry) this.found++;
    return entry;
  }

  async put(entry: DiskEntry, startSeq: number): Promise<void> {
    await undefined;
    this.#check('put');
    if (!this.log.slice(startSeq).some((patterns) => matchesAny(patterns, entry)))
      this.entries.set(entry.digest, entry);
  }

  async invalidate(patterns: readonly string[]): Promise<number> {
    await undefined;
    this.#check('invalidate');
    for (const [digest, entry] of this.entries) if (matchesAny(patterns, entry)) this.entries.delete(digest);
    return this.log.push(patterns);
  }

  since(seq: number) {
    this.#check('since');
    return this.log.slice(seq).map((patterns, i) => ({ seq: seq + i + 1, patterns }));
  }

  lastSeq(): number {
    return this.log.length;
  }

  stats() {
    return { entries: this.entries.size, bytes: 0 };
  }

  list({ operation, limit }: ListOptions): Listed[] {
    const listed = [...this.entries.values()].filter(({ name }) => !operation || name.startsWith(`${operation}:`));
    return listed.slice(0, limit).map(({ digest: _, response, ...entry }) => ({ ...entry, bytes: response.length }));
  }

  async clear(): Promise<void> {
    this.entries.clear();
  }

  async close(): Promise<void> {
    this.closed++;
    this.#check('close');
  }

  #check(step: 'open' | 'get' | 'put' | 'invalidate' | 'since' | 'close'): void {
    if (this.failing.has(step)) throw new Error(`${step}: no space left on device`);
  }
}
