import { createEngine, type Engine } from 'keylane';
import { expect, test } from 'vitest';
import { PUPPET, type PuppetRequest } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';

const bad = (name: string) => new URL(`../support/drivers/bad/${name}.mjs`, import.meta.url);

/** A driver of no type of ours. */
function runAny(engine: Engine, driver: string, request: unknown, timeoutMs = 60_000): Promise<unknown> {
  return engine.run(driver as 'puppet', request as PuppetRequest, { timeoutMs });
}

test.each([
  ['no-spec', 'must export `spec`'],
  ['no-load', 'must export `spec` (name, parse, ok) and `load`'],
  ['throws-on-import', 'thrown while it was imported'],
  ['is-not-there', 'cannot be imported'],
])('the module %s is refused before a thread is started, by name', async (name, says) => {
  const error = await failure(createEngine({ shards: 1, drivers: [bad(name)] }));
  expect(error).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(says);
  expect(error.message).toContain(name);
});

test('two drivers of one name are refused', async () => {
  expect((await failure(createEngine({ drivers: [PUPPET, PUPPET] }))).message).toContain('`puppet` is taken');
});

test.each([
  ['load-rejects', 'no licence'],
  ['no-driver', 'it has no `open`'],
])('with the driver %s its own requests fail, and no others', async (name, says) => {
  const engine = await startEngine({ drivers: [bad(name)] });
  const errors = await Promise.all([1, 2].map(() => failure(runAny(engine, name, { key: 'a' }))));
  for (const error of errors) expect(error).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started', key: 'a' });
  expect(errors[0]?.message).toContain(says);
  expect(await engine.run('echo', { key: 'a', payload: 1 })).toEqual({ payload: 1 });
  expect((await engine.stats()).shards[0]?.restarts).toBe(0);
});

test('a driver that never loads, and a spec that never resolves, are left at the deadline', async () => {
  const engine = await startEngine({ drivers: [bad('load-never'), bad('resolve-never')] });
  const signal = AbortSignal.timeout(100);
  const calls = [
    runAny(engine, 'load-never', { key: 'a' }, 100),
    runAny(engine, 'resolve-never', { key: 'a' }, 100),
    engine.run('resolve-never' as 'puppet', { key: 'a' }, { signal }),
  ];
  expect(await Promise.all(calls.map(verdict))).toEqual([
    'ERR_TIMEOUT not_started',
    'ERR_TIMEOUT not_started',
    'ERR_CANCELED canceled',
  ]);
});

// Whatever a driver does, its request is answered and the shard lives on: 20 other requests on other keys.
test.each<[string, Partial<PuppetRequest>, string]>([
  ['throws in open', { open: 'throw' }, 'ERR_PROTOCOL not_started'],
  ['rejects in open', { open: 'reject' }, 'ERR_PROTOCOL not_started'],
  ['throws in execute', { run: 'throw' }, 'ERR_PROTOCOL not_started'],
  ['throws undefined in execute', { run: 'throw-undefined' }, 'ERR_PROTOCOL not_started'],
  ['rejects in execute once it has sent', { run: 'reject' }, 'ERR_PROTOCOL unknown'],
  ['loses its connection while running', { run: 'lost' }, 'ERR_CONNECTION_LOST unknown'],
  ['answers with a cycle', { run: 'cycle' }, 'ERR_PROTOCOL unknown'],
  ['answers with a getter that throws', { run: 'getter' }, 'ERR_PROTOCOL unknown'],
])('a driver that %s fails its own request only', async (_, what, expected) => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const others = Array.from({ length: 20 }, (__, i) => engine.run('echo', { key: `k${i}`, payload: i, delayMs: 5 }));
  expect(await verdict(engine.run('puppet', { key: 'a', ...what }))).toBe(expected);
  expect(await Promise.all(others)).toEqual(others.map((__, payload) => ({ payload })));
  expect(await engine.run('puppet', { key: 'a', payload: 1 })).toMatchObject({ payload: 1 });
  const { inFlight, shards } = await engine.stats();
  expect(inFlight).toBe(0);
  expect(shards[0]?.restarts).toBe(0);
  expect(shards[0]?.inside?.requests).toBe(0);
});

test('an open that returns the connection itself, and not a promise of it, is as good', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  expect(await engine.run('puppet', { key: 'a', open: 'bare', payload: 1 })).toMatchObject({ payload: 1 });
});

test('a reusable that throws costs its connection, and nothing else', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  for (const connection of [1, 2, 3]) {
    expect(await engine.run('puppet', { key: 'a', reusable: 'throw' })).toMatchObject({ connection });
  }
  expect((await engine.stats()).shards[0]?.restarts).toBe(0);
});

test('a driver that ignores its signal gets a grace; then the answer goes without it and the connection is thrown away', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 1 } });
  await engine.run('puppet', { key: 'a' });
  const begun = performance.now();
  expect(await verdict(engine.run('puppet', { key: 'a', run: 'deaf' }, { timeoutMs: 200 }))).toBe(
    'ERR_TIMEOUT unknown',
  );
  // 2 s of grace; the rest is for a busy machine.
  expect(performance.now() - begun).toBeLessThan(6_000);
  expect(await engine.run('puppet', { key: 'a' })).toMatchObject({ connection: 2 });
});

