import type { Job } from 'keylane';
import { type Client, connect } from 'keylane/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, until, verdict } from '../support/engine.js';
import { TestService } from '../support/service.js';

let at: TestService;
let client: Client;
beforeAll(async () => {
  at = await TestService.start();
  client = await connect({ url: at.service.url, token: at.service.token });
});
afterAll(async () => {
  await client.close();
  await at.stop();
});

async function* jobs(count: number, more: (i: number) => object = () => ({})): AsyncGenerator<Job> {
  for (let i = 0; i < count; i++) yield { id: `job-${i}`, request: { key: `k${i % 5}`, payload: i, ...more(i) } };
}
const ended = (id: string) => until(async () => (await client.batches.show(id)).state !== 'running');

async function indexes(id: string, options: Parameters<Client['batches']['results']>[1] = {}): Promise<number[]> {
  const found: number[] = [];
  for await (const { index, outcome, line } of client.batches.results(id, options)) {
    expect(JSON.parse(line)).toMatchObject({ index, outcome });
    found.push(index);
  }
  return found;
}

test('jobs are handed over, and the batch goes on by itself; its results are read as they come, or afterwards', async () => {
  const { id, state } = await client.batches.submit(jobs(2_000), { driver: 'echo', concurrency: 50, labels: ['web'] });
  expect(['running', 'done']).toContain(state);
  const all = Array.from({ length: 2_000 }, (_, i) => i);
  const followed = await indexes(id, { follow: true });
  expect(followed.sort((a, b) => a - b)).toEqual(all);
  await ended(id);
  expect(await client.batches.show(id)).toMatchObject({ id, state: 'done', settled: 2_000, total: 2_000 });
  expect(await indexes(id, { ordered: true })).toEqual(all);
  expect(await indexes(id, { ordered: true, skip: 1_990 })).toEqual(all.slice(1_990));
  expect(await indexes(id, { outcomes: ['failed'] })).toEqual([]);
  expect(await client.batches.report(id)).toMatchObject({ id, settled: 2_000 });
  expect((await client.batches.list({ state: 'done' })).map((one) => one.id)).toContain(id);
});

test('a batch that is handed over twice with one key is one batch; another under that key is refused', async () => {
  const options = { driver: 'echo', idempotencyKey: 'nightly-1' };
  const first = await client.batches.submit(jobs(20), options);
  expect((await client.batches.submit(jobs(20), options)).id).toBe(first.id);
  expect(await verdict(client.batches.submit(jobs(21), options))).toBe('ERR_INPUT not_started');
  const own = await Promise.all([1, 2].map(() => client.batches.submit(jobs(3), { driver: 'echo' })));
  expect(own[0]!.id).not.toBe(own[1]!.id);
});

test('what is left of a batch can be paused, canceled and run again', async () => {
  const hangs = (i: number) => (i < 5 ? { fault: 'failed' } : { fault: 'hang' });
  const { id } = await client.batches.submit(jobs(50, hangs), { driver: 'echo', concurrency: 4 });
  expect((await client.batches.pause(id)).paused).toBe(true);
  expect((await client.batches.resume(id)).paused).toBe(false);
  await until(async () => (await client.batches.show(id)).counts.failed === 5);
  expect((await client.batches.cancel(id)).state).toBe('canceled');
  const again = await client.batches.retry(id, { outcomes: ['failed'], attempts: 1 });
  expect(again).toMatchObject({ total: 5, retryOf: { id, outcomes: ['failed'] } });
  await ended(again.id);
  await client.batches.remove(id);
  expect(await verdict(client.batches.show(id))).toBe('ERR_NOT_FOUND not_started');
  expect(await verdict(client.batches.remove(id))).toBe('ERR_NOT_FOUND not_started');
  const results = (async () => {
    for await (const _ of client.batches.results(id)) {
    }
  })();
  expect(await verdict(results)).toBe('ERR_NOT_FOUND not_started');
});

test('of an input that is broken nothing is kept', async () => {
  const before = (await client.batches.list()).length;
  const broken = async function* (): AsyncGenerator<Job> {
    yield* jobs(3);
    throw new Error('the file is gone');
  };
  await expect(client.batches.submit(broken(), { driver: 'echo' })).rejects.toThrow('the file is gone');
  const bytes: Job[] = [{ request: { key: 'a' } }, { request: { key: 'a', payload: Buffer.from('x') } }];
  const error = await failure(client.batches.submit(bytes, { driver: 'echo' }));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(error.message).toContain('job 1: `payload`');
  const unknown = [{ request: { key: 'a' }, reqest: 1 } as Job];
  expect((await failure(client.batches.submit(unknown, { driver: 'echo' }))).message).toContain('`reqest`');
  expect(await verdict(client.batches.submit([], { driver: 'echo', concurrency: 0 }))).toBe('ERR_INPUT not_started');
  expect(await verdict(client.batches.submit([], { concurency: 3 } as never))).toBe('ERR_INPUT not_started');
  const controller = new AbortController();
  const endless = async function* (): AsyncGenerator<Job> {
    for (let i = 0; ; i++) {
      yield { request: { key: 'a', payload: i } };
      if (i === 1_000) controller.abort();
    }
  };
  const aborted = client.batches.submit(endless(), { driver: 'echo', signal: controller.signal });
  expect(await verdict(aborted)).toBe('ERR_CANCELED canceled');
  await until(async () => (await client.batches.list()).length === before);
});

test('results that are not read to their end leave the connection', async () => {
  const { id } = await client.batches.submit(jobs(300), { driver: 'echo' });
  for await (const { index } of client.batches.results(id, { follow: true })) {
    expect(index).toBeTypeOf('number');
    break;
  }
  await ended(id);
});
