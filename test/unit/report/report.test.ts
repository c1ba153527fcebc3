import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Histogram } from '../../../src/report/histogram.ts';
import { Report, readReport } from '../../../src/report/report.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seeded } from '../../support/seed.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'keylane-report-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function open(where = dataDir) {
  const clock = new FakeClock(1_000);
  const failures: string[] = [];
  const report = new Report({ dataDir: where, clock, failed: (message) => failures.push(message) });
  return { clock, failures, report };
}

test('a quantile is off by 3 % at most, whatever took how long', () => {
  const random = seeded();
  const histogram = new Histogram();
  // From a microsecond to ten minutes.
  const values = Array.from({ length: 2_000 }, () => Math.round(10 ** (random.next() * 8.8)));
  for (const value of values) histogram.add(value);
  values.sort((one, other) => one - other);
  for (const q of [0.01, 0.5, 0.95, 0.99, 1]) {
    const exact = values[Math.ceil(q * values.length) - 1]!;
    expect(Math.abs(histogram.quantile(q) - exact)).toBeLessThanOrEqual(exact * 0.032);
  }
});

test('a histogram that is written and read again is the same one', () => {
  const random = seeded();
  const [one, other] = [new Histogram(), new Histogram()];
  for (let i = 0; i < 1_000; i++) one.add(random.next() * 2 ** random.below(40));
  for (const [us, count] of one.pairs()) other.add(us, count);
  expect(other.pairs()).toEqual(one.pairs());
});

test('what several engines have counted is added up, operation by operation', async () => {
  for (const ms of [10, 20, 30]) {
    const { report } = open();
    report.note('vm_list', 'miss', ms);
    report.note('vm_list', 'hit', 1);
    if (ms === 30) report.note('vm_status', 'stale', 2);
    await report.close();
  }
  const [list, status, ...more] = await readReport({ dataDir });
  expect(more).toEqual([]);
  expect(list).toMatchObject({ operation: 'vm_list', count: 6, hits: 3, misses: 3, stale: 0, hitRatio: 0.5 });
  expect(list!.averageMs).toBeCloseTo(63 / 6, 3);
  expect(list!.p50Ms).toBeCloseTo(1, 1);
  expect(list!.p99Ms / 30).toBeCloseTo(1, 1);
  expect(status).toMatchObject({ operation: 'vm_status', count: 1, stale: 1, hitRatio: 1 });
});

test('two that close at the same moment lose nothing of each other', async () => {
  const engines = Array.from({ length: 10 }, () => open());
  for (const { report } of engines) report.note('vm_list', 'miss', 5);
  await Promise.all(engines.map(({ report }) => report.close()));
  expect((await readReport({ dataDir }))[0]).toMatchObject({ count: 10, misses: 10 });
});

test('it is written once a minute, for this user alone, and not at all where nothing was counted', async () => {
  const { clock, report } = open();
  await report.close();
  expect(await readReport({ dataDir })).toEqual([]);
  report.note('ssh', 'miss', 5);
  clock.advance(59_999);
  report.note('ssh', 'hit', 5);
  expect(await readReport({ dataDir })).toEqual([]);
  clock.advance(1);
  report.note('ssh', 'hit', 5);
  // What `close` waits for first is what was begun then.
  report.note('ssh', 'hit', 5);
  await report.close();
  expect((await readReport({ dataDir }))[0]).toMatchObject({ count: 4, hits: 3 });
  expect(statSync(join(dataDir, 'report', 'data.mdb')).mode & 0o777).toBe(0o600);
  expect(statSync(join(dataDir, 'report')).mode & 0o777).toBe(0o700);
});

test('operations are kept apart up to a hundred, over all runs, and take a few hundred kilobytes', async () => {
  const random = seeded();
  for (let run = 0; run < 2; run++) {
    const { report } = open();
    for (let i = 0; i < 150; i++) {
      for (let j = 0; j < 200; j++) report.note(`op-${run}-${i}`, 'miss', 10 ** (random.next() * 6 - 3));
    }
    await report.close();
  }
  const operations = await readReport({ dataDir });
  expect(operations).toHaveLength(101);
  expect(operations[0]).toMatchObject({ operation: 'other', count: 200 * 200 });
  expect(statSync(join(dataDir, 'report', 'data.mdb')).size).toBeLessThan(2_000_000);
});

test('C31: a report that cannot be kept is one warning, and nothing else', async () => {
  const file = join(dataDir, 'file');
  writeFileSync(file, '');
  const { clock, failures, report } = open(file);
  for (let minute = 0; minute < 3; minute++) {
    report.note('ssh', 'miss', 5);
    clock.advance(60_000);
  }
  await report.close();
  report.note('ssh', 'miss', 5);
  await report.close();
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatch(/^cannot keep the report, and goes on without: .*file is no directory/);
});
