/** The part of a store that accounts use, in memory: what one test writes another never sees. */
export class MemoryStore {
  readonly values = new Map<string, Uint8Array>();
  transactions = 0;

  get(key: string): Uint8Array | undefined {
    return this.values.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.values.set(key, value);
  }

  remove(key: string): void {
    this.values.delete(key);
  }

  *range({
    prefix,
    limit = Number.POSITIVE_INFINITY,
  }: {
    prefix: string;
    limit?: number;
  }): Iterable<[string, Uint8Array]> {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(prefix)).sort();
    for (const key of keys.slice(0, limit)) yield [key, this.values.get(key) as Uint8Array];
  }

  async transaction<T>(work: () => T): Promise<T> {
    this.transactions++;
    return work();
  }
}
