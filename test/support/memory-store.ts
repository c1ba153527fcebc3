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

  *range({ prefix }: { prefix: string }): Iterable<[string, Uint8Array]> {
    for (const key of [...this.values.keys()].sort())
      if (key.startsWith(prefix)) yield [key, this.values.get(key) as Uint8Array];
  }

  async transaction<T>(work: () => T): Promise<T> {
    this.transactions++;
    return work();
  }
}
