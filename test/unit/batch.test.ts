import { describe, expect, test } from 'vitest';
import { Batch } from '../../src/batch/batch.ts';
import { KeylaneError } from '../../src/errors.ts';
import { settled } from '../support/fake-clock.ts';
import { FakeHost, lost, outcomes, type Requests, readAll, refused, setUp } from '../support/fake-host.ts';

/** An endless input that counts what was taken, and whether it was told to end. */
function endless({ isAsync = false } = {}) {
  const seen = { taken: 0, returned: 0 };
  const next = () => ({ done: false as const, value: `h${seen.taken++}` });
  const over = () => {
    seen.returned++;
    return { done: true as const, value: undefined };
  };
  const input: Requests = isAsync
    ? { [Symbol.asyncIterator]: () => ({ next: async () => next(), return: async () => over() }) }
    : { [Symbol.iterator]: () => ({ next, return: over }) };
  return { seen, input };
}

describe('results', () => {
  test('they come in the order they settle, with their place in the input', async () => {
    const { host, batch } = setUp(['a', 'b', 'c']);
    const read = readAll(batch);
    for (const [key, response] of [
      ['c', 'yes'],
      ['a', 'no'],
    ] as const)
      await host.answer(key, response);
    await host.answer('b', undefined, new KeylaneError('ERR_AUTH'));
    const { results, error } = await read;
    expect(error).toBeUndefined();
    expect(results.map(({ index, request, outcome }) => [index, request, outcome])).toEqual([
      [2, 'c', 'ok'],
      [0, 'a', 'failed'],
      [1, 'b', 'not_started'],
    ]);
    expect(results[1]).toMatchObject({ key: 'a', response: 'no', attempts: 1, history: [] });
    expect(results[2]).not.toHaveProperty('response');
  });

  test('a bad request costs one result, without an attempt', async () => {
    const { host, batch } = setUp(['a', 'bad', 'c']);
    const read = readAll(batch);
    await host.answer('a');
    await host.answer('c');
    const { results } = await read;
    const bad = results.find(({ request }) => request === 'bad');
    expect(results).toHaveLength(3);
    expect(bad).toMatchObject({ index: 1, key: '', outcome: 'not_started', attempts: 0, shard: -1 });
    expect(bad?.error).toMatchObject({ code: 'ERR_INPUT', message: 'bad is no host' });
    expect(host.submitted).toBe(2);
  });

  test('an empty input ends at once', async () => {
    expect(await readAll(setUp([]).batch)).toEqual({ results: [], error: undefined });
  });

  test('two readers at once each get a result, and both hear of the end', async () => {
    const { host, batch } = setUp(['a', 'b']);
    const reads = [batch.next(), batch.next(), batch.next(), batch.next()];
    await host.answer('a');
    await host.answer('b');
    const answers = await Promise.all(reads);
    expect(answers.map(({ done }) => done).sort()).toEqual([false, false, true, true]);
  });
});

