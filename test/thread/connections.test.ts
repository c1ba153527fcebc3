import type { EngineEvent } from 'keylane';
import { expect, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';

test('opens of different keys do not wait for each other', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const stuck = Array.from({ length: 50 }, (_, i) => verdict(engine.run('puppet', { key: `s${i}`, open: 'never' })));
  const calls = Array.from({ length: 100 }, (_, i) => engine.run('puppet', { key: `k${i}`, open: 50 }));
  await Promise.all(calls);
  expect((await engine.run('puppet', { key: 'a', run: 'seen' })).seen?.mostOpening).toBe(100);
  await engine.destroy();
  expect(new Set(await Promise.all(stuck))).toEqual(new Set(['ERR_CLOSED not_started']));
});

test('1,000 callers of one cold lane cause as many opens as their streams need, and no more', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 4 } });
  await Promise.all(Array.from({ length: 1_000 }, () => engine.run('puppet', { key: 'a', open: 20, run: 1 })));
  expect((await engine.run('puppet', { key: 'b', run: 'seen' })).seen?.opens).toBe(5);
  await Promise.all(Array.from({ length: 10 }, () => engine.run('puppet', { key: 'c', open: 20, run: 1 })));
  expect((await engine.run('puppet', { key: 'b', run: 'seen' })).seen?.opens).toBe(6);
});

test('handshakes of one key are bounded, over all its lanes', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { opensPerKey: 3 } });
  const calls = Array.from({ length: 20 }, (_, i) => engine.run('puppet', { key: 'a', lane: `user${i}`, open: 10 }));
  await Promise.all(calls);
  expect((await engine.run('puppet', { key: 'b', run: 'seen' })).seen).toMatchObject({ mostOpening: 3, opens: 21 });
});

test('a full shard evicts the longest idle connection, and never one in use', async () => {
  const limits = { connectionsPerShard: 10, connectionsPerLane: 1 };
  const engine = await startEngine({ drivers: [PUPPET], limits });
  const held = Array.from({ length: 4 }, (_, i) => verdict(engine.run('puppet', { key: `held${i}`, run: 'hang' })));
  const calls = Array.from({ length: 500 }, (_, i) => engine.run('puppet', { key: `k${i}`, payload: i, run: 1 }));
  const answers = await Promise.all(calls);
  expect(answers.map(({ payload }) => payload)).toEqual(answers.map((_, i) => i));
  const { seen } = await engine.run('puppet', { key: 'k499', run: 'seen' });
  expect(seen?.mostOpen).toBeLessThanOrEqual(10);
  expect(seen?.runningNow).toBe(4);
  const { inside } = (await engine.stats()).shards[0] ?? {};
  expect(inside?.evicted).toBeGreaterThanOrEqual(490);
  expect(Object.values(inside?.connections ?? {}).reduce((sum, count) => sum + count)).toBeLessThanOrEqual(10);
  await engine.destroy();
  expect(await Promise.all(held)).toEqual(held.map(() => 'ERR_CLOSED unknown'));
});

test('lanes of one key share no connection', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const calls = ['ann', 'bob', 'ann', 'bob'].map((lane) => engine.run('puppet', { key: 'a', lane }));
  const [ann, bob, annAgain, bobAgain] = (await Promise.all(calls)).map(({ connection }) => connection);
  expect([annAgain, bobAgain]).toEqual([ann, bob]);
  expect(ann).not.toBe(bob);
});

test('idle connections go after idleMs, and their pools with them', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { idleMs: 50 } });
  await Promise.all(Array.from({ length: 20 }, (_, i) => engine.run('puppet', { key: `k${i}` })));
  const inside = async () => (await engine.stats()).shards[0]?.inside;
  while ((await inside())?.closed !== 20) await engine.run('echo', { key: 'wait', delayMs: 5 });
  expect(await inside()).toMatchObject({
    opened: 21,
    connections: { opening: 0, busy: 0, full: 0 },
    reused: expect.any(Number),
  });
  expect((await inside())?.closedBy).toMatchObject({ idle: 20, lost: 0 });
  expect((await inside())?.memory.heapUsedBytes).toBeGreaterThan(1e6);
  expect((await inside())?.lanes).toBeLessThanOrEqual(1);
});

test('prewarm opens what it is asked for, once, and tells what could not be opened', async () => {
  const engine = await startEngine({ shards: 2, drivers: [PUPPET], limits: { connectionsPerLane: 3 } });
  const requests = [
    ...Array.from({ length: 10 }, (_, i) => ({ key: `k${i}` })),
    { key: 'bad', open: 'reject' as const },
  ];
  const { ready, failed } = await engine.prewarm('puppet', requests, { perKey: 2 });
  expect(ready).toBe(10);
  expect(failed.map(({ code, key }) => `${code} ${key}`)).toEqual(['ERR_PROTOCOL bad']);
  const opened = async () => (await engine.stats()).shards.reduce((sum, { inside }) => sum + (inside?.opened ?? 0), 0);
  expect(await opened()).toBe(20);
  await engine.prewarm('puppet', requests.slice(0, 10));
  for await (const { reused } of engine.batch('puppet', requests.slice(0, 10))) expect(reused).toBe(false);
  for await (const { reused } of engine.batch('puppet', requests.slice(0, 10))) expect(reused).toBe(true);
  expect(await opened()).toBe(20);
  expect((await failure(engine.prewarm('puppet', { key: 'a' } as never))).code).toBe('ERR_INPUT');
});

