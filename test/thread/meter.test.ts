import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, RequestStats } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { startEngine, verdict } from '../support/engine.js';

const NONE = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };

async function metered(engine: Engine, driver = 'echo'): Promise<RequestStats> {
  return (await engine.stats()).requests[driver]!;
}

test('each request counts once, whoever asked for it and however many tries it had', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  expect(Object.keys((await engine.stats()).requests).sort()).toEqual([
    'echo',
    'http',
    'puppet',
    'smtp',
    'ssh',
    'stdio',
  ]);
  await engine.run('echo', { key: 'a', delayMs: 20, openMs: 20 });
  await engine.run('echo', { key: 'a', fault: 'failed' });
  await engine.result('echo', { key: 'a' });
  await engine.result('echo', { key: 'b', fault: 'ERR_CONNECT' }, { attempts: 2 });
  const stream = engine.stream('echo', { key: 'a' });
  stream.end();
  for await (const _ of stream);
  expect(await stream.result).toMatchObject({ outcome: 'ok', key: 'a', attempts: 1, shard: 0 });
  const requests = [{ key: 'a' }, { key: 'b', fault: 'ERR_CONNECT' as const }, { kye: 'a' } as unknown as { key: '' }];
  for await (const _ of engine.batch('echo', requests, { attempts: 2 }));
  await engine.run('puppet', { key: 'a' });
  const { outcomes, retries, errors, run, open, queued } = await metered(engine);
  expect(outcomes).toEqual({ ...NONE, ok: 4, failed: 1, not_started: 3 });
  expect(errors).toEqual({ ERR_CONNECT: 2, ERR_INPUT: 1 });
  expect(retries).toBe(2);
  // Those of which nothing ran, and the one that nobody could read.
  expect([run.count, queued.count]).toEqual([5, 7]);
  expect(open.count).toBeGreaterThan(0);
  expect(open.sumMs).toBeGreaterThanOrEqual(15);
  expect(run.sumMs).toBeGreaterThanOrEqual(15);
  expect((await metered(engine, 'puppet')).outcomes).toEqual({ ...NONE, ok: 1 });
});

test('what is refused, called off or prewarmed: each as what it is', async () => {
  const engine = await startEngine({ drivers: [PUPPET], maxInFlight: 1, maxQueued: 1 });
  await engine.prewarm('puppet', [{ key: 'a' }]);
  const off = new AbortController();
  const held = engine.result('puppet', { key: 'a', run: 'hang' }, { signal: off.signal });
  const waiting = engine.result('puppet', { key: 'a' }, { timeoutMs: 50 });
  expect(await verdict(engine.run('puppet', { key: 'a' }))).toBe('ERR_SATURATED not_started');
  expect(await waiting).toMatchObject({ outcome: 'not_started', error: { code: 'ERR_TIMEOUT' }, shard: -1 });
  off.abort();
  await held;
  const early = engine.stream('puppet', { key: 'a' }, { signal: off.signal });
  expect(await early.result).toMatchObject({ outcome: 'canceled', shard: -1, attempts: 0 });
  const { outcomes, errors, queued } = await metered(engine, 'puppet');
  expect(outcomes).toEqual({ ...NONE, not_started: 2, canceled: 2 });
  expect(errors).toEqual({ ERR_SATURATED: 1, ERR_TIMEOUT: 1, ERR_CANCELED: 2 });
  // The one in vain, with all of its 50 ms.
  expect(queued.sumMs).toBeGreaterThanOrEqual(45);
});

test('jobs count under their own drivers, those of no driver under none; remembered answers apart', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-meter-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const engine = await startEngine({ drivers: [PUPPET], dataDir });
  const jobs = [
    { driver: 'echo', request: { key: 'a' } },
    { driver: 'puppet', request: { key: 'a' } },
  ];
  for await (const _ of engine.batches.run([...jobs, { request: { key: 'a' } }, { driver: 'ftp', request: 0 }]));
  const cache = { persist: true };
  for (let i = 0; i < 2; i++) await engine.run('echo', { key: 'a' }, { cache });
  for await (const _ of engine.batch('echo', [{ key: 'a' }], { cache: true }));
  expect(await metered(engine)).toMatchObject({ outcomes: { ...NONE, ok: 4 }, remembered: 2, run: { count: 2 } });
  expect((await metered(engine, 'puppet')).outcomes).toEqual({ ...NONE, ok: 1 });
});