describe('the bound', () => {
  for (const isAsync of [false, true]) {
    const kind = isAsync ? 'an asynchronous' : 'a synchronous';
    test(`nothing is taken from ${kind} endless input before it can start`, async () => {
      const { seen, input } = endless({ isAsync });
      const { host, batch } = setUp(input, { concurrency: 3 });
      expect(seen.taken).toBe(0);
      const first = batch.next();
      await settled();
      expect(host.keys).toEqual(['h0', 'h1', 'h2']);
      await host.answer('h1');
      expect((await first).value?.request).toBe('h1');
      await settled();
      expect(seen.taken).toBe(4);
      await batch.return();
      expect(seen).toEqual({ taken: 4, returned: 1 });
    });
  }

  test('what is in flight and what is unread are together at most the concurrency', async () => {
    const { seen, input } = endless();
    const { host, batch } = setUp(input, { concurrency: 4 });
    const first = batch.next();
    await settled();
    for (const key of ['h0', 'h1', 'h2']) await host.answer(key);
    await first;
    await settled();
    // h1 and h2 wait to be read: two may be in flight, the one that was read has made room for h4.
    expect(host.keys).toEqual(['h3', 'h4']);
    expect(seen.taken).toBe(5);
    await host.answer('h3');
    await host.answer('h4');
    expect(host.keys).toEqual([]);
    await batch.next();
    await settled();
    expect(host.keys).toEqual(['h5']);
    await batch.return();
  });

  test('a key has at most its own bound in flight, the others go on', async () => {
    const { host, batch } = setUp(['a', 'a', 'a', 'b'], { concurrencyPerKey: 2 });
    const read = readAll(batch);
    await settled();
    expect(host.keys.sort()).toEqual(['a', 'a', 'b']);
    await host.answer('a');
    expect(host.keys.sort()).toEqual(['a', 'a', 'b']);
    for (const key of ['a', 'a', 'b']) await host.answer(key);
    expect(outcomes((await read).results)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });
});

describe('what has no room waits its turn', () => {
  test('a key that hangs does not keep the others out', async () => {
    const requests = [...new Array<string>(30).fill('a'), 'b', 'c', 'd'];
    const { host, batch } = setUp(requests, { concurrency: 10, concurrencyPerKey: 2 });
    const read = readAll(batch);
    await settled();
    expect(host.keys).toEqual(['a', 'a', 'b', 'c', 'd']);
    for (const key of requests) await host.answer(key);
    expect((await read).results).toHaveLength(33);
  });

  test('at most four times the concurrency waits, so an endless input of one key is fine', async () => {
    let taken = 0;
    const input = (function* () {
      for (;;) {
        taken++;
        yield 'a';
      }
    })();
    const { host, batch } = setUp(input, { concurrency: 10, concurrencyPerKey: 3 });
    const first = batch.next();
    await settled();
    expect([host.keys.length, taken]).toEqual([3, 43]);
    await host.answer('a');
    await first;
    await batch.return();
  });

  test('what waits ends at its deadline, in time, and without an attempt', async () => {
    const { host, batch } = setUp(['a', 'a'], { concurrencyPerKey: 1, timeoutMs: 1_000 });
    const read = readAll(batch);
    await settled();
    await host.clock.advanceSettling(1_016);
    await host.answer('a');
    const { results } = await read;
    expect(results[0]).toMatchObject({ index: 1, key: 'a', outcome: 'not_started', attempts: 0 });
    expect(results[0]?.error).toMatchObject({ code: 'ERR_TIMEOUT', key: 'a' });
    expect(results[1]).toMatchObject({ index: 0, outcome: 'ok' });
    expect(host.clock.pending).toBe(0);
  });

  test('leaving the loop calls off what waits', async () => {
    const { host, batch } = setUp(new Array<string>(9).fill('a'), { concurrencyPerKey: 1, timeoutMs: 1_000 });
    void batch.next();
    await settled();
    await batch.return();
    expect([host.calls.length, host.submitted, host.clock.pending]).toEqual([0, 1, 0]);
  });

  test('keys that have waited take turns', async () => {
    const requests = ['a', 'b', 'a', 'a', 'b', 'b'];
    const { host, batch } = setUp(requests, { concurrency: 2, concurrencyPerKey: 1 });
    const read = readAll(batch);
    await settled();
    for (const key of ['b', 'a', 'b', 'a', 'a', 'b']) await host.answer(key);
    expect((await read).results).toHaveLength(6);
  });
});

describe('by default the concurrency is learned', () => {
  test('a fleet begins with 200 in flight, and one key with 32', async () => {
    const fleet = setUp(endless().input);
    void fleet.batch.next();
    const one = setUp(new Array<string>(100).fill('a'));
    void one.batch.next();
    await settled();
    expect([fleet.host.keys.length, one.host.keys.length]).toEqual([200, 32]);
    await fleet.batch.return();
    await one.batch.return();
  });

  test('it never asks for more than the engine has room for', async () => {
    const { input } = endless();
    const host = Object.assign(new FakeHost(), { most: 20 });
    const batch = new Batch<string, string>(host, { kind: 'requests', from: input }, {});
    void batch.next();
    await settled();
    expect(host.keys.length).toBe(20);
    await batch.return();
  });

  test('refusals cut down the key that refuses, and no other', async () => {
    const requests = [...new Array<string>(100).fill('a'), ...new Array<string>(100).fill('b')];
    const { host, batch } = setUp(requests, { attempts: 1 });
    const read = readAll(batch);
    const inFlight = (key: string) => host.keys.filter((one) => one === key).length;
    for (let i = 0; i < 8; i++) {
      await host.clock.advanceSettling(10);
      for (let left = inFlight('a'); left > 0 && host.keys.includes('a'); left--) {
        await host.answer('a', undefined, refused());
      }
    }
    await settled();
    expect(inFlight('a')).toBeLessThanOrEqual(8);
    expect(inFlight('b')).toBe(32);
    await batch.return();
    await read;
  });

  test('who waits for the next try gives its place to another, but keeps it where the concurrency is given', async () => {
    for (const [concurrency, taken] of [
      ['auto', 2],
      [1, 1],
    ] as const) {
      const { seen, input } = endless();
      const host = Object.assign(new FakeHost(), { most: 1 });
      const batch = new Batch<string, string>(host, { kind: 'requests', from: input }, { concurrency });
      void batch.next();
      await host.answer('h0', undefined, refused());
      expect(seen.taken).toBe(taken);
      await batch.return();
    }
  });
});

describe("timeoutMs: 'auto'", () => {
  test('each try has as long as the key took before, the request as long as the ceiling', async () => {
    const options = { timeoutMs: 'auto', timeoutFloorMs: 100, timeoutCeilingMs: 10_000, concurrency: 1 } as const;
    const { host, batch } = setUp(['a', 'a'], { ...options, idempotent: true });
    const read = readAll(batch);
    await settled();
    expect(host.calls[0]?.deadline).toBe(10_000);
    Object.assign(host.calls[0]!, { runUs: 200_000, shard: 0 });
    await host.answer('a');
    expect(host.calls[0]?.deadline).toBe(600);
    const timedOut = new KeylaneError('ERR_TIMEOUT', 'late', { outcome: 'unknown' });
    host.calls[0]!.shard = 0;
    await host.answer('a', undefined, timedOut);
    await host.clock.advanceSettling(500);
    expect(host.calls[0]?.deadline).toBeGreaterThan(500 + 600);
    await host.answer('a');
    expect((await read).results[1]).toMatchObject({ outcome: 'ok', attempts: 2 });
  });
});

describe('the end', () => {
  test('leaving the loop cancels the rest, waits until it is over, and ends the input', async () => {
    const { seen, input } = endless();
    const { host, batch } = setUp(input, { concurrency: 3 });
    const loop = (async () => {
      for await (const _ of batch) break;
    })();
    await host.answer('h0');
    await loop;
    expect(host.calls).toEqual([]);
    expect(seen.returned).toBe(1);
    expect(await batch.next()).toEqual({ done: true, value: undefined });
  });

  test('leaving waits for a call that is slow to settle', async () => {
    const { host, batch } = setUp(['a']);
    const slow = Object.assign(host, { settle: () => {} });
    void batch.next();
    await settled();
    let left = false;
    const leaving = batch.return().then(() => {
      left = true;
    });
    await settled();
    expect(left).toBe(false);
    slow.calls[0]?.settle(undefined, new KeylaneError('ERR_CANCELED'));
    await leaving;
  });

  test('an input that throws ends the loop with its error, after what is in flight', async () => {
    const broken = new Error('the file is gone');
    const { host, batch } = setUp(
      (function* () {
        yield 'a';
        throw broken;
      })(),
    );
    const read = readAll(batch);
    await host.answer('a');
    const { results, error } = await read;
    expect(outcomes(results)).toEqual(['ok']);
    expect(error).toBe(broken);
  });

  test('a signal that aborted before takes nothing from the input', async () => {
    const { seen, input } = endless();
    const { host, batch } = setUp(input, { signal: AbortSignal.abort() });
    expect(await readAll(batch)).toEqual({ results: [], error: undefined });
    expect([seen.taken, host.submitted]).toEqual([0, 0]);
  });

  test('a signal that aborts settles what is in flight as canceled and ends the loop', async () => {
    const controller = new AbortController();
    const { seen, input } = endless();
    const { batch } = setUp(input, { signal: controller.signal, concurrency: 2 });
    const read = readAll(batch);
    await settled();
    controller.abort();
    const { results, error } = await read;
    expect(outcomes(results)).toEqual(['canceled', 'canceled']);
    expect(error).toBeUndefined();
    expect(seen).toEqual({ taken: 2, returned: 1 });
  });

  test('a signal ends a batch whose input never answers', async () => {
    const controller = new AbortController();
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const { batch } = setUp(silent, { signal: controller.signal });
    const read = readAll(batch);
    await settled();
    controller.abort();
    expect(await read).toEqual({ results: [], error: undefined });
  });

  test('an input may abort the batch from inside itself', async () => {
    const controller = new AbortController();
    const { batch } = setUp(
      (function* () {
        yield 'a';
        // A generator that runs cannot be told to end: its `return` throws.
        controller.abort();
        yield 'b';
      })(),
      { signal: controller.signal },
    );
    const { results, error } = await readAll(batch);
    expect(error).toBeUndefined();
    expect(outcomes(results)).toContain('canceled');
    await settled();
  });

  test('an input whose own ending throws does not keep what is in flight from being canceled', async () => {
    const input = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false as const, value: 'a' }),
        return: () => {
          throw new Error('cannot end');
        },
      }),
    };
    const { host, batch } = setUp(input, { concurrency: 1 });
    void batch.next();
    await settled();
    expect(await batch.return()).toEqual({ done: true, value: undefined });
    expect(host.calls).toEqual([]);
  });
});

