import { expect, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { startEngine, until, verdict } from '../support/engine.js';
import { expectNoLeaks, held } from '../support/leaks.js';
import { runProgram } from '../support/programs/run.js';

test('close lets finish what is in flight and what waits, and takes nothing new', async () => {
  const engine = await startEngine({ maxInFlight: 2 });
  const calls = Array.from({ length: 10 }, (_, payload) => engine.run('echo', { key: 'a', payload, delayMs: 10 }));
  const closed = engine.close();
  expect(await verdict(engine.run('echo', { key: 'a' }))).toBe('ERR_CLOSED not_started');
  expect(await verdict(engine.stream('echo', { key: 'a' }).response)).toBe('ERR_CLOSED not_started');
  for await (const { error } of engine.batch('echo', [{ key: 'a' }])) expect(error?.code).toBe('ERR_CLOSED');
  expect((await engine.prewarm('echo', [{ key: 'a' }])).failed[0]?.code).toBe('ERR_CLOSED');
  expect(await Promise.all(calls)).toEqual(calls.map((_, payload) => ({ payload })));
  await closed;
  const { inFlight, queued, shards } = await engine.stats();
  expect({ inFlight, queued, states: shards.map(({ state }) => state) }).toEqual({
    inFlight: 0,
    queued: 0,
    states: ['stopped'],
  });
});

test('close cuts after closeTimeoutMs: what had left is unknown, the rest has not started', async () => {
  const engine = await startEngine({ drivers: [PUPPET], maxInFlight: 3, closeTimeoutMs: 200 });
  await engine.run('puppet', { key: 'a' });
  const calls = (['hang', 'hang-unsent', 'hang'] as const).map((run) => engine.run('puppet', { key: 'a', run }));
  const ends = Promise.all(calls.map(verdict));
  await until(
    async () => (await engine.run('puppet', { key: 'b', run: 'seen' }, { priority: 10 })).seen?.runningNow === 2,
  );
  const begun = performance.now();
  await engine.close();
  expect(performance.now() - begun).toBeGreaterThanOrEqual(199);
  expect(performance.now() - begun).toBeLessThan(3_000);
  expect(await ends).toEqual(['ERR_CLOSED unknown', 'ERR_CLOSED not_started', 'ERR_CLOSED not_started']);
});

test('destroy cuts at once, also during close, and gives its reason', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  await engine.run('puppet', { key: 'a' });
  const call = engine.run('puppet', { key: 'a', run: 'deaf' });
  const end = verdict(call);
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 1);
  const closed = engine.close();
  await engine.destroy('enough');
  await closed;
  expect(await end).toBe('ERR_CLOSED unknown');
  await expect(call).rejects.toThrow('enough');
});

test('close and destroy may be called again, in any order, and each resolves', async () => {
  const engine = await startEngine({ shards: 2 });
  await Promise.all([engine.close(), engine.close(), engine.destroy(), engine[Symbol.asyncDispose]()]);
  await Promise.all([engine.destroy(), engine.close(), engine.destroy('again')]);
  expect((await engine.stats()).shards.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
});

test('an engine leaves no thread, descriptor or timer', async () => {
  const warm = await startEngine({ shards: 2, drivers: [PUPPET] });
  await warm.run('puppet', { key: 'a' });
  await warm.close();
  const before = held();
  for (let i = 0; i < 5; i++) {
    await using engine = await startEngine({ shards: 2, drivers: [PUPPET] });
    // A thread that is cut while it imports leaves open files behind, which is Node's.
    await engine.run('puppet', { key: 'a' });
    await verdict(engine.run('puppet', { key: 'a', run: 'hang' }, { timeoutMs: 30 }));
    if (i % 2 === 0) await engine.destroy();
  }
  await expectNoLeaks(before);
});

test.each(['close', 'destroy', 'bad-driver', 'break'])('a program exits by itself after %s', async (what) => {
  const { stdout, stderr } = await runProgram('closing', [what]);
  expect({ stdout, stderr }).toEqual({ stdout: 'done\n', stderr: '' });
});