test('prewarm opens 10,000 connections of 1,000 keys', async () => {
  const limits = { connectionsPerLane: 10, connectionsPerShard: 10_000 };
  const engine = await startEngine({ shards: 2, limits });
  let taken = 0;
  const fleet = (function* () {
    for (; taken < 1_000; taken++) yield { key: `k${taken}` };
  })();
  const { ready, notReady, failed } = await engine.prewarm('echo', fleet, { perKey: 10 });
  expect({ ready, notReady, failed }).toEqual({ ready: 1_000, notReady: 0, failed: [] });
  const idle = async () =>
    (await engine.stats()).shards.reduce((sum, { inside }) => sum + (inside?.connections.idle ?? 0), 0);
  expect(await idle()).toBe(10_000);
});

test('a prewarm takes 64 requests ahead and no more, and nothing once it is called off; nobody is left waiting', async () => {
  const engine = await startEngine();
  let taken = 0;
  const endless = (function* () {
    for (;;) yield { key: `k${taken++}`, openMs: 60_000 };
  })();
  const off = new AbortController();
  const prewarmed = engine.prewarm('echo', endless, { perKey: 2, signal: off.signal });
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 64);
  expect(taken).toBe(64);
  off.abort();
  const { ready, notReady, failed } = await prewarmed;
  expect({ ready, notReady, codes: [...new Set(failed.map(({ code }) => code))] }).toEqual({
    ready: 0,
    notReady: 64,
    codes: ['ERR_CANCELED'],
  });
  expect(taken).toBe(64);
  expect((await engine.stats()).shards[0]?.inside).toMatchObject({ requests: 0, waiting: 0 });
});

test('a prewarm of an endless input ends with its engine', async () => {
  const engine = await startEngine();
  const endless = (function* () {
    for (;;) yield { key: 'a' };
  })();
  const prewarmed = engine.prewarm('echo', endless);
  await engine.destroy();
  expect((await prewarmed).failed.at(-1)?.code).toBe('ERR_CLOSED');
});

test('of a prewarm that fails for all the first 1,000 errors are kept', async () => {
  const engine = await startEngine();
  const nobody = Array.from({ length: 1_500 }, (_, i) => ({ key: `k${i}`, fault: 'ERR_CONNECT' as const }));
  const { ready, notReady, failed } = await engine.prewarm('echo', nobody);
  expect([ready, notReady, failed.length]).toEqual([0, 1_500, 1_000]);
});

test('a prewarm that takes too long is told, and its connection is of use all the same', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const request = { key: 'a', open: 300 };
  const { ready, failed } = await engine.prewarm('puppet', [request], { timeoutMs: 50 });
  expect({ ready, codes: failed.map(({ code }) => code) }).toEqual({ ready: 0, codes: ['ERR_TIMEOUT'] });
  expect(await engine.run('puppet', request)).toMatchObject({ connection: 1 });
});

test('connections through another lane of their key are opened, however few handshakes a key may have', async () => {
  const limits = { opensPerKey: 2, connectionsPerLane: 1, connectTimeoutMs: 5_000 };
  const engine = await startEngine({ drivers: [PUPPET], limits });
  const calls = Array.from({ length: 10 }, (_, i) => engine.run('puppet', { key: 'a', lane: `user${i}`, via: true }));
  await Promise.all(calls);
  // Ten, and the one that carries them.
  expect((await engine.run('puppet', { key: 'b', run: 'seen' })).seen?.opens).toBe(12);
  await engine.close();
});

test('a driver that forgets a stream of the connection it went through is told of, with its code (P4)', async () => {
  const events: EngineEvent[] = [];
  const engine = await startEngine({
    drivers: [PUPPET],
    limits: { leakMs: 2_000 },
    onEvent: (event) => event.type.startsWith('lease') && events.push(event),
  });
  const well = engine.run('puppet', { key: 'a', lane: 'well', via: true, reusable: 'no' });
  const ill = engine.run('puppet', { key: 'a', lane: 'ill', via: true, reusable: 'no', close: 'forget' });
  await Promise.all([well, ill]);
  await until(() => events.length > 0);
  expect(events).toMatchObject([{ type: 'lease_leaked', shard: 0, key: 'a' }]);
  const [leak] = events as Extract<EngineEvent, { type: 'lease_leaked' }>[];
  expect(leak?.heldMs).toBeGreaterThanOrEqual(2_000);
  expect(leak?.stack).toContain('puppet.mjs');
  expect((await engine.stats()).shards[0]?.inside?.leaked).toBe(1);
});
