import { describe, expect, test } from 'vitest';
import type { Input } from '../../../src/batch/source.ts';
import type { BatchOptions } from '../../../src/batch-options.ts';
import type { IndexedJob, Job, JobSource } from '../../../src/batch-types.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Result } from '../../../src/types.ts';
import { settled } from '../../support/fake-clock.ts';
import { type FakeHost, lost, readAll, refused, setUp, setUpInput } from '../../support/fake-host.ts';

/** Jobs that can be read again, as a file can; `reads` tells how often each was read. */
function sourceOf(jobs: readonly Job[], isNamed = false): { input: Input<string>; reads: number[] } {
  const reads = jobs.map(() => 0);
  const named = new Map(jobs.flatMap(({ id }, index) => (id === undefined ? [] : [[id, index] as const])));
  const from: JobSource = {
    identity: undefined,
    total: jobs.length,
    ...(isNamed && { named }),
    *read(wanted): Generator<IndexedJob> {
      for (const [index, job] of jobs.entries()) {
        if (!wanted(index)) continue;
        reads[index]!++;
        yield { index, ...job };
      }
    },
  };
  return { input: { kind: 'source', from }, reads };
}

const short = (results: readonly Result[]) => results.map(({ id, outcome, error }) => [id, error?.code ?? outcome]);
const calls = async (host: FakeHost) => {
  await settled();
  return host.keys;
};

const ALL = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const ONE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

describe('what is a request’s own', () => {
  test('it goes before what the batch says', async () => {
    const own = {
      idempotent: true,
      attempts: 2,
      priority: 5,
      labels: ['x'],
      timeoutMs: 700,
      id: 'first',
      traceparent: ONE,
    };
    const options: BatchOptions<string> = {
      ...{ attempts: 1, labels: ['y'], priority: 1, traceparent: ALL, timeoutMs: 9_000, concurrency: 1 },
      each: (_, index) => (index === 0 ? own : undefined),
    };
    const { host, batch } = setUp(['a', 'b'], options);
    const read = readAll(batch);
    await settled();
    expect(host.calls[0]).toMatchObject({ priority: 5, labels: ['x'], deadline: 700 });
    await host.answer('a', undefined, lost());
    await host.clock.advanceSettling(500);
    await host.answer('a');
    expect(host.calls[0]).toMatchObject({ priority: 1, labels: ['y'], deadline: 9_500 });
    await host.answer('b', undefined, lost());
    const { results } = await read;
    expect(results[0]).toMatchObject({ id: 'first', outcome: 'ok', attempts: 2, traceparent: ONE });
    expect(results[1]).toMatchObject({ id: '1', outcome: 'unknown', attempts: 1, traceparent: ALL });
  });

  test('a function that throws or says what is not valid costs that request only', async () => {
    const each = (request: string) => {
      if (request === 'a') throw new Error('no');
      return request === 'b' ? { attempts: 0 } : { id: 'same' };
    };
    const { host, batch } = setUp(['a', 'b', 'c', 'd'], { each });
    const read = readAll(batch);
    await host.answer('c');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['0', 'ERR_INPUT'],
      ['1', 'ERR_INPUT'],
      ['same', 'ERR_INPUT'],
      ['same', 'ok'],
    ]);
    expect(results[2]?.error?.message).toBe('the id "same" is there already');
  });

  test('a job names its driver, and one that is not there costs that job only', async () => {
    const jobs: Job[] = [{ request: 'a', driver: 'other' }, { request: 'b', driver: 'gopher' }, { request: 'c' }];
    const { host, batch } = setUpInput({ kind: 'jobs', from: jobs });
    const asked: string[] = [];
    Object.assign(host, {
      of: (driver: string) => {
        asked.push(driver);
        if (driver === 'gopher') throw new KeylaneError('ERR_INPUT', 'unknown driver');
        return host;
      },
    });
    const read = readAll(batch);
    await host.answer('a');
    await host.answer('c');
    const { results } = await read;
    expect(asked).toEqual(['other', 'gopher']);
    expect(results.map(({ index, driver, outcome }) => [index, driver, outcome])).toEqual([
      [1, 'gopher', 'not_started'],
      [0, 'other', 'ok'],
      [2, undefined, 'ok'],
    ]);
  });
});

describe('the canary', () => {
  test('the others begin when it is ok', async () => {
    const { host, batch } = setUp(['a', 'b', 'c', 'd'], { canary: 2 });
    const read = readAll(batch);
    expect(await calls(host)).toEqual(['a', 'b']);
    await host.answer('b');
    expect(await calls(host)).toEqual(['a']);
    await host.answer('a');
    expect(await calls(host)).toEqual(['c', 'd']);
    await host.answer('c', 'no');
    await host.answer('d');
    expect((await read).results).toHaveLength(4);
  });

  test('where it is not, nothing more starts and the rest says why', async () => {
    const { host, batch } = setUp(['a', 'b', 'c', 'd'], { canary: 2 });
    const read = readAll(batch);
    await host.answer('b', 'no');
    expect(await calls(host)).toEqual(['a']);
    await host.answer('a');
    const { results } = await read;
    expect(short(results).sort()).toEqual([
      ['0', 'ok'],
      ['1', 'failed'],
      ['2', 'ERR_STOPPED'],
      ['3', 'ERR_STOPPED'],
    ]);
    expect(results.find(({ index }) => index === 2)?.error?.message).toContain(
      'the canary is not ok: request 1 is failed',
    );
    expect(batch.progress).toMatchObject({ total: 4, settled: 4, state: 'stopped' });
  });
});

