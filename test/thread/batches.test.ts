import { KeylaneError, type Result } from 'keylane';
import { expect, test } from 'vitest';
import { FLOOD, PUPPET } from '../support/drivers/own.js';
import { failure, startEngine, until } from '../support/engine.js';

/** A, B, A, B …: so many requests in all, counted as they are taken. */
function counted(requests: number, delayMs = 0) {
  const state = { taken: 0, closed: false };
  function* input() {
    try {
      for (; state.taken < requests; state.taken++)
        yield { key: `k${state.taken % 10}`, payload: state.taken, delayMs };
    } finally {
      state.closed = true;
    }
  }
  return { state, input: input() };
}

test('breaking out of an endless batch ends what runs, closes the input, and leaves nothing behind', async () => {
  const engine = await startEngine({ shards: 2, drivers: [PUPPET] });
  const { state, input } = counted(Number.POSITIVE_INFINITY, 5);
  for await (const { index } of engine.batch('echo', input, { concurrency: 100 })) if (index >= 300) break;
  // The loop is left only when nothing of the batch runs any more.
  const { inFlight, queued, shards } = await engine.stats();
  expect({ inFlight, queued, closed: state.closed }).toEqual({ inFlight: 0, queued: 0, closed: true });
  expect(shards.map(({ inside }) => inside?.requests)).toEqual([0, 0]);
  const taken = state.taken;
  await engine.run('echo', { key: 'a', delayMs: 20 });
  expect(state.taken).toBe(taken);
});

test('leaving a batch waits for an input that never answers no longer than for its requests', async () => {
  const engine = await startEngine();
  const silent = (async function* () {
    yield { key: 'a' };
    await new Promise(() => {});
  })();
  for await (const { outcome } of engine.batch('echo', silent)) {
    expect(outcome).toBe('ok');
    break;
  }
});

test('the slower the reader, the fewer are taken: in flight and unread are at most the concurrency', async () => {
  const engine = await startEngine({ shards: 2 });
  const { state, input } = counted(10_000);
  let read = 0;
  for await (const { outcome } of engine.batch('echo', input, { concurrency: 20 })) {
    expect(outcome).toBe('ok');
    read++;
    if (read % 50 === 0) await engine.run('echo', { key: 'pause', delayMs: 5 });
    expect(state.taken - read).toBeLessThanOrEqual(20);
    if (read === 1_000) break;
  }
});

test('many readers of one batch get each result once', async () => {
  const engine = await startEngine();
  const batch = engine.batch('echo', counted(1_000, 1).input, { concurrency: 50 });
  const seen: number[] = [];
  const reader = async () => {
    for (let next = await batch.next(); !next.done; next = await batch.next()) seen.push(next.value.index);
  };
  await Promise.all([reader(), reader(), reader()]);
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
});

test('concurrencyPerKey holds in the shard, and a deadline counts while an item waits for it', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const requests = Array.from({ length: 30 }, (_, i) => ({ key: `k${i % 3}`, run: 2 }));
  for await (const { outcome } of engine.batch('puppet', requests, { concurrencyPerKey: 1 }))
    expect(outcome).toBe('ok');
  expect((await engine.run('puppet', { key: 'k0', run: 'seen' })).seen?.mostRunning).toBeLessThanOrEqual(3);

  const hang = Array.from({ length: 3 }, () => ({ key: 'a', run: 'hang' as const }));
  const ends: string[] = [];
  const begun = performance.now();
  const options = { concurrencyPerKey: 1, timeoutMs: 200, attempts: 1 };
  for await (const { error } of engine.batch('puppet', hang, options)) ends.push(`${error?.code} ${error?.outcome}`);
  expect(ends.sort()).toEqual(['ERR_TIMEOUT not_started', 'ERR_TIMEOUT not_started', 'ERR_TIMEOUT unknown']);
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test('every chunk of every item comes before its result, in order, and exact', async () => {
  const engine = await startEngine({ shards: 2, drivers: [FLOOD] });
  const bytes = 3 * 1024 * 1024;
  const requests = Array.from({ length: 8 }, (_, i) => ({ key: `k${i}`, bytes }));
  const counts = requests.map(() => 0);
  const { createHash } = await import('node:crypto');
  const hashes = requests.map(() => createHash('sha256'));
  const onChunk = (index: number, { data }: { data: Buffer }) => {
    counts[index] = (counts[index] ?? 0) + data.length;
    hashes[index]?.update(data);
  };
  for await (const { index, response } of engine.batch('flood', requests, { onChunk })) {
    expect(counts[index]).toBe(bytes);
    expect(hashes[index]?.digest('hex')).toBe(response?.sha256);
  }
});

test('a throw in onChunk or onStart ends the batch with that error, and the engine serves on', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const boom = () => {
    throw new Error('boom');
  };
  const requests = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, bytes: 100_000 }));
  for (const options of [{ onChunk: boom }, { onStart: boom }]) {
    const read = async () => {
      for await (const _ of engine.batch('flood', requests, { ...options, concurrency: 5 }));
    };
    await expect(read()).rejects.toThrow('boom');
    await until(async () => (await engine.stats()).inFlight === 0);
  }
  expect(await engine.run('echo', { key: 'a', payload: 1 })).toEqual({ payload: 1 });
});

