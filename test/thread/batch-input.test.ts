import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createEngine, openJobs, type Result, reopenJobs, spoolJobs } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';

/** Fifty jobs; of the keys that end in 3 the peer says no, and the last waits for the first. */
const JOBS = Array.from({ length: 50 }, (_, at) => ({
  id: `j${at}`,
  request: { key: `k${at}`, ...(at % 10 === 3 && { fault: 'failed' }) },
  ...(at === 49 && { after: ['j0'] }),
}));

async function engine() {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-data-'));
  const made = await createEngine({ shards: 1, dataDir });
  onTestFinished(async () => {
    await made.close();
    rmSync(dataDir, { recursive: true });
  });
  return { batches: made.batches, dirOf: (id: string) => join(dataDir, 'batches', id) };
}

test('jobs of stdin are kept with their batch, run, gone on with, tried again and removed', async () => {
  const { batches, dirOf } = await engine();
  const lines = JOBS.map((job) => `${JSON.stringify(job)}\n`);
  const source = await openJobs(Readable.from(lines), { driver: 'echo', spoolDir: dirOf('b1') });
  const first = batches.run(source, { id: 'b1', journal: true, concurrency: 4 });
  const settled = new Set<string>();
  for await (const { id } of first) {
    settled.add(id);
    if (settled.size === 20) first.drain();
  }
  expect(settled.size).toBeLessThan(50);

  const { input } = await batches.show('b1');
  const again = await reopenJobs(input!, { dir: dirOf('b1') });
  for await (const { id } of batches.run(again, { id: 'b1', journal: true, resume: true })) {
    expect(settled.has(id)).toBe(false);
    settled.add(id);
  }
  expect(settled).toEqual(new Set(JOBS.map(({ id }) => id)));

  const bad = await batches.select('b1', ['failed']);
  const retry = await spoolJobs(
    dirOf('b2'),
    (await reopenJobs(input!)).read((index) => bad.has(index)),
    { driver: 'echo' },
  );
  const results: Result<unknown, unknown>[] = [];
  for await (const result of batches.run(retry, { id: 'b2', journal: true })) results.push(result);
  expect(results.map(({ id, outcome }) => [id, outcome]).sort()).toEqual(
    [3, 13, 23, 33, 43].map((at) => [`j${at}`, 'failed']).sort(),
  );

  await batches.remove('b1');
  expect(existsSync(dirOf('b1'))).toBe(false);
});