describe('waves', () => {
  const labels = (request: string) => (request.includes('-') ? [request.split('-')[0]!] : undefined);
  const names = ['x', 'b-1', 'a-1', 'b-2', 'a-2'];

  test.each(['an array', 'a generator', 'a source'])(
    '%s goes wave by wave, at last those without one',
    async (kind) => {
      const jobs = names.map((request) => ({ request }));
      const source = sourceOf(jobs);
      const input: Input<string> =
        kind === 'a source'
          ? source.input
          : {
              kind: 'requests',
              from:
                kind === 'an array'
                  ? names
                  : (function* () {
                      yield* names;
                    })(),
            };
      const { host, batch } = setUpInput(input, { waves: ['a', 'none has this', 'b'], labels });
      const read = readAll(batch);
      for (const wave of [['a-1', 'a-2'], ['b-1', 'b-2'], ['x']]) {
        for (const key of wave) {
          expect(await calls(host)).toEqual(wave.slice(wave.indexOf(key)));
          await host.answer(key);
        }
      }
      const { results } = await read;
      expect(results.map(({ index }) => index)).toEqual([2, 4, 1, 3, 0]);
      if (kind === 'a source') expect(Math.max(...source.reads)).toBe(2);
    },
  );

  test('enough failures in one wave, and the next ones do not begin', async () => {
    const { host, batch } = setUp(names, { waves: ['a', 'b'], labels, maxFailures: 1 });
    const read = readAll(batch);
    await settled();
    await host.answer('a-2', 'no');
    await host.answer('a-1');
    const { results } = await read;
    expect(short(results).filter(([, code]) => code === 'ERR_STOPPED')).toHaveLength(3);
    expect(host.submitted).toBe(2);
  });
});

describe('after', () => {
  const waiting = (waits: Record<string, string[]>) => ({
    each: (request: string) => ({ id: request, ...(waits[request] && { after: waits[request] }) }),
  });

  test('a request starts when all that it waits for is ok', async () => {
    const { host, batch } = setUp(['c', 'a', 'b'], waiting({ c: ['a', 'b', 'a'] }));
    const read = readAll(batch);
    expect(await calls(host)).toEqual(['a', 'b']);
    await host.answer('a');
    expect(await calls(host)).toEqual(['b']);
    await host.answer('b');
    expect(await calls(host)).toEqual(['c']);
    await host.answer('c');
    expect((await read).results.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  test('where one is not ok it does not start, and nor does what waits for it in turn', async () => {
    const { host, batch } = setUp(['a', 'b', 'c'], waiting({ b: ['a'], c: ['b'] }));
    const read = readAll(batch);
    await host.answer('a', 'no');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['a', 'failed'],
      ['b', 'ERR_STOPPED'],
      ['c', 'ERR_STOPPED'],
    ]);
    expect(results[1]?.error?.message).toBe('"a" is failed, and this request comes after it');
  });

  test('one that waits for what is not there, or in a circle, does not start', async () => {
    const { host, batch } = setUp(['a', 'b', 'c', 'd'], waiting({ a: ['nobody'], b: ['c'], c: ['b'] }));
    const read = readAll(batch);
    await host.answer('d');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['d', 'ok'],
      ['a', 'ERR_INPUT'],
      ['b', 'ERR_INPUT'],
      ['c', 'ERR_INPUT'],
    ]);
    expect(results[1]?.error?.message).toContain('"nobody", which is not in this batch');
  });

  test('one that is set free while a wave ends does not hold the next one up', async () => {
    const each = (request: string) => ({
      ...{ id: request, labels: request.startsWith('w') ? ['w'] : [] },
      after: { w1: ['w2'] }[request] ?? [],
    });
    const { host, batch } = setUp(['w1', 'w2', 'x'], { each, waves: ['w'], concurrency: 1 });
    const read = readAll(batch);
    for (const key of ['w2', 'w1', 'x']) {
      expect(await calls(host)).toEqual([key]);
      await host.answer(key);
    }
    expect((await read).results).toHaveLength(3);
  });

  test('ids that nobody gave are the places in the input', async () => {
    const each = (request: string) => (request === 'b' ? { after: ['0'] } : undefined);
    const { host, batch } = setUp(['a', 'b'], { each });
    const read = readAll(batch);
    expect(await calls(host)).toEqual(['a']);
    await host.answer('a');
    await host.answer('b');
    expect(short((await read).results)).toEqual([
      ['0', 'ok'],
      ['1', 'ok'],
    ]);
  });

  test('a source that says which ids are named is asked, and a wave does not wait for those who wait', async () => {
    const jobs: Job[] = [
      { id: 'a', request: 'a', labels: ['w'], after: ['b'] },
      { id: 'b', request: 'b' },
      { id: 'c', request: 'c', labels: ['w'] },
    ];
    const { host, batch } = setUpInput(sourceOf(jobs, true).input, { waves: ['w'] });
    const read = readAll(batch);
    for (const key of ['c', 'b', 'a']) {
      expect(await calls(host)).toEqual([key]);
      await host.answer(key);
    }
    expect((await read).results).toHaveLength(3);
  });

  test('at most 10,000 wait at once', async () => {
    const names = Array.from({ length: 10_002 }, (_, i) => (i === 10_001 ? 'last' : `h${i}`));
    const { host, batch } = setUp(names, { each: (request) => (request === 'last' ? {} : { after: ['10001'] }) });
    const read = readAll(batch);
    await settled();
    host.settle(host.calls[0]!, 'no');
    const { results } = await read;
    expect(results.filter(({ error }) => error?.code === 'ERR_INPUT').map(({ index }) => index)).toEqual([10_000]);
    expect(results).toHaveLength(10_002);
  });
});