test('a signal ends a batch: every item that was taken is told, and none is lost', async () => {
  const engine = await startEngine();
  const controller = new AbortController();
  const { state, input } = counted(Number.POSITIVE_INFINITY, 5);
  const results: Result[] = [];
  for await (const result of engine.batch('echo', input, { concurrency: 30, signal: controller.signal })) {
    results.push(result);
    if (results.length === 100) controller.abort();
  }
  expect(results.map(({ index }) => index).sort((a, b) => a - b)).toEqual(results.map((_, i) => i));
  expect(results.length).toBeGreaterThanOrEqual(state.taken);
  expect(new Set(results.slice(130).map(({ outcome }) => outcome)).size).toBeLessThanOrEqual(1);
  expect((await engine.stats()).inFlight).toBe(0);
});

test('what may be tried again is, what may not is not, and the tries are told', async () => {
  const engine = await startEngine();
  const requests = (['ERR_CONNECT', 'ERR_CONNECTION_LOST', 'ERR_HOST_KEY', 'failed'] as const).map((fault) => ({
    key: fault,
    fault,
  }));
  const tell = async (idempotent: boolean) => {
    const told: Record<string, string> = {};
    for await (const { key, outcome, attempts, history } of engine.batch('echo', requests, {
      attempts: 2,
      idempotent,
    })) {
      told[key] = `${outcome} ${attempts} ${history.map(({ code }) => code).join()}`.trim();
    }
    return told;
  };
  const once = { ERR_CONNECT: 'not_started 2 ERR_CONNECT', ERR_HOST_KEY: 'not_started 1', failed: 'failed 1' };
  expect(await tell(false)).toEqual({ ...once, ERR_CONNECTION_LOST: 'unknown 1' });
  expect(await tell(true)).toEqual({ ...once, ERR_CONNECTION_LOST: 'unknown 2 ERR_CONNECTION_LOST' });
});

test('the books balance: what was submitted is the sum of the outcomes', async () => {
  const engine = await startEngine({ shards: 2, limits: { inFlightPerKey: 20 } });
  const faults = [undefined, 'failed', 'ERR_CONNECT', 'ERR_CONNECTION_LOST', 'hang', 'ERR_PROTOCOL'] as const;
  const requests = Array.from({ length: 600 }, (_, i) => {
    const fault = faults[i % faults.length];
    return { key: `k${i % 7}-${fault}`, delayMs: i % 4, ...(fault ? { fault } : {}) };
  });
  const outcomes: Record<string, number> = {};
  for await (const { outcome, error, response } of engine.batch('echo', requests, { attempts: 1, timeoutMs: 1_500 })) {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    expect(error instanceof KeylaneError).toBe(response === undefined);
  }
  expect(outcomes).toEqual({ ok: 100, failed: 100, not_started: 100, unknown: 300 });
  const { inFlight, queued } = await engine.stats();
  expect({ inFlight, queued }).toEqual({ inFlight: 0, queued: 0 });
});

test('an earlier try that may have run is not forgotten when a later one could not start', async () => {
  const engine = await startEngine({ drivers: [PUPPET] });
  const options = { attempts: 3, idempotent: true };
  const call = failure(engine.run('puppet', { key: 'a', run: 'lost' }, options));
  const results: string[] = [];
  const batch = engine.batch('puppet', [{ key: 'a', run: 'lost' as const }], options);
  const reading = (async () => {
    for await (const { outcome, attempts } of batch) results.push(`${outcome} ${attempts}`);
  })();
  // The first tries are over; the next ones wait, and find a closed engine.
  await until(async () => (await engine.stats()).shards[0]?.inside?.opened === 2);
  await until(async () => (await engine.stats()).inFlight === 0);
  await engine.destroy();
  expect(await call).toMatchObject({ outcome: 'unknown' });
  await reading;
  expect(results).toHaveLength(1);
  expect(results[0]).toMatch(/^unknown [123]$/);
});

test('an error in place of a job is the result of that one, and the others run', async () => {
  const engine = await startEngine();
  const bad = new KeylaneError('ERR_INPUT', 'line 2 is not JSON');
  const jobs = [{ request: { key: 'a' } }, bad, { id: 'c', request: { key: 'c' } }];
  const found: Result[] = [];
  for await (const result of engine.batches.run(jobs, { driver: 'echo' })) found.push(result);
  expect(found.map(({ index, id, outcome, error }) => [index, id, outcome, error]).sort()).toEqual([
    [0, '0', 'ok', undefined],
    [1, '1', 'not_started', bad],
    [2, 'c', 'ok', undefined],
  ]);
});

test('whoever gives a promise for live output holds the peer back until it resolves', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const bytes = 16 * 1024 * 1024;
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let taken = 0;
  const onChunk = (_: number, { data }: { data: Buffer }) => {
    taken += data.length;
    return gate;
  };
  const first = engine.batch('flood', [{ key: 'a', bytes }], { onChunk }).next();
  let before = -1;
  await until(async () => {
    const isStill = taken === before && taken > 0;
    before = taken;
    await engine.stats();
    return isStill;
  });
  expect(taken).toBeLessThan(bytes / 4);
  open();
  expect((await first).value).toMatchObject({ outcome: 'ok' });
  expect(taken).toBe(bytes);
});
