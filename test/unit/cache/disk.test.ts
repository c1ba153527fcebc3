import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DiskCache } from '../../../src/cache/disk.ts';
import type { DiskEntry } from '../../../src/cache/disk-entry.ts';
import { matchesAny } from '../../../src/cache/pattern.ts';
import { openStore } from '../../../src/store/store.ts';
import { seeded } from '../../support/seed.ts';

const HOUR = 3_600_000;

/** Wall time, turned by hand. */
class Wall {
  now = 1_700_000_000_000;
}

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-cache-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'cache');
}

async function opened({ dir = temporary(), wall = new Wall(), bytes = 1_000_000 } = {}) {
  const cache = await DiskCache.open(dir, { bytes, wallNow: () => wall.now });
  onTestFinished(() => cache.close());
  return { cache, wall, dir };
}

function entry(about: string, wall: Wall, more: Partial<DiskEntry> = {}): DiskEntry {
  const digest = createHash('sha256').update(about).digest('hex');
  return {
    digest,
    key: 'web-1:22',
    name: `vm_list:${digest.slice(0, 8)}`,
    tags: [],
    response: Buffer.from(`answer of ${about}`),
    etag: undefined,
    storedAt: wall.now,
    staleAt: wall.now + 60_000,
    deadAt: wall.now + 120_000,
    ...more,
  };
}