describe("the caller's functions", () => {
  test('onStart hears of each request, onChunk of its pieces, and the pieces are taken', async () => {
    const heard: unknown[] = [];
    const { host, batch } = setUp(['a', 'b'], {
      onStart: (index, request) => heard.push([index, request]),
      onChunk: (index, { data }) => heard.push([index, data.toString()]),
    });
    const read = readAll(batch);
    await settled();
    const [, second] = host.calls;
    second?.events.chunk?.({ channel: 'stdout', data: Buffer.from('piece') }, second);
    await host.answer('a');
    await host.answer('b');
    await read;
    expect(heard).toEqual([
      [0, 'a'],
      [1, 'b'],
      [1, 'piece'],
    ]);
    expect(host.credits).toEqual([5]);
  });

  test('onChunk that throws cancels the rest and ends the loop with that error', async () => {
    const thrown = new Error('the disk is full');
    const onChunk = () => {
      throw thrown;
    };
    const { host, batch } = setUp(['a', 'b'], { onChunk });
    const read = readAll(batch);
    await settled();
    const [call] = host.calls;
    call?.events.chunk?.({ channel: 'stdout', data: Buffer.from('piece') }, call);
    const { results, error } = await read;
    expect(error).toBe(thrown);
    expect(outcomes(results)).toEqual(['canceled', 'canceled']);
  });

  test('onStart that throws starts nothing more and ends the loop with that error', async () => {
    const thrown = new Error('no');
    const { seen, input } = endless();
    const onStart = (index: number) => {
      if (index === 1) throw thrown;
    };
    const { host, batch } = setUp(input, { onStart });
    const { error } = await readAll(batch);
    expect(error).toBe(thrown);
    expect([seen.taken, host.calls.length]).toEqual([2, 0]);
  });
});

