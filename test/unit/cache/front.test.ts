import { expect, test } from 'vitest';
import { CacheFront } from '../../../src/cache/front.ts';
import type { CacheOptions } from '../../../src/types.ts';
import { packValue } from '../../../src/wire/codec.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { FakeDisk } from '../../support/fake-disk.ts';

const OPTIONS = { defaultTtlMs: 1_000, ttlMs: { status: 100 }, pollMs: 250, report: 'all' as const };
const PERSIST: CacheOptions = { operation: 'list', tags: ['vms'], persist: true };

/** The main thread of a process whose shards only note what they are told to forget. */
function process(disk = new FakeDisk()) {
  const clock = new FakeClock(5_000);
  const told: string[] = [];
  const failures: string[] = [];
  const wall = { now: 1_000_000 };
  const shards = {
    invalidate: async (patterns: readonly string[]) => told.push(...patterns),
    cacheStats: async () => [],
  };
  const failed = (message: string) => failures.push(message);
  const front = new CacheFront(OPTIONS, { shards, clock, disk, wallNow: () => wall.now, failed });
  const plan = (options: CacheOptions = PERSIST, item = 'x') =>
    front.plan('echo', { key: 'web-1', lane: 'web-1', target: null, request: item }, options);
  /** What a request finds on disk, or has fetched as `answer`. */
  const read = async (answer: unknown, options: CacheOptions = PERSIST, item = 'x') => {
    const one = plan(options, item);
    const found = await front.look(one);
    if (!found) front.heard(one, answered(answer), (response) => response !== 'no');
    await settled();
    return found ? `${found.status} ${found.ageMs} ${String(found.response)}` : answer;
  };
  return { disk, clock, wall, told, failures, front, plan, read };
}

function answered(response: unknown, status: 'hit' | 'miss' = 'miss', etag?: string) {
  return { note: { status, ageMs: 0, etag }, response, submittedAt: 0 };
}

test('C11: what one process has fetched another finds, until its time is over', async () => {
  const one = process();
  expect(await one.read('first')).toBe('first');
  const other = process(one.disk);
  other.wall.now += 999;
  expect(await other.read('second')).toBe('hit 999 first');
  other.wall.now += 1;
  expect(await other.read('second')).toBe('second');
  expect(await other.read('third')).toBe('hit 0 second');
  expect(await one.read('third', { ...PERSIST, tags: ['other'] })).toBe('third');
});

test('C15: it is no older than whoever asks allows, `fresh` skips it, and what was remembered is not kept anew', async () => {
  const { read, wall, front, plan, disk } = process();
  await read('first', { ...PERSIST, ttlMs: 60_000 });
  wall.now += 5_000;
  expect(await read('second', { ...PERSIST, ttlMs: 5_001 })).toBe('hit 5000 first');
  expect(await read('third', { ...PERSIST, fresh: true })).toBe('third');
  expect(await read('fourth')).toBe('hit 0 third');
  const other = plan(PERSIST, 'y');
  await front.look(other);
  // It may be older than what was invalidated before this call began.
  front.heard(other, answered('of the shard', 'hit'), () => true);
  await settled();
  expect(disk.entries.size).toBe(1);
  expect(await read('no', PERSIST, 'z')).toBe('no');
  expect(disk.entries.size).toBe(1);
});

test('what its peer says of its time holds on disk too: for its fetcher, for others, and not at all', async () => {
  const { front, plan, wall, disk } = process();
  const keep = async (saidMs: number, options: CacheOptions, item: string) => {
    const one = plan(options, item);
    await front.look(one);
    front.heard(one, { note: { status: 'miss', ageMs: 0, saidMs }, response: item, submittedAt: 0 }, () => true);
    await settled();
  };
  const found = async (item: string, options = PERSIST) => (await front.look(plan(options, item)))?.response;
  await keep(5_000, PERSIST, 'long');
  await keep(5_000, { ...PERSIST, ttlMs: 500 }, 'own');
  await keep(0, { ...PERSIST, ttlMs: 500 }, 'never');
  expect(disk.entries.size).toBe(2);
  wall.now += 4_999;
  expect(await found('long')).toBe('long');
  expect(await found('long', { ...PERSIST, ttlMs: 4_999 })).toBeUndefined();
  expect(await found('own')).toBeUndefined();
  wall.now += 1;
  expect(await found('long')).toBeUndefined();
});

test('C31: a clock that was set back makes a miss', async () => {
  const { read, wall } = process();
  await read('first');
  wall.now -= 1;
  expect(await read('second')).toBe('second');
});

