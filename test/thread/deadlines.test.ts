import type { Engine, KeylaneError } from 'keylane';
import { expect, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';
import { worstLag, worstShardLag } from '../support/loop-lag.js';

async function busy(engine: Engine, requests: number): Promise<void> {
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === requests);
}

test('200 requests with deadlines from 50 to 250 ms end in [T, T + 50 ms + the lag of the loops]', async () => {
  const engine = await startEngine({ shards: 2 });
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => engine.run('echo', { key })));
  const calls = Array.from({ length: 200 }, async (_, i) => {
    const timeoutMs = 50 + i;
    const begun = performance.now();
    const request = { key: ['a', 'b', 'c', 'd'][i % 4] as string, delayMs: i % 3 === 0 ? 60_000 : 0 };
    const error = await engine.run('echo', { ...request, fault: 'hang' }, { timeoutMs }).catch((thrown) => thrown);
    return { timeoutMs, tookMs: performance.now() - begun, error: error as KeylaneError };
  });
  const all = Promise.all(calls);
  // One key for each shard.
  const [lag, shardLag] = await Promise.all([worstLag(all), worstShardLag(engine, ['e', 'f'], all)]);
  for (const { timeoutMs, tookMs, error } of await all) {
    expect(error.code).toBe('ERR_TIMEOUT');
    expect(tookMs).toBeGreaterThanOrEqual(timeoutMs);
    expect(tookMs).toBeLessThan(timeoutMs + 50 + lag + shardLag);
  }
});

test('one deadline is over all: waiting on the main thread, for a stream, for a connection, and the run', async () => {
  const limits = { inFlightPerKey: 12, connectionsPerLane: 1 };
  const engine = await startEngine({ drivers: [PUPPET], limits });
  await engine.run('puppet', { key: 'a' });
  // 10 run, 2 wait for a stream, the others on the main thread: all end at the same deadline, each by what is known.
  const calls = Array.from({ length: 15 }, () =>
    failure(engine.run('puppet', { key: 'a', run: 'hang' }, { timeoutMs: 300 })),
  );
  const opening = failure(engine.run('puppet', { key: 'b', open: 'never' }, { timeoutMs: 300 }));
  const said = (await Promise.all([...calls, opening])).map(
    ({ code, outcome, message }) => `${code} ${outcome} ${message}`,
  );
  const times = (what: string) => said.filter((text) => text === what).length;
  expect(times('ERR_TIMEOUT unknown the deadline passed')).toBe(10);
  const noConnection = times('ERR_TIMEOUT not_started the deadline passed before a connection was open and had room');
  const waiting = times('ERR_TIMEOUT not_started the deadline passed while the request was waiting');
  // As the ten end, the main thread may hand over what waited there: its shard finds that it comes too late.
  expect(noConnection).toBeGreaterThanOrEqual(3);
  expect(noConnection + waiting).toBe(6);
});

test('a request that comes to its shard after its deadline is not run', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  await engine.run('puppet', { key: 'a' });
  const call = verdict(engine.run('puppet', { key: 'a', payload: 1 }, { timeoutMs: 20 }));
  const begun = performance.now();
  while (performance.now() - begun < 60) {}
  expect(await call).toBe('ERR_TIMEOUT not_started');
});

test('a signal that is aborted already: nothing is handed over', async () => {
  const engine = await startEngine();
  const error = await failure(engine.run('echo', { key: 'a' }, { signal: AbortSignal.abort(new Error('no')) }));
  expect(error).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled', key: 'a', cause: { message: 'no' } });
  expect((await engine.stats()).shards[0]?.inside?.keys).toBe(0);
});

test('one signal ends what waits on the main thread, what waits for a stream, what opens and what runs', async () => {
  const limits = { inFlightPerKey: 12, connectionsPerLane: 1 };
  const engine = await startEngine({ drivers: [PUPPET], limits });
  const { signal, abort } = controller();
  const calls = [
    ...Array.from({ length: 15 }, () => engine.run('puppet', { key: 'a', run: 'hang' }, { signal })),
    engine.run('puppet', { key: 'b', open: 'never' }, { signal }),
    engine.stream('puppet', { key: 'c', run: 'hang' }, { signal }).response,
  ];
  const ends = Promise.all(calls.map(verdict));
  await busy(engine, 12 + 1 + 1);
  abort();
  expect(new Set(await ends)).toEqual(new Set(['ERR_CANCELED canceled']));
  const { inFlight, queued } = await engine.stats();
  expect({ inFlight, queued }).toEqual({ inFlight: 0, queued: 0 });
  expect(await engine.run('puppet', { key: 'a', payload: 1 })).toMatchObject({ payload: 1 });
});

test('a signal that aborts when all is over changes nothing', async () => {
  const engine = await startEngine();
  const { signal, abort } = controller();
  expect(await engine.run('echo', { key: 'a', payload: 1 }, { signal })).toEqual({ payload: 1 });
  abort();
  expect(await engine.run('echo', { key: 'a', payload: 2 })).toEqual({ payload: 2 });
});

test('a canceled request whose driver is deaf is answered within the grace', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const { signal, abort } = controller();
  const call = verdict(engine.run('puppet', { key: 'a', run: 'deaf' }, { signal }));
  await busy(engine, 1);
  const begun = performance.now();
  abort();
  expect(await call).toBe('ERR_CANCELED canceled');
  // 2 s of grace; the rest is for a busy machine.
  expect(performance.now() - begun).toBeLessThan(6_000);
});

function controller(): { signal: AbortSignal; abort: () => void } {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}

test("with timeoutMs: 'auto' a request of a known key is given up after what the key takes, not after the ceiling", async () => {
  const engine = await startEngine();
  const options = { timeoutMs: 'auto', timeoutFloorMs: 100, timeoutCeilingMs: 60_000 } as const;
  for (let i = 0; i < 10; i++) await engine.run('echo', { key: 'a', delayMs: 2 }, options);
  const begun = performance.now();
  const hung = engine.run('echo', { key: 'a', fault: 'hang' }, options);
  await expect(hung).rejects.toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
  const took = performance.now() - begun;
  expect(took).toBeGreaterThanOrEqual(99);
  expect(took).toBeLessThan(10_000);
});
