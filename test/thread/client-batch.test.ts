import { createHash } from 'node:crypto';
import type { EchoRequest } from 'keylane';
import { type Client, connect } from 'keylane/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until, verdict } from '../support/engine.js';
import { TestService } from '../support/service.js';

const READER = 'r'.repeat(40);

let at: TestService;
let client: Client;
beforeAll(async () => {
  const token = `sha256:${createHash('sha256').update(READER).digest('hex')}`;
  at = await TestService.start({ tokens: [{ name: 'reader', token, readOnly: true }] });
  client = await connect({ url: at.service.url, token: at.service.token });
});
afterAll(async () => {
  await client.close();
  await at.stop();
});

const idle = () => until(async () => (await at.service.engine.stats()).inFlight === 0);
const requests = (count: number): EchoRequest[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${i % 7}`, payload: i }));
/** Requests without end; `taken` counts them. */
function endless(request: EchoRequest) {
  const input = {
    taken: 0,
    ended: false,
    *[Symbol.iterator]() {
      try {
        for (;;) {
          input.taken++;
          yield { ...request, payload: input.taken };
        }
      } finally {
        input.ended = true;
      }
    },
  };
  return input;
}

test('each request has its own result, with the request that was given', async () => {
  const given = requests(3_000);
  const batch = client.batch('echo', given);
  const seen = new Set<number>();
  for await (const { index, id, request, outcome, response, attempts } of batch) {
    expect(request).toBe(given[index]);
    expect({ id, outcome, response, attempts }).toEqual({
      id: String(index),
      outcome: 'ok',
      response: { payload: index },
      attempts: 1,
    });
    seen.add(index);
  }
  expect(seen.size).toBe(3_000);
  expect(batch.progress).toMatchObject({ total: 3_000, settled: 3_000, state: 'done', inFlight: 0 });
});

test('what is said of each request goes with it, and what is wrong with one fails no other', async () => {
  const given: EchoRequest[] = [...requests(6), { key: 'bytes', payload: Buffer.from('x') }, ...requests(2)];
  const started: number[] = [];
  const told: string[] = [];
  const batch = client.batch('echo', given, {
    onStart: (index, request) => {
      expect(request).toBe(given[index]);
      started.push(index);
    },
    labels: (_, index) => {
      if (index === 1) throw new Error('no label for it');
      return index === 2 ? (7 as never) : ['web'];
    },
    each: (_, index) => {
      if (index === 3) throw new Error('nothing for it');
      if (index === 4) return { id: 'four', priority: 5 };
      return index === 5 ? { idempotent: 'yes' as never } : undefined;
    },
  });
  for await (const { index, id, outcome, error } of batch)
    told[index] = `${id} ${outcome}${error ? ` ${error.code} ${error.message}` : ''}`;
  expect(started).toEqual(given.map((_, index) => index));
  expect(told.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
    '0 ok',
    '1 not_started ERR_INPUT',
    '2 not_started ERR_INPUT',
    '3 not_started ERR_INPUT',
    'four ok',
    '5 not_started ERR_INPUT',
    '6 not_started ERR_INPUT',
    '7 ok',
    '8 ok',
  ]);
  expect(told[1]).toContain('no label for it');
  expect(told[6]).toContain('`payload` cannot go over HTTP: it is bytes');
});

test('live output comes while a request runs', async () => {
  const chunks: string[] = [];
  const onChunk = (index: number, { channel, data }: { channel: string; data: Buffer }) =>
    void chunks.push(`${index} ${channel} ${data.toString()}`);
  for await (const { outcome } of client.batch(
    'echo',
    requests(3).map((one) => ({ ...one, payload: 'said' })),
    { onChunk },
  ))
    expect(outcome).toBe('ok');
  expect(chunks.length % 3).toBe(0);
  const broken = new Error('enough');
  const loop = async () => {
    const batch = client.batch('ssh', [{ host: 'nowhere.invalid', command: 'true' }], {
      onStart: () => {
        throw broken;
      },
    });
    for await (const _ of batch) {
    }
  };
  await expect(loop()).rejects.toBe(broken);
});

test('the input is taken as results are read: no more ahead than the concurrency looks ahead', async () => {
  const input = endless({ key: 'a' });
  const batch = client.batch('echo', input, { concurrency: 2 });
  expect(input.taken).toBe(0);
  for (let i = 0; i < 20; i++) {
    expect((await batch.next()).done).toBe(false);
    expect(input.taken).toBeLessThanOrEqual(i + 1 + 10);
  }
  await batch.return();
  expect(input.ended).toBe(true);
  expect((await batch.next()).done).toBe(true);
});

test('leaving the loop early cancels the rest', async () => {
  const input = endless({ key: 'a', fault: 'hang' });
  const batch = client.batch('echo', input, { concurrency: 4 });
  void batch.next();
  await until(async () => (await at.service.engine.stats()).inFlight === 4);
  await batch.return();
  await idle();
  expect(input.ended).toBe(true);
});

test('a batch whose caller calls off ends, and what was sent is canceled', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const given = [...requests(3), ...requests(5).map((one): EchoRequest => ({ ...one, fault: 'hang' }))];
  const told: string[] = [];
  for await (const { outcome } of client.batch('echo', given, { signal })) {
    told.push(outcome);
    if (told.length === 3) controller.abort();
  }
  expect(told).toEqual(['ok', 'ok', 'ok', ...Array(5).fill('canceled')]);
  await idle();
});

test('after enough failures nothing more starts, and what was taken from the input is told', async () => {
  const input = endless({ key: 'a', fault: 'failed' });
  const batch = client.batch('echo', input, { concurrency: 3, maxFailures: 5 });
  const counts: Record<string, number> = {};
  for await (const { outcome, error } of batch) {
    const what = error ? `${outcome} ${error.code}` : outcome;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  expect(counts.failed).toBeGreaterThanOrEqual(5);
  expect(Object.keys(counts).sort()).toEqual(['failed', 'not_started ERR_STOPPED']);
  expect(counts.failed! + counts['not_started ERR_STOPPED']!).toBe(input.taken);
  expect(batch.progress).toMatchObject({ state: 'stopped' });
});

test('paused, it hands nothing more over; drained, it ends with what it has', async () => {
  const input = endless({ key: 'a' });
  const batch = client.batch('echo', input, { concurrency: 2 });
  await batch.next();
  batch.pause();
  expect(batch.progress.paused).toBe(true);
  const taken = input.taken;
  for (let i = 1; i < taken; i++) await batch.next();
  expect(input.taken).toBe(taken);
  batch.resume();
  await batch.next();
  expect(input.taken).toBeGreaterThan(taken);
  batch.drain();
  let rest = 0;
  for await (const { outcome } of batch) {
    expect(outcome).toBe('ok');
    rest++;
  }
  expect(taken + 1 + rest).toBe(input.taken);
  expect(batch.progress.state).toBe('interrupted');
});

test('an input that fails ends the batch with its error, when what was sent has ended', async () => {
  const broken = new Error('the file is gone');
  const input = async function* () {
    yield* requests(3);
    throw broken;
  };
  const told: string[] = [];
  const loop = async () => {
    for await (const { outcome } of client.batch('echo', input())) told.push(outcome);
  };
  await expect(loop()).rejects.toBe(broken);
  expect(told).toEqual(['ok', 'ok', 'ok']);
});

test('without requests nothing is asked, and it ends', async () => {
  expect((await client.batch('echo', []).next()).done).toBe(true);
});

test('what a batch of a client cannot do is refused at once, with what can', async () => {
  const refused = (options: object) => {
    try {
      client.batch('echo', [], options);
    } catch (error) {
      return (error as Error).message;
    }
    return 'taken';
  };
  expect(refused({ journal: true })).toContain('`batches.submit`');
  expect(refused({ concurency: 3 })).toContain('unknown option `concurency`');
  expect(() => client.batch('echo', 7 as never)).toThrow(/iterable/);
  expect(refused({ cache: true })).toContain('`run` and `result` take it');
});

test('a batch that the token is not for has no results, and says why', async () => {
  const reader = await connect({ url: at.service.url, token: READER });
  const loop = async () => {
    for await (const _ of reader.batch('echo', requests(3))) throw new Error('there is a result');
  };
  expect(await verdict(loop())).toBe('ERR_FORBIDDEN not_started');
  await reader.close();
});

test('requests of a driver that there is not are refused', async () => {
  const loop = async () => {
    for await (const { error } of client.batch('ftp' as 'echo', requests(3))) throw error;
  };
  expect(await verdict(loop())).toBe('ERR_INPUT not_started');
});

test('when the service dies, what it had may have run', async () => {
  const other = await TestService.start();
  const mine = await connect({ url: other.service.url, token: other.service.token });
  const told: string[] = [];
  const loop = async () => {
    const input = endless({ key: 'a', fault: 'hang' });
    for await (const { outcome, error } of mine.batch('echo', input, { concurrency: 2 }))
      told.push(`${outcome} ${error?.code}`);
  };
  const ended = verdict(loop());
  await until(async () => (await other.service.engine.stats()).inFlight === 2);
  await other.stop();
  expect(await ended).toMatch(/^ERR_(CONNECTION_LOST|CLOSED) /);
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter((line) => line.startsWith('ok'))).toEqual([]);
  await mine.close();
});
