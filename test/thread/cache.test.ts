import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchOptions, CallOptions, Engine, KeylaneError } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { SHELF, type ShelfRequest } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';

const CACHE = { operation: 'list', tags: ['things'] };

async function shelves(options: Parameters<typeof startEngine>[0] = {}) {
  const engine = await startEngine({ drivers: [SHELF], shards: 2, ...options });
  const read = async (request: ShelfRequest, how: CallOptions = { cache: CACHE }) =>
    (await engine.run('shelf', request, how)).value;
  const counts = (key: string) => engine.run('shelf', { key, counts: true });
  return { engine, read, counts };
}

/** The result of one request in a batch, less what it does not say of the cache. */
async function one(engine: Engine, request: ShelfRequest, options: BatchOptions<ShelfRequest>) {
  for await (const { outcome, response, shard, attempts, cache, cached } of engine.batch('shelf', [request], options))
    return { outcome, value: response?.value, shard, attempts, cache, cached };
  throw new Error('no result');
}

test('C10: 1,000 callers of one cold answer cause one request', async () => {
  const { engine, read, counts } = await shelves();
  const callers = Array.from({ length: 1_000 }, () => read({ key: 'a', item: 'x', wait: 'go' }));
  await until(
    async () => (await engine.cache.stats()).operations.list === undefined && (await counts('a')).waiting === 1,
  );
  await engine.run('shelf', { key: 'a', open: 'go' });
  expect(new Set(await Promise.all(callers))).toEqual(new Set([0]));
  expect((await counts('a')).reads).toBe(1);
  const { operations } = await engine.cache.stats();
  expect(operations.list).toEqual({ hits: 999, misses: 1, stale: 0, hitRatio: 0.999 });
});

test('C23: a result says whether its answer was remembered, where, and how old it was', async () => {
  const { engine } = await shelves();
  const request = { key: 'a', item: 'x' };
  const first = await one(engine, request, { cache: CACHE });
  expect(first).toMatchObject({ outcome: 'ok', value: 0, attempts: 1, cache: 'miss', cached: undefined });
  const again = await one(engine, request, { cache: CACHE });
  expect(again).toMatchObject({ outcome: 'ok', value: 0, attempts: 0, cache: 'hit', shard: first.shard });
  expect(again.cached?.level).toBe('shard');
  expect(again.cached?.ageMs).toBeGreaterThanOrEqual(0);
  expect(await one(engine, request, { cache: { ...CACHE, fresh: true } })).toMatchObject({
    cache: 'miss',
    attempts: 1,
  });
  expect(await one(engine, request, {})).toMatchObject({ cache: 'none', attempts: 1, cached: undefined });
  expect(await one(engine, request, { cache: false })).toMatchObject({ cache: 'none' });
});

test('nobody can change what is remembered by changing what he got', async () => {
  const { engine } = await shelves();
  const how = { cache: true };
  const request = { key: 'a', payload: { list: [1], bytes: Buffer.from('ab') } };
  for (let i = 0; i < 3; i++) {
    const { payload } = (await engine.run('echo', request, how)) as { payload: typeof request.payload };
    expect(payload).toEqual({ list: [1], bytes: Buffer.from('ab') });
    payload.list.push(2);
    payload.bytes[0] = 0;
    expect(payload.bytes.buffer.byteLength).toBe(2);
  }
  const { shards } = await engine.cache.stats();
  expect(shards.reduce((sum, shard) => sum + (shard?.hits ?? 0), 0)).toBe(2);
});

test('C14: what a request changes is forgotten in every shard before it is answered, also when it fails', async () => {
  const { engine, read } = await shelves();
  const keys = Array.from({ length: 20 }, (_, i) => `host-${i}`);
  let written = 0;
  for (const fault of [undefined, 'refused', 'after'] as const) {
    for (const key of keys) await read({ key, item: 'x' });
    written++;
    for (const key of keys) await engine.run('shelf', { key, item: 'x', write: written });
    const change = engine.run(
      'shelf',
      { key: 'a', item: 'y', write: 1, ...(fault ? { fault } : {}) },
      { invalidates: ['list:*'] },
    );
    if (fault === 'after') expect(await verdict(change)).toBe('ERR_CONNECTION_LOST unknown');
    else await change;
    for (const key of keys) expect(await read({ key, item: 'x' })).toBe(written);
  }
});

test('C14: what did not start has changed nothing: it invalidates nothing', async () => {
  const { engine, read } = await shelves();
  await read({ key: 'a', item: 'x' });
  await engine.run('shelf', { key: 'a', item: 'x', write: 1 });
  const change = engine.run('shelf', { key: 'a', item: 'y', fault: 'before' }, { invalidates: ['things'] });
  expect((await failure(change)).outcome).toBe('not_started');
  expect(await read({ key: 'a', item: 'x' })).toBe(0);
  expect(await engine.cache.invalidate('things')).toBe(1);
  expect(await read({ key: 'a', item: 'x' })).toBe(1);
});

