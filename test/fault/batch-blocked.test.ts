import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/util/clock.js';
import { Life, type LifeSettings, recordedOf } from '../support/batch-lives.ts';
import { brokenPromises, mixedJobs, type Promised } from '../support/batch-witness.ts';

const BLOCK_MS = process.env.KEYLANE_LONG ? 60_000 : 1_500;
const JOBS = 100;
const DRIVER = new URL('../support/drivers/witness.mjs', import.meta.url).href;

/** What the job of an index does to its thread. */
type Faults = Record<number, { blockMs?: number; die?: boolean }>;

/** A journaled batch of a driver that writes down what ran. */
function setUp(count: number, faults: Faults, engine: LifeSettings['engine'], blockMain?: LifeSettings['blockMain']) {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-blocked-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const log = join(dataDir, 'log');
  const file = join(dataDir, 'jobs.ndjson');
  const jobs: Promised[] = mixedJobs(count).map((job) => ({ ...job, kind: 'plain' }));
  const lines = jobs.map(({ id, idempotent }, i) => {
    const request = { key: `host-${i % 10}`, id, log, blockMs: 0, die: false, afterMs: 20, ...faults[i] };
    return `${JSON.stringify({ id, driver: 'witness', request, idempotent })}\n`;
  });
  writeFileSync(file, lines.join(''));
  const settings = { dataDir, id: 'blocked', jobs: file, concurrency: 10, gate: count };
  const live = (resume: boolean) =>
    new Life({ ...settings, resume, engine: { ...engine, drivers: [DRIVER] }, ...(blockMain && { blockMain }) });
  const counts = () => {
    const found = new Map<string, number>();
    for (const id of readFileSync(log, 'utf8').trim().split('\n')) found.set(id, (found.get(id) ?? 0) + 1);
    return found;
  };
  const recorded = () => recordedOf(dataDir, 'blocked');
  return { jobs, live, counts, recorded };
}

const LONGER = BLOCK_MS * 3 + 60_000;

test('R8: a whole process that stands still keeps its batch, and runs nothing twice', { timeout: LONGER }, async () => {
  const { jobs, live, counts, recorded } = setUp(JOBS, {}, {});
  const owner = live(false);
  await owner.acknowledges(30);
  owner.kill('SIGSTOP');
  const begun = systemClock.now();
  const other = live(true);
  expect(await other.end).toBe(0);
  expect(other.refused).toMatchObject({
    code: 'ERR_STORE_BUSY',
    message: expect.stringContaining(`${owner.child.pid}`),
  });
  // R7 has the second; the rest is for a machine that has other things to do.
  expect(other.refused?.tookMs).toBeLessThan(3_000);
  await new Promise<void>((resolve) => systemClock.timer(BLOCK_MS - (systemClock.now() - begun), resolve));
  owner.kill('SIGCONT');
  expect(await owner.end).toBe(0);
  const { acknowledged } = owner;
  expect(brokenPromises({ jobs, counts: counts(), acknowledged, recorded: await recorded() })).toEqual([]);
  expect([...counts().values()].filter((times) => times > 1)).toEqual([]);
});

test('R8: neither a main thread nor a shard that does nothing else for a while runs anything twice', {
  timeout: LONGER,
}, async () => {
  const faults = { 60: { blockMs: BLOCK_MS } };
  const engine = { shardBlockedMs: BLOCK_MS + 30_000 };
  const { jobs, live, counts, recorded } = setUp(JOBS, faults, engine, { at: 30, ms: BLOCK_MS });
  const owner = live(false);
  expect(await owner.end).toBe(0);
  const { acknowledged } = owner;
  expect(acknowledged).toHaveLength(JOBS);
  expect(brokenPromises({ jobs, counts: counts(), acknowledged, recorded: await recorded() })).toEqual([]);
  expect([...counts().values()].filter((times) => times > 1)).toEqual([]);
});

test('a shard that is given up or dies takes only what it had with it, and the journal says so', {
  timeout: LONGER,
}, async () => {
  const faults = { 30: { blockMs: 60_000 }, 71: { die: true } };
  const { jobs, live, counts, recorded } = setUp(JOBS, faults, { shardBlockedMs: 1_000 });
  const owner = live(false);
  expect(await owner.end).toBe(0);
  const { acknowledged } = owner;
  const records = await recorded();
  expect(brokenPromises({ jobs, counts: counts(), acknowledged, recorded: records })).toEqual([]);
  const died = records.filter(({ error }) => error?.code === 'ERR_SHARD_DIED');
  expect(died.map(({ id }) => id)).toContain('job-71');
  expect(died.every(({ outcome }) => outcome === 'unknown' || outcome === 'not_started')).toBe(true);
});
