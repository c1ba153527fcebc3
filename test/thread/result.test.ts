import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, Result } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { failure, startEngine } from '../support/engine.js';

/** What of a result is the same each time. */
function plain({ timing, error, ...rest }: Result) {
  expect(Object.keys(timing)).toEqual(['queuedMs', 'openMs', 'runMs']);
  return { ...rest, ...(error && { code: error.code }) };
}

async function ofBatch(engine: Engine, request: object, options: object = {}): Promise<Result> {
  for await (const result of engine.batch('echo', [request as { key: string }], { attempts: 1, ...options }))
    return result;
  throw new Error('a batch of one gave no result');
}

test.each<[string, object, object, object]>([
  ['an answer yes', { key: 'a', payload: 1, openMs: 1 }, {}, { outcome: 'ok', response: { payload: 1 }, attempts: 1 }],
  ['an answer no', { key: 'b', fault: 'failed' }, {}, { outcome: 'failed', attempts: 1, shard: 0 }],
  ['a peer that cannot be reached', { key: 'c', fault: 'ERR_CONNECT' }, {}, { code: 'ERR_CONNECT', attempts: 1 }],
  ['an answer that was lost', { key: 'd', fault: 'ERR_CONNECTION_LOST' }, {}, { outcome: 'unknown' }],
  ['a request that is bad', { kye: 'e' }, {}, { outcome: 'not_started', code: 'ERR_INPUT', key: '', attempts: 0 }],
  [
    'a deadline that passes',
    { key: 'f', fault: 'hang' },
    // Long enough that each engine, whose first request it is, gets it to its peer on a busy machine.
    { timeoutMs: 400 },
    { code: 'ERR_TIMEOUT', outcome: 'unknown' },
  ],
  ['a signal that had called', { key: 'g' }, { signal: AbortSignal.abort() }, { outcome: 'canceled', attempts: 0 }],
  ['two tries', { key: 'h', fault: 'ERR_CONNECT' }, { attempts: 2 }, { attempts: 2, history: [expect.anything()] }],
])('%s is the same result alone as in a batch', async (_, request, options, says) => {
  const [one, other] = await Promise.all([startEngine(), startEngine()]);
  const alone = plain(await one.result('echo', request as { key: string }, options));
  expect(alone).toMatchObject({ index: 0, id: '0', request, cache: 'none', ...says });
  if (!('signal' in options)) expect(alone).toEqual(plain(await ofBatch(other, request, options)));
});

test('a result tells that its connection had served before, its shard and its times', async () => {
  const engine = await startEngine();
  const first = await engine.result('echo', { key: 'a', openMs: 20, delayMs: 20 });
  expect(first).toMatchObject({ reused: false, shard: 0 });
  expect(first.timing.openMs).toBeGreaterThanOrEqual(15);
  expect(first.timing.runMs).toBeGreaterThanOrEqual(15);
  expect(await engine.result('echo', { key: 'a', openMs: 20, delayMs: 20 })).toMatchObject({
    reused: true,
    timing: { openMs: 0 },
  });
});

test('a result tells whether its answer was remembered, in the shard and on disk', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-result-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const engine = await startEngine({ dataDir });
  const cached = { cache: true };
  expect(await engine.result('echo', { key: 'a' }, cached)).toMatchObject({ cache: 'miss', attempts: 1 });
  expect(await engine.result('echo', { key: 'a' }, cached)).toMatchObject({
    ...{ cache: 'hit', attempts: 0, cached: { level: 'shard', ageMs: expect.any(Number) } },
  });
  const persist = { cache: { persist: true, operation: 'kept' } };
  expect(await engine.result('echo', { key: 'a' }, persist)).toMatchObject({ cache: 'miss' });
  await engine.close();
  const later = await startEngine({ dataDir });
  expect(await later.result('echo', { key: 'a' }, persist)).toMatchObject({
    ...{ outcome: 'ok', key: 'a', shard: -1, attempts: 0, cache: 'hit', cached: { level: 'disk' } },
  });
});

test('who asked comes back with the result, however that was come by', async () => {
  const engine = await startEngine();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const asked = [
    engine.result('echo', { key: 'a' }, { traceparent }),
    engine.result('echo', { key: 'a', fault: 'ERR_CONNECT' }, { traceparent, attempts: 2 }),
    engine.result('echo', {} as { key: string }, { traceparent }),
    engine.stream('echo', { key: 'a' }, { traceparent, signal: AbortSignal.abort() }).result,
    ofBatch(engine, { key: 'a' }, { traceparent }),
    ofBatch(engine, { kye: 'a' }, { each: () => ({ traceparent }) }),
  ];
  for (const result of await Promise.all(asked)) expect(result).toMatchObject({ traceparent });
  expect(await engine.result('echo', { key: 'a' })).not.toHaveProperty('traceparent');
  expect(await engine.run('echo', { key: 'a', payload: 1 }, { traceparent })).toEqual({ payload: 1 });
});

test('a bad option and a driver that is not there are the caller’s mistake, and no result', async () => {
  const engine = await startEngine();
  expect(await failure(engine.result('echo', { key: 'a' }, { timeoutMs: -1 }))).toMatchObject({ code: 'ERR_INPUT' });
  const unknown = failure(engine.result('ftp' as 'echo', { key: 'a' }));
  expect((await unknown).message).toContain('unknown driver `ftp`');
});

test('what comes after close is told ERR_CLOSED, whatever there is to do for it', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  await engine.close();
  for (const options of [undefined, { attempts: 3 }, { cache: { persist: true } }, { timeoutMs: 'auto' as const }]) {
    const result = await engine.result('echo', { key: 'a' }, options);
    expect(result).toMatchObject({ outcome: 'not_started', attempts: 0, shard: -1, error: { code: 'ERR_CLOSED' } });
    expect(await failure(engine.run('echo', { key: 'a' }, options))).toMatchObject({ code: 'ERR_CLOSED' });
  }
  // Not looked for in a data directory that is closed.
  const ofAccount = { account: 'web', command: 'uptime' };
  expect(await engine.result('ssh', ofAccount)).toMatchObject({ error: { code: 'ERR_CLOSED' } });
});

test('what is in flight when the engine is cut is a result too', async () => {
  const engine = await startEngine({ drivers: [PUPPET], maxInFlight: 1 });
  const held = engine.result('puppet', { key: 'a', run: 'hang' });
  const waiting = engine.result('puppet', { key: 'a' });
  await engine.destroy('enough');
  expect(await waiting).toMatchObject({
    ...{ outcome: 'not_started', shard: -1, error: { code: 'ERR_CLOSED', message: expect.stringContaining('enough') } },
  });
  expect(await held).toMatchObject({ error: { code: 'ERR_CLOSED' } });
});