describe('a cache on disk', () => {
  test('hands out what was put under a digest until it dies, also to who opens it later', async () => {
    const { cache, wall, dir } = await opened();
    const mine = entry('a', wall, { tags: ['t', 'ü'], etag: '"1"' });
    expect(await cache.put(mine, cache.lastSeq())).toBe(true);
    expect(cache.get(mine.digest)).toEqual(mine);
    expect(cache.get(entry('b', wall).digest)).toBeUndefined();
    await cache.close();
    const { cache: later } = await opened({ dir, wall });
    wall.now += 119_999;
    expect(later.get(mine.digest)).toEqual(mine);
    wall.now += 1;
    expect(later.get(mine.digest)).toBeUndefined();
  });

  test('has nothing from the future: a clock that was set back makes no answer older than it is', async () => {
    const { cache, wall } = await opened();
    await cache.put(entry('a', wall), cache.lastSeq());
    wall.now -= 1;
    expect(cache.get(entry('a', wall).digest)).toBeUndefined();
  });

  test('keeps the later of two answers under one digest, and counts one', async () => {
    const { cache, wall } = await opened();
    await cache.put(entry('a', wall, { tags: ['old'] }), cache.lastSeq());
    await cache.put(entry('a', wall, { tags: ['new'], response: Buffer.from('second') }), cache.lastSeq());
    expect(cache.get(entry('a', wall).digest)?.response).toEqual(Buffer.from('second'));
    expect(cache.stats().entries).toBe(1);
    await cache.invalidate(['old']);
    expect(cache.stats().entries).toBe(1);
    await cache.invalidate(['new']);
    expect(cache.stats()).toEqual({ entries: 0, bytes: 0, evicted: 0 });
  });

  test('takes what another format of it wrote for nothing', async () => {
    const { cache, wall, dir } = await opened();
    await cache.put(entry('a', wall), cache.lastSeq());
    const other = await openStore(dir, { durable: false, version: 2 });
    onTestFinished(() => other.close());
    expect([...other.range()]).toEqual([]);
  });

  test('stays within its bound of bytes, and puts out what was not used for the longest time', async () => {
    const { cache, wall } = await opened({ bytes: 100_000 });
    const answers = Array.from({ length: 60 }, (_, i) => ({
      ...entry(`${i}`, wall),
      response: Buffer.alloc(3_000, i),
    }));
    for (const answer of answers) {
      wall.now += 61_000;
      // The first stays in use.
      cache.get(answers[0]!.digest);
      await cache.put({ ...answer, storedAt: wall.now, deadAt: wall.now + 100 * HOUR }, cache.lastSeq());
      expect(cache.stats().bytes).toBeLessThanOrEqual(100_000);
    }
    const there = answers.filter(({ digest }) => cache.get(digest));
    expect(there.length).toBeGreaterThan(28);
    expect(there[0]).toBe(answers[0]);
    expect(there.slice(1)).toEqual(answers.slice(61 - there.length));
    expect(cache.stats()).toMatchObject({ entries: there.length, evicted: 60 - there.length });
  });

  test('does not keep an answer that takes more than a quarter of it', async () => {
    const { cache, wall } = await opened({ bytes: 100_000 });
    const large = { ...entry('a', wall), response: Buffer.alloc(30_000) };
    expect(await cache.put(large, cache.lastSeq())).toBe(false);
    expect(cache.get(large.digest)).toBeUndefined();
  });

  test('gives back the room of answers whose time is over while others come', async () => {
    const { cache, wall } = await opened();
    await Promise.all(Array.from({ length: 50 }, (_, i) => cache.put(entry(`old-${i}`, wall), cache.lastSeq())));
    wall.now += HOUR;
    for (let i = 0; i < 10; i++) await cache.put(entry(`new-${i}`, wall), cache.lastSeq());
    expect(cache.stats().entries).toBe(10);
  });

  test('lists what is there, the last used first, of one operation, up to a limit', async () => {
    const { cache, wall } = await opened();
    for (const [i, name] of ['vm_list:1', 'vm_list:2', 'status:1', 'vm_list:3'].entries()) {
      wall.now += 1_000;
      await cache.put(entry(`${i}`, wall, { name, deadAt: wall.now + HOUR }), cache.lastSeq());
    }
    const names = (options?: { operation?: string; limit?: number }) =>
      [...cache.list(options)].map(({ name }) => name);
    expect(names()).toEqual(['vm_list:3', 'status:1', 'vm_list:2', 'vm_list:1']);
    expect(names({ operation: 'vm_list', limit: 2 })).toEqual(['vm_list:3', 'vm_list:2']);
    expect(await cache.clear()).toBe(4);
    expect(names()).toEqual([]);
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test('finishes what was put before it is closed', async () => {
    const { cache, wall, dir } = await opened();
    const kept = cache.put(entry('a', wall), cache.lastSeq());
    await cache.close();
    expect(await kept).toBe(true);
    expect((await opened({ dir, wall })).cache.get(entry('a', wall).digest)).toBeDefined();
  });
});

describe('an invalidation', () => {
  test('forgets exactly what its patterns name, however they are written', async () => {
    const random = seeded();
    const { cache, wall } = await opened();
    const terms = ['vm_list', 'vm', 'vm_list:x', 'a*b', 'ä'.repeat(300), 'ä'.repeat(400), 'x\u0000y', 'k?'];
    const all = Array.from({ length: 80 }, (_, i) => {
      const answer = entry(`${i}`, wall);
      const tags = terms.filter(() => random.below(4) === 0);
      const operation = random.pick(['vm_list', 'vm', 'status']);
      const key = random.pick(['web-1:22', 'web-1:222', 'k'.repeat(1_000), 'k'.repeat(999)]);
      return { ...answer, name: `${operation}:${answer.digest.slice(0, 8)}`, key, tags };
    });
    await Promise.all(all.map((answer) => cache.put(answer, cache.lastSeq())));
    let left = all;
    const patterns = [
      'key:web-1:22',
      'vm_list:x',
      'status:*',
      'a*',
      `${'ä'.repeat(400)}`,
      '*b',
      `key:${'k'.repeat(999)}`,
      '?m',
    ];
    for (const pattern of patterns) {
      await cache.invalidate([pattern]);
      left = left.filter((answer) => !matchesAny([pattern], answer));
      expect(
        all.filter(({ digest }) => cache.get(digest)),
        pattern,
      ).toEqual(left);
    }
    expect(left.length).toBeGreaterThan(0);
    expect(cache.stats().entries).toBe(left.length);
    await cache.invalidate(['*']);
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test('keeps out an answer that was begun to be fetched before it, and no other', async () => {
    const { cache, wall } = await opened();
    const before = cache.lastSeq();
    const late = entry('late', wall, { tags: ['web'] });
    const other = entry('other', wall, { tags: ['db'] });
    await cache.invalidate(['web']);
    expect(await cache.put(late, before)).toBe(false);
    expect(await cache.put(other, before)).toBe(true);
    expect(await cache.put(late, cache.lastSeq())).toBe(true);
  });

  test('is told to who asks what came since, in order, and once', async () => {
    const { cache } = await opened();
    const start = cache.lastSeq();
    expect(cache.since(start)).toEqual([]);
    const first = await cache.invalidate(['a']);
    const second = await cache.invalidate(['b', 'c:*']);
    expect(cache.since(start)).toEqual([
      { seq: first, patterns: ['a'] },
      { seq: second, patterns: ['b', 'c:*'] },
    ]);
    expect(cache.since(first)).toEqual([{ seq: second, patterns: ['b', 'c:*'] }]);
    expect(cache.since(second)).toEqual([]);
    expect(cache.lastSeq()).toBe(second);
  });

  test('is no more told after an hour: who asks for what is gone, or for what never was, forgets everything', async () => {
    const { cache, wall } = await opened();
    const start = cache.lastSeq();
    await cache.invalidate(['a']);
    wall.now += HOUR + 1;
    const last = await cache.invalidate(['b']);
    expect(cache.since(last - 1)).toEqual([{ seq: last, patterns: ['b'] }]);
    expect(cache.since(start)).toEqual([{ seq: last, patterns: ['*'] }]);
    expect(cache.since(last + 7)).toEqual([{ seq: last, patterns: ['*'] }]);
    expect(await cache.put(entry('old', wall), start)).toBe(false);
  });

  test('of everything comes from emptying the cache', async () => {
    const { cache } = await opened();
    const start = cache.lastSeq();
    await cache.clear();
    expect(cache.since(start)).toEqual([{ seq: start + 1, patterns: ['*'] }]);
  });
});