describe('enough failures', () => {
  test('nothing more starts, what is in flight ends, and the rest has not started', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `h${i}`);
    const { host, batch } = setUp(names, { maxFailures: 2, concurrency: 3, attempts: 1 });
    const read = readAll(batch);
    await host.answer('h0', 'no');
    await host.answer('h2', undefined, refused());
    expect(await calls(host)).toEqual(['h1', 'h3']);
    await host.answer('h3');
    await host.answer('h1');
    const { results } = await read;
    expect(results).toHaveLength(10);
    expect(results.filter(({ error }) => error?.code === 'ERR_STOPPED').every(({ key }) => key !== '')).toBe(true);
    expect(batch.progress).toMatchObject({
      counts: { ok: 2, failed: 1, not_started: 7 },
      state: 'stopped',
      why: '2 of 2 failed, and `maxFailures` is 2',
    });
  });

  test('of an input whose length nobody knows the rest is not read', async () => {
    let taken = 0;
    const endless = (function* () {
      for (;;) yield `h${taken++}`;
    })();
    const { host, batch } = setUp(endless, { maxFailures: 1, concurrency: 2 });
    const read = readAll(batch);
    await host.answer('h0', 'no');
    await host.answer('h1');
    const { results } = await read;
    expect([results.length, taken]).toEqual([2, 2]);
  });
});

describe('pause, rate and drain', () => {
  test('paused, nothing starts and what is in flight ends; who waited in line goes on later, with all its time', async () => {
    const options = { concurrency: 2, concurrencyPerKey: 1, timeoutMs: 1_000 };
    const { host, batch } = setUp(['a', 'a', 'b'], options);
    const read = readAll(batch);
    expect(await calls(host)).toEqual(['a', 'b']);
    batch.pause();
    expect(batch.progress.paused).toBe(true);
    await host.answer('a');
    await host.answer('b');
    await host.clock.advanceSettling(60_000);
    expect(host.calls).toEqual([]);
    batch.resume();
    await host.answer('a');
    expect((await read).results.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
    expect(host.clock.pending).toBe(0);
  });

  test('so many start a second, those who waited for their key too', async () => {
    const names = [...new Array<string>(10).fill('a'), 'b', 'c', 'd', 'e'];
    const { host, batch } = setUp(names, { rate: 10, concurrency: 4, concurrencyPerKey: 1, timeoutMs: 0 });
    const read = readAll(batch);
    const startedAt: number[] = [];
    for (let ms = 0; ms < 3_000; ms += 10) {
      const before = host.submitted;
      await host.clock.advanceSettling(10);
      for (let i = before; i < host.submitted; i++) startedAt.push(host.clock.now());
      if (ms % 50 === 0) for (const key of host.keys) await host.answer(key);
      for (let i = startedAt.length; i < host.submitted; i++) startedAt.push(host.clock.now());
    }
    expect((await read).results).toHaveLength(14);
    for (const at of startedAt) {
      const within = startedAt.filter((other) => other >= at && other < at + 1_000).length;
      expect(within).toBeLessThanOrEqual(11);
    }
  });

  test('drained, it starts no more, and what it had taken says so', async () => {
    const { host, batch } = setUp(['a', 'a', 'b', 'c'], { concurrency: 2, concurrencyPerKey: 1 });
    const read = readAll(batch);
    expect(await calls(host)).toEqual(['a', 'b']);
    batch.drain();
    batch.drain();
    await host.answer('a');
    await host.answer('b');
    const { results } = await read;
    expect(short(results)).toEqual([
      ['0', 'ok'],
      ['1', 'ERR_CANCELED'],
      ['2', 'ok'],
    ]);
    expect(batch.progress.state).toBe('interrupted');
  });

  test('drained, what is in flight still has its other tries', async () => {
    const { host, batch } = setUp(['a', 'b'], { concurrency: 1 });
    const read = readAll(batch);
    await host.answer('a', undefined, refused());
    batch.drain();
    await host.clock.advanceSettling(500);
    await host.answer('a');
    expect(short((await read).results)).toEqual([['0', 'ok']]);
  });
});