test('C14: what is invalidated is gone from the disk and from the shards before it is said to be', async () => {
  const { read, front, told, disk } = process();
  await read('first');
  await front.face.invalidate('list:*', 'key:other');
  expect([told, disk.entries.size]).toEqual([['list:*', 'key:other'], 0]);
  await expect(front.face.invalidate('')).rejects.toMatchObject({ code: 'ERR_INPUT' });
});

test('C14: what was begun before an invalidation, here or in another process, is not kept', async () => {
  const one = process();
  const other = process(one.disk);
  const plans = [one.plan(), other.plan(PERSIST, 'y')];
  await one.front.look(plans[0]!);
  await other.front.look(plans[1]!);
  await one.front.forget(['vms']);
  one.front.heard(plans[0]!, answered('old'), () => true);
  other.front.heard(plans[1]!, answered('old'), () => true);
  await settled();
  expect(one.disk.entries.size).toBe(0);
});

test('C14: another process hears of it within a second, at once where it asks, and nobody hears his own twice', async () => {
  const one = process();
  const other = process(one.disk);
  await one.read('first');
  await other.read('first');
  await one.front.forget(['vms']);
  expect([one.told, other.told]).toEqual([['vms'], []]);
  await other.clock.advanceSettling(250);
  await one.clock.advanceSettling(1_000);
  expect([one.told, other.told]).toEqual([['vms'], ['vms']]);
  await other.front.forget(['list:*']);
  await one.front.look(one.plan());
  expect(one.told).toEqual(['vms', 'list:*']);
});

test('nothing is opened for what does not persist, nor to invalidate where nothing was ever kept', async () => {
  const { front, disk, clock, plan } = process();
  front.heard(plan({ operation: 'list' }), answered('x'), () => true);
  await front.forget(['vms']);
  await front.close();
  expect([disk.opened, clock.pending]).toEqual([0, 0]);
});

test('a process that never kept anything invalidates what others have kept', async () => {
  const one = process();
  await one.read('first');
  await process(one.disk).front.forget(['vms']);
  expect(one.disk.entries.size).toBe(0);
});

test('a stale answer from the disk has one fetch behind it at a time', async () => {
  const { read, wall, front, plan } = process();
  const lenient = { ...PERSIST, staleWhileRevalidateMs: 5_000 };
  await read('first', lenient);
  wall.now += 1_500;
  expect(await read('second', lenient)).toBe('stale 1500 first');
  expect(await read('second')).toBe('second');
  const again = front.refresh(plan(lenient));
  expect(again?.part.fresh).toBe(true);
  expect(front.refresh(plan(lenient))).toBeUndefined();
  front.refreshed(again!);
  expect(front.refresh(plan(lenient))).toBeDefined();
});

test('an answer with an etag whose time is over goes along to its shard, to be asked after', async () => {
  const { wall, front, plan } = process();
  const first = plan();
  await front.look(first);
  front.heard(first, answered('first', 'miss', 'v1'), () => true);
  await settled();
  wall.now += 3_600_000;
  const again = plan();
  expect(await front.look(again)).toBeUndefined();
  expect(again.part).toMatchObject({ etag: 'v1', old: packValue('first') });
});

test.each(['open', 'get', 'put', 'invalidate', 'since'] as const)(
  'C31: a disk whose `%s` fails is a miss from then on, told once, and fails nobody',
  async (step) => {
    const { disk, read, front, failures, plan, clock } = process();
    if (step !== 'open') await read('first');
    disk.failing.add(step);
    await read('second', { ...PERSIST, fresh: true });
    await front.forget(['nothing']);
    await read('third');
    await clock.advanceSettling(1_000);
    expect(await read('fourth')).toBe('fourth');
    // Nobody hears of what other processes change: the shards' memory is not trusted either.
    const later = plan();
    await front.look(later);
    expect(later.part.fresh).toBe(true);
    await front.close();
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(/^cannot \w+ what is remembered on disk, and goes on without: .*no space left/);
  },
);

test('what is being kept is kept before the disk is closed, once', async () => {
  const { disk, front, plan } = process();
  const one = plan();
  await front.look(one);
  front.heard(one, answered('first'), () => true);
  await Promise.all([front.close(), front.close()]);
  expect([disk.entries.size, disk.closed]).toEqual([1, 1]);
  expect(await front.look(plan())).toBeUndefined();
});

test('what many requests of one turn invalidate is one invalidation, and each waits for it', async () => {
  const { front, told, disk, read } = process();
  await read('first');
  const patterns = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 'vms' : 'key:web-1'));
  await Promise.all(patterns.map((pattern) => front.forget([pattern])));
  expect([told, disk.log, disk.entries.size]).toEqual([['vms', 'key:web-1'], [['vms', 'key:web-1']], 0]);
});