describe('retries', () => {
  test('what is retryable is tried again, up to the attempts, and the history tells of it', async () => {
    const { host, batch } = setUp(['a'], { attempts: 3 });
    const read = readAll(batch);
    for (const wait of [500, 1_000]) {
      await host.answer('a', undefined, refused());
      await host.clock.advanceSettling(wait - 1);
      expect(host.calls).toEqual([]);
      await host.clock.advanceSettling(1);
    }
    await host.answer('a', undefined, refused());
    const { results } = await read;
    expect(results[0]).toMatchObject({ outcome: 'not_started', attempts: 3 });
    expect(results[0]?.history.map(({ code }) => code)).toEqual(['ERR_CONNECT', 'ERR_CONNECT']);
  });

  test('a try that succeeds ends it', async () => {
    const { host, batch } = setUp(['a']);
    const read = readAll(batch);
    await host.answer('a', undefined, refused());
    await host.clock.advanceSettling(500);
    await host.answer('a');
    expect((await read).results[0]).toMatchObject({ outcome: 'ok', attempts: 2, history: [{ code: 'ERR_CONNECT' }] });
  });

  test('unknown is tried again only where twice does no harm, failed never', async () => {
    for (const [idempotent, attempts] of [
      [false, 1],
      [true, 2],
    ] as const) {
      const { host, batch } = setUp(['a', 'b'], { idempotent });
      const read = readAll(batch);
      await host.answer('a', undefined, lost());
      await host.answer('b', 'no');
      await host.clock.advanceSettling(500);
      if (idempotent) await host.answer('a');
      const byKey = new Map((await read).results.map((result) => [result.key, result]));
      expect(byKey.get('a')).toMatchObject({ attempts, outcome: idempotent ? 'ok' : 'unknown' });
      expect(byKey.get('b')).toMatchObject({ attempts: 1, outcome: 'failed' });
    }
  });

  test('a retry that cannot be handed over leaves the result of the try before', async () => {
    const { host, batch } = setUp(['a'], { idempotent: true });
    const read = readAll(batch);
    await host.answer('a', undefined, lost());
    host.refusal = new KeylaneError('ERR_SHARD_UNAVAILABLE');
    await host.clock.advanceSettling(1_500);
    // It may have run: `not_started`, of the refusal, would be a lie.
    expect((await read).results[0]).toMatchObject({ outcome: 'unknown', attempts: 1, history: [] });
  });

  test('a first try that cannot be handed over is a result without an attempt', async () => {
    const { host, batch } = setUp(['a']);
    host.refusal = new KeylaneError('ERR_SHARD_UNAVAILABLE');
    const read = readAll(batch);
    await host.clock.advanceSettling(1_500);
    const { results } = await read;
    expect(results[0]).toMatchObject({ key: 'a', outcome: 'not_started', attempts: 0 });
  });

  test('a first try that cannot be handed over is tried again', async () => {
    const { host, batch } = setUp(['a']);
    host.refusal = new KeylaneError('ERR_SHARD_UNAVAILABLE');
    const read = readAll(batch);
    await settled();
    host.refusal = undefined;
    await host.clock.advanceSettling(500);
    await host.answer('a');
    expect((await read).results[0]).toMatchObject({ outcome: 'ok', attempts: 1, history: [] });
  });

  test('those that wait for a dead host take a tenth of the places from the others, and all where nobody else comes', async () => {
    const open = () => new KeylaneError('ERR_BREAKER_OPEN', 'not tried', { retryAfterMs: 20_000 });
    const dead = Array.from({ length: 20 }, (_, i) => `dead-${i}`);
    for (const [last, waiting] of [
      [endless().input as Iterable<string>, 3],
      [[], 20],
    ] as const) {
      const requests = function* () {
        yield* dead;
        yield* last;
      };
      const { host, batch } = setUp(requests(), { concurrency: 21 });
      const settledOnes: string[] = [];
      const read = (async () => {
        for await (const { request } of batch) settledOnes.push(request);
      })();
      await settled();
      for (const key of dead) await host.answer(key, undefined, open());
      expect(dead.length - settledOnes.length).toBe(waiting);
      await batch.return();
      await read;
      expect(host.clock.pending).toBe(0);
    }
  });

  test('leaving the loop ends the wait for the next try', async () => {
    const { host, batch } = setUp(['a']);
    void batch.next();
    await host.answer('a', undefined, refused());
    expect(host.clock.pending).toBe(1);
    await batch.return();
    expect(host.clock.pending).toBe(0);
    expect(host.submitted).toBe(1);
  });
});