test('C14: a change that is called off under way may have happened', async () => {
  const { engine, read, counts } = await shelves();
  await read({ key: 'a', item: 'x' });
  const stop = new AbortController();
  const change = { key: 'a', item: 'x', write: 1, wait: 'never' };
  const called = engine.run('shelf', change, { signal: stop.signal, invalidates: ['key:a'] });
  await until(async () => (await counts('a')).waiting === 1);
  stop.abort();
  expect(await verdict(called)).toBe('ERR_CANCELED canceled');
  expect(await read({ key: 'a', item: 'x' })).toBe(1);
});

test('C14: each change of a batch is felt before its own result is handed out', async () => {
  const { engine, read } = await shelves();
  const keys = Array.from({ length: 20 }, (_, i) => `host-${i}`);
  for (const key of keys) await read({ key, item: 'x' });
  const changes = keys.map((key) => ({ key, item: 'x', write: 7 }));
  for await (const { request, outcome } of engine.batch('shelf', changes, { invalidates: ['things'] })) {
    expect([outcome, await read({ key: request.key, item: 'x' })]).toEqual(['ok', 7]);
  }
});

test('C11: an answer whose time is over is asked after by its etag', async () => {
  const { engine, counts } = await shelves();
  const cache = { ...CACHE, ttlMs: 0.001 };
  const read = () => one(engine, { key: 'a', item: 'x', etag: true }, { cache });
  expect(await read()).toMatchObject({ value: 0, cache: 'miss' });
  expect(await read()).toMatchObject({ value: 0, cache: 'miss' });
  expect(await counts('a')).toMatchObject({ reads: 2, unchanged: 1 });
  await engine.run('shelf', { key: 'a', item: 'x', write: 5 });
  expect(await read()).toMatchObject({ value: 5, cache: 'miss' });
  expect(await counts('a')).toMatchObject({ reads: 3, unchanged: 1 });
  await engine.run('echo', { key: 'a', etag: 'v1' }, { cache });
  expect(await engine.run('echo', { key: 'a', etag: 'v1' }, { cache })).toEqual({ payload: undefined, etag: 'v1' });
});

test('a refresh behind a stale answer is one request, and the next caller has its answer', async () => {
  const { engine, counts } = await shelves();
  const cache = { ...CACHE, ttlMs: 0.001, staleWhileRevalidateMs: 600_000 };
  const read = () => one(engine, { key: 'a', item: 'x' }, { cache });
  expect(await read()).toMatchObject({ cache: 'miss' });
  const seen = await read();
  expect(seen).toMatchObject({ cache: 'stale', attempts: 0, cached: { level: 'shard' } });
  await until(async () => (await counts('a')).reads === 2);
  await engine.close();
});

test('a time-out that is learned, and a concurrency, learn nothing from what was remembered', async () => {
  const { engine } = await shelves({ shards: 1 });
  const requests = Array.from({ length: 500 }, () => ({ key: 'a', item: 'x' }));
  const how = { cache: CACHE, timeoutMs: 'auto', timeoutFloorMs: 1 } as const;
  for await (const { outcome } of engine.batch('shelf', requests, how)) expect(outcome).toBe('ok');
  // Had it learned that this key takes microseconds, it would give up at once.
  const slow = engine.run('echo', { key: 'a', delayMs: 50 }, how);
  expect(await slow).toEqual({ payload: undefined });
});

test('a shard that dies forgets, and its callers hear as always whether theirs may have run', async () => {
  const { engine, read, counts } = await shelves({ shards: 1, onEvent: () => {} });
  await read({ key: 'a', item: 'x' });
  const callers = Array.from({ length: 3 }, () => verdict(read({ key: 'a', item: 'y', wait: 'never' })));
  await until(async () => (await counts('a')).waiting === 1);
  const died = verdict(engine.run('shelf', { key: 'b', item: 'z', wait: 'never' }));
  await until(async () => (await counts('b')).waiting === 1);
  await engine.destroy('the end');
  expect((await Promise.all(callers)).sort()).toEqual([
    'ERR_CLOSED not_started',
    'ERR_CLOSED not_started',
    'ERR_CLOSED unknown',
  ]);
  expect(await died).toBe('ERR_CLOSED unknown');
});