test('a driver that heeds its signal keeps its connection', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 1 } });
  await engine.run('puppet', { key: 'a' });
  const calls = [
    engine.run('puppet', { key: 'a', run: 'hang' }, { timeoutMs: 200 }),
    engine.run('puppet', { key: 'a', run: 'hang-unsent' }, { timeoutMs: 200 }),
  ];
  expect(await Promise.all(calls.map(verdict))).toEqual(['ERR_TIMEOUT unknown', 'ERR_TIMEOUT not_started']);
  expect(await engine.run('puppet', { key: 'a' })).toMatchObject({ connection: 1 });
});

test('an open that never settles is given up, and its place is free again', async () => {
  const limits = { connectTimeoutMs: 100, connectionsPerShard: 1 };
  const engine = await startEngine({ drivers: [PUPPET], limits });
  expect(await verdict(engine.run('puppet', { key: 'a', open: 'never' }))).toBe('ERR_CONNECT not_started');
  expect(await engine.run('puppet', { key: 'b' })).toMatchObject({ connection: 2 });
});

test('an open that comes after it was given up is closed', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectTimeoutMs: 50 } });
  const closes: PuppetRequest['close'][] = [undefined, 'throw', 'reject'];
  const late = closes.map((close) => engine.run('puppet', { key: 'a', open: 150, ...(close ? { close } : {}) }));
  for (const call of late) expect(await verdict(call)).toBe('ERR_CONNECT not_started');
  await until(async () => (await engine.run('puppet', { key: 'b', run: 'seen' })).seen?.closes === late.length);
  expect((await engine.stats()).shards[0]?.restarts).toBe(0);
});

test.each(['never', 'throw', 'reject'] as const)(
  'a close that does %s keeps neither the place of its connection nor the engine',
  async (close) => {
    const start = () => startEngine({ drivers: [PUPPET], limits: { connectionsPerShard: 1 } });
    const engines = await Promise.all([start(), start()]);
    await Promise.all(engines.map((engine) => engine.run('puppet', { key: 'a', close })));
    // Both wait for the driver, 5 s at most: the one for the only place of its shard, the other to be over.
    const [other] = await Promise.all([engines[0].run('puppet', { key: 'b' }), engines[1].close()]);
    expect(other).toMatchObject({ connection: 2 });
  },
  20_000,
);

test('a connection that reports its end while idle is not used again', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 1 } });
  expect(await engine.run('puppet', { key: 'a', run: 'drop' })).toMatchObject({ connection: 1 });
  await until(async () => (await engine.stats()).shards[0]?.inside?.closed === 1);
  expect(await engine.run('puppet', { key: 'a' })).toMatchObject({ connection: 2 });
});

test('a peer that allows one stream a connection costs patience, and no request', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 3 } });
  const calls = Array.from({ length: 100 }, () => engine.run('puppet', { key: 'a', run: 'exceed' }));
  const connections = (await Promise.all(calls)).map(({ connection }) => connection);
  expect(new Set(connections)).toEqual(new Set([1, 2, 3]));
});

test('two failed log-ins stop a key for a while, and no other key', async () => {
  const engine = await startEngine({ drivers: [PUPPET], limits: { connectionsPerLane: 1 } });
  const tries = ['a', 'a', 'a', 'a'].map((key) => failure(engine.run('puppet', { key, open: 'auth' })));
  const first = await Promise.all(tries);
  expect(first.every(({ code, retryable }) => code === 'ERR_AUTH' && !retryable)).toBe(true);
  expect((await failure(engine.run('puppet', { key: 'a', open: 'auth' }))).message).toContain('go away');
  expect((await failure(engine.run('puppet', { key: 'a', open: 'auth' }))).message).toMatch(/not tried: 2 .* in \d+ s/);
  expect((await engine.run('puppet', { key: 'b', run: 'seen' })).seen?.opens).toBe(3);
});

test.each(['crash-in', 'crash-after'] as const)(
  'a thread that dies while it ends (%s) ends neither the program nor its patience',
  async (close) => {
    for (let round = 0; round < (process.env.KEYLANE_LONG ? 10 : 2); round++) {
      const engine = await startEngine({ drivers: [PUPPET] });
      await Promise.all(['a', 'b', 'c'].map((key) => engine.run('puppet', { key, close })));
      await engine.close();
    }
  },
  // Less than the closeTimeoutMs of one engine.
  20_000,
);

test('what a spec throws is told as ERR_INPUT, by run, stream and batch', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const nothing = null as unknown as PuppetRequest;
  const errors = [
    await failure(engine.run('puppet', nothing)),
    await failure(engine.run('puppet', nothing, { attempts: 2 })),
    await failure(engine.stream('puppet', nothing).response),
  ];
  for await (const { error } of engine.batch('puppet', [nothing])) if (error) errors.push(error);
  expect(errors.map(({ code, outcome }) => `${code} ${outcome}`)).toEqual(errors.map(() => 'ERR_INPUT not_started'));
  expect(errors).toHaveLength(4);
});

test('a response that its spec cannot read is not taken for a request that has not started', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  for await (const { outcome, error, attempts } of engine.batch('puppet', [{ key: 'a', payload: 'unreadable' }])) {
    expect({ outcome, code: error?.code, attempts }).toEqual({ outcome: 'unknown', code: 'ERR_PROTOCOL', attempts: 1 });
  }
});

test('two drivers that call a lane by the same name share no connection', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  // The lane of an echo request is its key and its openMs.
  expect(await engine.run('echo', { key: 'a', payload: 1 })).toEqual({ payload: 1 });
  expect(await engine.run('puppet', { key: 'a', exactLane: 'a 0' })).toMatchObject({ connection: 1 });
  expect(await engine.run('echo', { key: 'a', payload: 2 })).toEqual({ payload: 2 });
});
