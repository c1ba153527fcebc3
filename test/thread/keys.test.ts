import type { KeysOptions } from 'keylane';
import { expect, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { failure, startEngine, until } from '../support/engine.js';

test('keys of all shards are told, the most loaded first, what waits on the main thread included', async () => {
  const engine = await startEngine({ shards: 2, drivers: [PUPPET], limits: { inFlightPerKey: 2 } });
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => engine.run('echo', { key: `idle-${key}` })));
  const off = new AbortController();
  const hang = () => engine.result('puppet', { key: 'busy', run: 'hang' }, { signal: off.signal });
  const held = [hang(), hang(), hang(), hang(), hang()];
  await until(async () => (await engine.keys({ match: 'busy' }))[0]?.connections.busy === 1);
  const all = await engine.keys();
  expect(all[0]).toMatchObject({ key: 'busy', drivers: ['puppet'], requests: 2, queued: 3, waiting: 0, unusedMs: 0 });
  expect(
    all
      .slice(1)
      .map(({ key }) => key)
      .sort(),
  ).toEqual(['idle-a', 'idle-b', 'idle-c', 'idle-d']);
  expect(new Set(all.map(({ shard }) => shard)).size).toBe(2);
  expect(await engine.keys({ match: 'idle-?', limit: 3 })).toHaveLength(3);
  off.abort();
  await Promise.all(held);
  await until(async () => (await engine.keys({ match: 'busy' }))[0]?.requests === 0);
  await engine.close();
  expect(await engine.keys()).toEqual([]);
});

test('keys that are let alone can be asked for by themselves, with what their hosts said', async () => {
  const engine = await startEngine({ limits: { breaker: { failures: 2 } } });
  await engine.run('echo', { key: 'well' });
  for (let i = 0; i < 2; i++) await engine.result('echo', { key: 'dead', fault: 'ERR_CONNECT' });
  const [dead, ...others] = await engine.keys({ stopped: true });
  expect(others).toEqual([]);
  expect(dead).toMatchObject({ key: 'dead', breaker: { what: 'connect', state: 'open', failures: 2 } });
  expect(dead?.breaker?.forMs).toBeGreaterThan(0);
  expect((await engine.stats()).shards[0]?.inside?.breakers.connect).toEqual({ open: 1, probing: 0 });
});

test('what a running batch has learned of a key is told with it', async () => {
  const engine = await startEngine();
  const requests = Array.from({ length: 50 }, () => ({ key: 'a', delayMs: 20 }));
  let learned: number | undefined;
  for await (const _ of engine.batch('echo', requests, { concurrency: 'auto' }))
    learned ??= (await engine.keys())[0]?.limit;
  expect(learned).toBeGreaterThanOrEqual(1);
  expect((await engine.keys())[0]).not.toHaveProperty('limit');
});

test.each<[object, string]>([
  [{ limit: 0 }, '`limit`'],
  [{ limit: 1_001 }, '`limit`'],
  [{ match: 5 }, '`match`'],
  [{ match: '*'.repeat(2_000) }, '`match`'],
  [{ stopped: 'yes' }, '`stopped`'],
  [{ top: 5 }, 'unknown option `top`'],
])('a bad question is refused: %j', async (options, says) => {
  const engine = await startEngine({ lazyShards: true });
  const error = await failure(engine.keys(options as KeysOptions));
  expect(error.code).toBe('ERR_INPUT');
  expect(error.message).toContain(says);
});
