import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, type Job } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';

async function engineIn(dataDir: string): Promise<Engine> {
  const engine = await createEngine({ shards: 1, dataDir });
  onTestFinished(() => engine.close());
  return engine;
}

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-batch-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const requests = (count: number, delayMs = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: `h${i % 7}`, payload: i, delayMs }));

test('a batch with a journal that is left early is finished by another engine, and no result comes twice', async () => {
  const dataDir = temporary();
  const options = { journal: true, id: 'half', concurrency: 20 };
  const seen: number[] = [];
  const first = await engineIn(dataDir);
  for await (const { index } of first.batch('echo', requests(300), options)) {
    seen.push(index);
    if (seen.length === 100) break;
  }
  expect(await first.batches.show('half')).toMatchObject({ state: 'interrupted' });
  await first.close();

  const second = await engineIn(dataDir);
  const outcomes: Record<string, number> = {};
  for await (const { index, outcome, error } of second.batch('echo', requests(300), { ...options, resume: true })) {
    seen.push(index);
    const what = error?.code ?? outcome;
    outcomes[what] = (outcomes[what] ?? 0) + 1;
  }
  const { state, counts } = await second.batches.show('half');
  expect(state).toBe('done');
  expect(counts.ok + counts.unknown).toBe(300);
  expect(new Set(seen).size).toBe(seen.length);
  // What was on the disk before the loop was left, and was not read.
  expect(300 - seen.length).toBeLessThanOrEqual(20);
  expect((outcomes.ERR_INTERRUPTED ?? 0) <= 20).toBe(true);
  for (const again of [options, { ...options, id: 'none', resume: true }]) {
    await expect(second.batch('echo', requests(300), again).next()).rejects.toMatchObject({
      code: again.id === 'half' ? 'ERR_EXISTS' : 'ERR_INPUT',
    });
  }
});

test('what journals write is counted, and which batches run', async () => {
  const engine = await engineIn(temporary());
  const counted = async () => (await engine.stats()).batches;
  expect(await counted()).toMatchObject({ running: 0, journal: { open: 0, commits: 0 } });
  const batch = engine.batch('echo', requests(200, 2), { journal: true, id: 'counted', concurrency: 20 });
  await batch.next();
  expect(await counted()).toMatchObject({ running: 1, journal: { open: 1 } });
  for await (const _ of batch);
  const { running, journal } = await counted();
  expect({
    running,
    open: journal.open,
    begun: journal.begun,
    results: journal.results,
    failed: journal.failed,
  }).toEqual({
    ...{ running: 0, open: 0, begun: 200, results: 200, failed: 0 },
  });
  let bytes = 0;
  for await (const { line } of engine.batches.results('counted')) bytes += Buffer.byteLength(line) + 1;
  expect(journal.bytes).toBe(bytes);
  expect(journal.commits).toBeGreaterThan(1);
  expect(journal.lastCommitMs).toBeGreaterThan(0);
  expect(journal.commitMs).toBeGreaterThan(journal.lastCommitMs);
});

test('an engine that closes lets what is in flight end, and leaves the rest to whoever goes on', async () => {
  const dataDir = temporary();
  const engine = await engineIn(dataDir);
  const options = { journal: true, id: 'closed', concurrency: 10 };
  const batch = engine.batch('echo', requests(1_000, 5), options);
  await batch.next();
  const closing = engine.close();
  const rest = async () => {
    for await (const _ of batch);
  };
  await expect(rest()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await closing;
  const next = await engineIn(dataDir);
  const summary = await next.batches.show('closed');
  expect(summary.state).toBe('interrupted');
  let unknown = 0;
  for await (const { outcome } of next.batch('echo', requests(1_000, 5), {
    ...options,
    concurrency: 500,
    resume: true,
  }))
    if (outcome === 'unknown') unknown++;
  // Those of the one commit that was on its way.
  expect(unknown).toBeLessThanOrEqual(10);
  expect(await next.batches.show('closed')).toMatchObject({ state: 'done', settled: 1_000 });
});

test('jobs say for themselves what they are, one after the other where they say so', async () => {
  const engine = await engineIn(temporary());
  const jobs: Job[] = [
    { id: 'last', request: { key: 'c' }, after: ['first', 'second'] },
    { id: 'first', driver: 'echo', request: { key: 'a', payload: 1 }, labels: ['x'] },
    { id: 'second', request: { key: 'b' }, timeoutMs: 5_000 },
    { id: 'other', driver: 'gopher', request: {} },
    { id: 'first', request: { key: 'd' } },
  ];
  const results: string[] = [];
  const batch = engine.batches.run(jobs, { driver: 'echo', journal: true });
  for await (const { id, outcome, error } of batch) results.push(`${id} ${error?.code ?? outcome}`);
  expect(results.at(-1)).toBe('last ok');
  expect(results.sort()).toEqual(['first ERR_INPUT', 'first ok', 'last ok', 'other ERR_INPUT', 'second ok']);
  expect(batch.id).toMatch(/^\d{8}-\d{6}-[0-9a-f]{4}$/);
  expect(await engine.batches.show(batch.id!)).toMatchObject({ state: 'done', settled: 5 });
});
