import type { Engine } from 'keylane';
import { expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';

/** Calls that hang until they are called off. */
class Hanging {
  readonly #engine: Engine;
  readonly #stops: AbortController[] = [];
  readonly #calls: Promise<unknown>[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  add(key: string, labels: string[] = [], payload?: string): void {
    const stop = new AbortController();
    this.#stops.push(stop);
    const request = { key, fault: 'hang' as const, payload };
    this.#calls.push(failure(this.#engine.run('echo', request, { labels, signal: stop.signal, timeoutMs: 0 })));
  }

  async stop(call: number): Promise<void> {
    this.#stops[call]!.abort();
    expect(await this.#calls[call]).toMatchObject({ code: 'ERR_CANCELED' });
  }

  async stopAll(): Promise<void> {
    for (const stop of this.#stops) stop.abort();
    await Promise.all(this.#calls);
  }
}

/** So many keys of the shard. */
async function keysOf(engine: Engine, shard: number, count: number): Promise<string[]> {
  const keys: string[] = [];
  const requests = Array.from({ length: 40 * count }, (_, i) => ({ key: `host-${i}` }));
  for await (const result of engine.batch('echo', requests)) if (result.shard === shard) keys.push(result.key);
  return keys.slice(0, count);
}

test('a group has its limit in flight over all shards, whoever waits for it keeps no other, and its places come back', async () => {
  const engine = await startEngine({ shards: 2, limits: { groups: { db: 3, web: 50 } } });
  const hanging = new Hanging(engine);
  for (let i = 0; i < 10; i++) hanging.add(`k${i % 5}`, ['db', 'free']);
  expect(await engine.stats()).toMatchObject({ inFlight: 3, queued: 7, groups: { db: { inFlight: 3, limit: 3 } } });
  for (let i = 0; i < 5; i++) {
    expect(await engine.run('echo', { key: `k${i}`, payload: i }, { labels: ['web'] })).toEqual({ payload: i });
  }
  await hanging.stop(0);
  await until(async () => (await engine.stats()).queued === 6);
  expect((await engine.stats()).groups.db).toEqual({ inFlight: 3, limit: 3 });
  await hanging.stopAll();
  expect(await engine.stats()).toMatchObject({
    inFlight: 0,
    queued: 0,
    bytesInFlight: 0,
    groups: { db: { inFlight: 0 } },
  });
});

test('a batch and a stream have labels too, and those of a batch may differ', async () => {
  const engine = await startEngine({ shards: 2, limits: { groups: { db: 1, web: 2 } } });
  const hanging = new Hanging(engine);
  hanging.add('held', ['db']);
  const stream = engine.stream('echo', { key: 'a', payload: 'late' }, { labels: ['db'] });
  stream.end();
  const labels = ({ key }: { key: string }, index: number) => {
    if (key === 'bad') throw new Error('no labels for this one');
    return key === 'db' ? ['db'] : index < 2 ? ['web'] : undefined;
  };
  const requests = ['db', 'web', 'none', 'bad', 'web'].map((key) => ({ key }));
  const ended: string[] = [];
  for await (const { key, outcome, error } of engine.batch('echo', requests, { labels })) {
    ended.push(`${key} ${error?.code ?? outcome}`);
    if (ended.length === 4) {
      expect(ended.sort()).toEqual(['bad ERR_INPUT', 'none ok', 'web ok', 'web ok']);
      expect((await engine.stats()).queued).toBe(2);
      await hanging.stop(0);
    }
  }
  expect(ended.at(-1)).toBe('db ok');
  expect(await stream.response).toEqual({ payload: 'late' });
});

test('one shard may have all that may be in flight, and not one more; the other has the next place that is free', async () => {
  const engine = await startEngine({ shards: 2, maxInFlight: 16 });
  const [crowd, [quiet]] = [await keysOf(engine, 0, 10), await keysOf(engine, 1, 1)];
  const hanging = new Hanging(engine);
  for (let i = 0; i < 40; i++) hanging.add(crowd[i % 10]!);
  const before = await engine.stats();
  expect([before.inFlight, before.queued]).toEqual([16, 24]);
  expect(before.shards.map(({ inFlight }) => inFlight)).toEqual([16, 0]);
  const other = engine.run('echo', { key: quiet!, payload: 1 });
  await hanging.stop(0);
  expect(await other).toEqual({ payload: 1 });
  await hanging.stopAll();
  expect(await engine.stats()).toMatchObject({ inFlight: 0, queued: 0 });
});

test('requests wait for the bytes of those in flight, small ones pass, and one larger than the bound runs alone', async () => {
  const engine = await startEngine({ shards: 2, limits: { bytesInFlight: 1_000_000 } });
  const hanging = new Hanging(engine);
  const half = 'x'.repeat(600_000);
  hanging.add('a', [], half);
  hanging.add('b', [], half);
  expect(await engine.run('echo', { key: 'c', payload: 'small' })).toEqual({ payload: 'small' });
  const { inFlight, queued, bytesInFlight } = await engine.stats();
  expect([inFlight, queued]).toEqual([1, 1]);
  expect(bytesInFlight).toBeGreaterThan(600_000);
  expect(bytesInFlight).toBeLessThan(601_000);
  const payload = 'y'.repeat(3_000_000);
  const large = engine.run('echo', { key: 'd', payload });
  expect((await engine.stats()).queued).toBe(2);
  await hanging.stopAll();
  expect((await large).payload === payload).toBe(true);
  expect((await engine.stats()).bytesInFlight).toBe(0);
});
