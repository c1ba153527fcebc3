import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchOptions, Result } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { recordedOf } from '../support/batch-lives.ts';
import { failure, startEngine, until } from '../support/engine.ts';

/** An engine that ends while it has a batch with a journal, and one that goes on with less than there was. */

function dataDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-ends-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function requests(count: number) {
  return Array.from({ length: count }, (_, i) => ({ key: `host-${i % 3}`, payload: String(i), delayMs: 2 }));
}

const JOURNAL = { id: 'batch', journal: true, concurrency: 10 } satisfies BatchOptions<never>;

async function all<T>(batch: AsyncIterable<T>): Promise<T[]> {
  const results: T[] = [];
  for await (const result of batch) results.push(result);
  return results;
}

test('close does not wait for a reader, who finds what was done and then that it was closed', async () => {
  const dataDir = dataDirectory();
  const engine = await startEngine({ dataDir });
  const batch = engine.batch('echo', requests(50), JOURNAL);
  const first = await batch.next();
  await until(() => batch.progress.settled > 10);
  await engine.close();
  const kept = await recordedOf(dataDir, 'batch');
  expect(kept.length).toBeGreaterThan(10);
  const read: Result[] = [first.value as Result];
  expect(
    await failure(all({ [Symbol.asyncIterator]: () => ({ next: async () => remember(await batch.next(), read) }) })),
  ).toMatchObject({ code: 'ERR_CLOSED' });
  expect(read.map(({ index }) => index).sort()).toEqual(kept.map(({ index }) => index).sort());
});

function remember(answer: IteratorResult<Result, undefined>, read: Result[]): IteratorResult<Result, undefined> {
  if (!answer.done) read.push(answer.value);
  return answer;
}

test('close inside the loop ends it, and the next engine goes on', async () => {
  const dataDir = dataDirectory();
  const engine = await startEngine({ dataDir });
  const closing = (async () => {
    for await (const { index } of engine.batch('echo', requests(50), JOURNAL)) if (index > 5) await engine.close();
  })();
  expect(await failure(closing)).toMatchObject({ code: 'ERR_CLOSED' });
  const next = await startEngine({ dataDir });
  await all(next.batch('echo', requests(50), { ...JOURNAL, resume: true }));
  const recorded = await recordedOf(dataDir, 'batch');
  expect(new Set(recorded.map(({ index }) => index)).size).toBe(50);
});

test.each([
  ['a list', (count: number) => requests(count)],
  ['a generator', (count: number) => requests(count).values()],
])('%s that is shorter than what had begun is refused, and the batch is not done', async (_, inputOf) => {
  const dataDir = dataDirectory();
  const engine = await startEngine({ dataDir });
  let read = 0;
  for await (const _ of engine.batch('echo', inputOf(50), JOURNAL)) if (++read === 40) break;
  const shorter = all(engine.batch('echo', inputOf(30), { ...JOURNAL, resume: true }));
  expect(await failure(shorter)).toMatchObject({ code: 'ERR_INPUT', message: expect.stringContaining('30') });
  expect((await engine.batches.show('batch')).state).toBe('interrupted');
  await all(engine.batch('echo', inputOf(50), { ...JOURNAL, resume: true }));
  expect(await engine.batches.show('batch')).toMatchObject({ state: 'done', settled: 50 });
});

test('R3: what may run again and waits for its next try when the batch is cut is not given up', async () => {
  const dataDir = dataDirectory();
  const drivers = [new URL('../support/drivers/witness.mjs', import.meta.url).href];
  const engine = await startEngine({ dataDir, drivers });
  const log = join(dataDir, 'log');
  const request = { key: 'host', id: 'job', log, blockMs: 0, die: false, fails: true, afterMs: 0 };
  const cut = new AbortController();
  const options = { ...JOURNAL, idempotent: true, attempts: 10 };
  const run = (more: object) => all(engine.batches.run([{ driver: 'witness', request }], { ...options, ...more }));
  const cutOff = run({ signal: cut.signal });
  // Its first try has come, and is lost.
  await until(() => existsSync(`${log}.job`));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  cut.abort();
  expect(await cutOff).toEqual([]);
  expect(await run({ resume: true })).toMatchObject([{ outcome: 'ok' }]);
});