test('C11: a call that persists is answered from disk, unless it was called off, and a closed engine answers nobody', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-cache-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const persist = { cache: { ...CACHE, persist: true } };
  const first = await shelves({ dataDir });
  expect(await first.read({ key: 'a', item: 'x' }, persist)).toBe(0);
  await first.engine.close();
  // Another peer, another shelf: what it has is not what was remembered.
  const second = await shelves({ dataDir, lazyShards: true });
  await second.engine.run('shelf', { key: 'a', item: 'x', write: 5 });
  expect(await second.read({ key: 'a', item: 'x' }, persist)).toBe(0);
  expect((await second.engine.cache.stats()).disk).toMatchObject({ entries: 1 });
  const [listed] = await second.engine.cache.list({ operation: 'list' });
  expect(listed).toMatchObject({ key: 'a', tags: ['things'] });
  expect(await verdict(second.read({ key: 'a', item: 'x' }, { ...persist, signal: AbortSignal.abort() }))).toBe(
    'ERR_CANCELED canceled',
  );
  await second.engine.cache.clear();
  expect(await second.read({ key: 'a', item: 'x' }, persist)).toBe(5);
  await second.engine.close();
  expect(await verdict(second.read({ key: 'a', item: 'x' }, persist))).toBe('ERR_CLOSED not_started');
});

test('operations are counted apart up to a hundred', async () => {
  const { engine } = await shelves();
  for (let i = 0; i < 150; i++) await engine.run('echo', { key: 'a' }, { cache: { operation: `op-${i}` } });
  const { operations } = await engine.cache.stats();
  expect(Object.keys(operations)).toHaveLength(101);
  expect(operations.other).toMatchObject({ misses: 50, hits: 0 });
});

test.each([
  [{ ttlMs: 0 }, 'cache.ttlMs'],
  [{ ttlMs: -1 }, 'cache.ttlMs'],
  [{ ttlMs: Number.NaN }, 'cache.ttlMs'],
  [{ ttlMs: Number.POSITIVE_INFINITY }, 'cache.ttlMs'],
  [{ ttlMs: '5m' }, 'cache.ttlMs'],
  [{ negativeTtlMs: 0 }, 'cache.negativeTtlMs'],
  [{ staleWhileRevalidateMs: -1 }, 'cache.staleWhileRevalidateMs'],
  [{ tags: ['key:a'] }, 'cache.tags'],
  [{ tags: 'vms' }, 'cache.tags'],
  [{ operation: 'a:b' }, 'cache.operation'],
  [{ operation: 'key' }, 'cache.operation'],
  [{ persist: 1 }, 'cache.persist'],
  [{ fresh: 'yes' }, 'cache.fresh'],
  [{ ttl: 5 }, 'cache.ttl'],
])('cache %j is refused by its path', async (cache, path) => {
  const engine = await startEngine();
  for (const refused of [
    await failure(engine.run('echo', { key: 'a' }, { cache: cache as never })),
    thrown(() => engine.batch('echo', [{ key: 'a' }], { cache: cache as never })),
  ]) {
    expect(refused).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
    expect(refused.message).toContain(`\`${path}\``);
  }
});

test('what changes something is not answered out of memory, and what has live output is not either', async () => {
  const engine = await startEngine();
  const both = await failure(engine.run('echo', { key: 'a' }, { cache: true, invalidates: ['a'] }));
  expect(both.message).toBe('`cache` does not go with `invalidates`: what changes something must run');
  const live = thrown(() => engine.batch('echo', [{ key: 'a' }], { cache: true, onChunk: () => {} }));
  expect(live.message).toMatch('`cache` does not go with `onChunk`');
  const stream = thrown(() => engine.stream('echo', { key: 'a' }, { invalidates: ['a'] } as never));
  expect(stream.code).toBe('ERR_INPUT');
});

test('C13: how old an answer may be is said by the call, else by the operation, else for all', async () => {
  const options = { cache: { defaultTtlMs: 600_000, ttlMs: { status: 0.001 } } };
  const { engine } = await shelves(options);
  const cacheOf = async (cache: object) => (await one(engine, { key: 'a', item: 'x' }, { cache })).cache;
  const list = { operation: 'list' };
  const status = { operation: 'status' };
  expect([await cacheOf(list), await cacheOf(list)]).toEqual(['miss', 'hit']);
  expect([await cacheOf(status), await cacheOf(status)]).toEqual(['miss', 'miss']);
  const longer = { ...status, ttlMs: 60_000 };
  expect([await cacheOf(longer), await cacheOf(longer), await cacheOf(status)]).toEqual(['miss', 'hit', 'miss']);
});

function thrown(call: () => unknown): KeylaneError {
  try {
    call();
  } catch (error) {
    return error as KeylaneError;
  }
  throw new Error('expected it to throw');
}
