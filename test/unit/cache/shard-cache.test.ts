import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { packValue, unpackValue } from '../../../src/wire/codec.ts';
import { type Entry, ShardCache } from '../../../workers/cache.ts';

const MiB = 1024 * 1024;

function entry(packed: Uint8Array, more: Partial<Entry> = {}): Entry {
  return {
    ...{
      key: 'web-1',
      name: 'list:00000000',
      tags: [],
      value: unpackValue(packed),
      bytes: packed.length,
      etag: undefined,
    },
    ...{ storedAt: 0, fetch: 1, ttlMs: 1_000, negative: false, ...more },
  };
}

function digest(i: number): string {
  return i.toString(16).padStart(64, '0');
}

/** Bytes of the heap and of buffers that are in use. */
function used(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function fill(cache: ShardCache): void {
  for (let i = 0; i < 10_000; i++) {
    const bytes = packValue({ stdout: 'x'.repeat(10_000 + (i % 100)) });
    cache.put(digest(i), entry(bytes, { key: `web-${i}`, name: `list:${digest(i).slice(-8)}`, tags: [`vm-${i}`] }));
  }
}

test('C26: 10,000 answers of 10 kB take what the bound says, within 5 %, and the longest unused go', () => {
  const bound = 50 * MiB;
  // Once before, so that what the code and its encoder take themselves is not counted.
  fill(new ShardCache(bound));
  const before = used();
  const cache = new ShardCache(bound);
  fill(cache);
  const taken = used() - before;
  const { entries, bytes } = cache.size;
  console.log(`${entries} answers: ${bytes} bytes counted, ${taken} measured, of ${bound}`);
  expect(bytes).toBeLessThanOrEqual(bound);
  expect(bytes).toBeGreaterThan(bound * 0.95);
  expect(taken).toBeLessThan(bound * 1.05);
  expect(taken).toBeGreaterThan(bound * 0.9);
  expect(cache.evictions).toBe(10_000 - entries);
  expect([cache.peek(digest(9_999)) === undefined, cache.peek(digest(0)) === undefined]).toEqual([false, true]);
});

test('C26: what was used lately stays, and an answer that is larger than the bound is not kept', () => {
  const cache = new ShardCache(4 * 11_200);
  const bytes = packValue(Buffer.alloc(10_000));
  for (let i = 0; i < 3; i++) cache.put(digest(i), entry(bytes));
  const part = { ttlMs: 1_000, staleMs: 0, negativeMs: 0, fresh: false, tags: [], name: 'list:0' };
  expect(cache.find({ ...part, digest: digest(0) }, 10)?.ageMs).toBe(10);
  cache.put(digest(3), entry(bytes));
  cache.put(digest(4), entry(bytes));
  expect([0, 1, 2, 3, 4].map((i) => cache.peek(digest(i)) !== undefined)).toEqual([true, false, true, true, true]);
  cache.put(digest(5), entry(packValue(Buffer.alloc(50_000))));
  expect(cache.peek(digest(5))).toBeUndefined();
  expect(cache.size.bytes).toBeLessThanOrEqual(44_800);
});
