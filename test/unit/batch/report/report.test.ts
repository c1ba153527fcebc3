import { expect, test } from 'vitest';
import { type BatchFacts, ReportBuilder } from '../../../../src/batch/report/report.js';
import { expandHosts } from '../../../../src/targets/hosts.js';
import type { Outcome } from '../../../../src/types.js';
import { seeded } from '../../../support/seed.js';
import { type Settled, TestCommit } from './lines.js';

const FACTS: BatchFacts = {
  id: 'b',
  state: 'running',
  total: 1_000,
  begun: 0,
  createdAt: 1_000_000,
  updatedAt: 1_000_000,
  ranMs: 0,
};

function built(settled: readonly Settled[], at = FACTS.updatedAt): ReportBuilder {
  const builder = new ReportBuilder();
  builder.add(new TestCommit(at, settled));
  return builder;
}

test('Counts by outcome are exact, whatever order results come in and however they were written together', () => {
  const random = seeded();
  const outcomes: Outcome[] = ['ok', 'failed', 'not_started', 'unknown', 'canceled'];
  const builder = new ReportBuilder();
  const expected = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  const reasons = new Map<string, number>();
  let index = 0;
  for (let wave = 0; wave < 50; wave++) {
    const settled = Array.from({ length: random.below(40) }, (): Settled => {
      const outcome = random.pick(outcomes);
      expected[outcome]++;
      const host = `web-${random.below(30)}`;
      if (outcome === 'ok') return { index: index++, outcome, host };
      if (outcome === 'failed') {
        const code = random.below(4) + 1;
        reasons.set(`failed exit ${code}`, (reasons.get(`failed exit ${code}`) ?? 0) + 1);
        return { index: index++, outcome, host, response: { code, signal: null, stdout: '', stderr: '' } };
      }
      const error = { code: 'ERR_CONNECT', message: `connect to ${host}:22: refused ${random.below(3)}` };
      const told = `${outcome} ${error.message.replace(host, 'HOST').replace(':22', '')}`;
      reasons.set(told, (reasons.get(told) ?? 0) + 1);
      return { index: index++, outcome, host, error };
    });
    builder.add(new TestCommit(1_000_000 + wave, settled));
  }
  const report = builder.report(FACTS, 1_000_100);
  expect(report.outcomes).toEqual(expected);
  expect(report.settled).toBe(index);
  expect(new Map(report.reasons.map(({ outcome, message, count }) => [`${outcome} ${message}`, count]))).toEqual(
    reasons,
  );
  expect(report.otherReasons).toBe(0);
});

test('What has begun and has no result is in flight; what has not begun is pending; neither is told of an endless input', () => {
  const builder = built(Array.from({ length: 300 }, (_, index) => ({ index })));
  const report = builder.report({ ...FACTS, begun: 340 }, FACTS.updatedAt);
  expect(report).toMatchObject({ settled: 300, inFlight: 40, pending: 660 });
  const { total: _, ...endless } = { ...FACTS, begun: 340 };
  const open = builder.report(endless, FACTS.updatedAt);
  expect(open).toMatchObject({ settled: 300, inFlight: 40 });
  expect(open).not.toHaveProperty('pending');
  expect(open).not.toHaveProperty('etaMs');
});

test('The rate is told over the run and over its last ten seconds, and what is left takes the recent one', () => {
  const builder = new ReportBuilder();
  const start = FACTS.createdAt;
  // 10 a second for 90 s, then 50 a second for 10 s.
  for (let second = 1; second <= 100; second++) {
    const count = second <= 90 ? 10 : 50;
    builder.add(
      new TestCommit(
        start + second * 1_000,
        Array.from({ length: count }, () => ({})),
      ),
    );
  }
  const facts = { ...FACTS, total: 2_400, begun: 1_400, updatedAt: start + 100_000, ranMs: 100_000 };
  expect(builder.report(facts, start + 100_000)).toMatchObject({
    elapsedMs: 100_000,
    rate: { overall: 14, recent: 50 },
    etaMs: 20_000,
  });
});

test('A batch that stands still has a rate of its last seconds, no time left, and does not grow older', () => {
  const builder = new ReportBuilder();
  const start = FACTS.createdAt;
  for (let second = 1; second <= 20; second++) builder.add(new TestCommit(start + second * 1_000, [{}, {}]));
  const facts: BatchFacts = { ...FACTS, state: 'interrupted', begun: 40, updatedAt: start + 20_000, ranMs: 20_000 };
  const report = builder.report(facts, start + 86_400_000);
  expect(report).toMatchObject({ elapsedMs: 20_000, rate: { overall: 2, recent: 2 } });
  expect(report).not.toHaveProperty('etaMs');
});

test('One reason of many hosts is one, with the hosts as ranges; a host within another name is not that host', () => {
  const refused = expandHosts('web-[1-12]').map((host, index): Settled => {
    return { index, host, outcome: 'not_started', error: { code: 'ERR_CONNECT', message: `${host}:22: refused` } };
  });
  const message = 'web-1: is known as web-10, by web-1.example';
  const builder = built([
    ...refused,
    { index: 12, host: 'web-1', outcome: 'failed', response: { code: 3, signal: null } },
    { index: 13, host: 'web-2', outcome: 'failed', response: { code: null, signal: 'SIGTERM' } },
    { index: 14, host: 'web-3', outcome: 'failed', response: { code: 3, signal: null } },
    { index: 15, host: 'web-1', outcome: 'unknown', error: { code: 'ERR_HOST_KEY', message } },
  ]);
  const { reasons } = builder.report(FACTS, FACTS.updatedAt);
  expect(reasons.map(({ outcome, message, count, hosts }) => [outcome, message, count, hosts])).toEqual([
    ['not_started', 'HOST: refused', 12, 'web-[1-12]'],
    ['failed', 'exit 3', 2, 'web-[1,3]'],
    ['failed', 'killed by SIGTERM', 1, 'web-2'],
    ['unknown', 'HOST: is known as web-10, by web-1.example', 1, 'web-1'],
  ]);
});

test('Equal messages but for the host are one reason', () => {
  const builder = built(
    expandHosts('db-[01-20]').map((host, index): Settled => {
      return { index, host, outcome: 'unknown', error: { code: 'ERR_TIMEOUT', message: `no answer\n of ${host}.` } };
    }),
  );
  expect(builder.report(FACTS, FACTS.updatedAt).reasons).toEqual([
    {
      outcome: 'unknown',
      code: 'ERR_TIMEOUT',
      message: 'no answer of HOST.',
      count: 20,
      hosts: 'db-[01-20]',
      unnamed: 0,
      example: { index: 0, id: '0', message: 'no answer of db-01.' },
    },
  ]);
});

test('However many reasons there are, memory is bounded and none goes uncounted', () => {
  const builder = new ReportBuilder();
  const count = 20_000;
  for (let index = 0; index < count; index++) {
    const code = index % 2 === 0 ? 'ERR_PROTOCOL' : 'ERR_CONNECT';
    const error = { code, message: `it says ${index}` };
    builder.add(new TestCommit(1_000_000, [{ index, host: `h-${index}`, outcome: 'unknown', error }]));
  }
  const { reasons, otherReasons } = builder.report(FACTS, FACTS.updatedAt);
  expect(reasons.length).toBeLessThanOrEqual(1_000);
  expect(reasons.reduce((sum, reason) => sum + reason.count, otherReasons)).toBe(count);
  const rest = reasons.filter(({ message }) => message === 'for other reasons');
  expect(rest.map(({ code, count }) => [code, count])).toEqual([
    ['ERR_PROTOCOL', 9_600],
    ['ERR_CONNECT', 9_600],
  ]);
});

test('The slowest keys are those of the slowest requests, each told once; what never ran is not slow', () => {
  const random = seeded();
  const settled = Array.from({ length: 2_000 }, (_, index): Settled => {
    return { index, host: `h-${random.below(40)}`, ms: random.below(100_000) + random.next() };
  });
  settled.push({ index: 2_000, host: 'refused', ms: 1e9, outcome: 'not_started', error: { code: 'E', message: '' } });
  const commit = new TestCommit(FACTS.updatedAt, settled);
  const builder = new ReportBuilder();
  builder.add(commit);
  const longest = new Map<string, number>();
  for (const { host, ms } of settled.slice(0, 2_000)) longest.set(host!, Math.max(longest.get(host!) ?? 0, ms!));
  const expected = [...longest].sort(([, a], [, b]) => b - a).slice(0, 5);
  const { slowest } = builder.report(FACTS, FACTS.updatedAt);
  expect(slowest.map(({ key, ms }) => [key, ms])).toEqual(expected);
  expect(slowest.every(({ key, index }) => settled[index]!.host === key)).toBe(true);
});

test('Lines of what is ok are not read, but for the slowest', () => {
  const commit = new TestCommit(
    FACTS.updatedAt,
    Array.from({ length: 10_000 }, (_, index): Settled => {
      return { index, host: 'h', ms: index, ...(index % 1_000 === 0 && { outcome: 'failed' as const }) };
    }),
  );
  const builder = new ReportBuilder();
  builder.add(commit);
  expect(commit.read).toBe(10);
  builder.report(FACTS, FACTS.updatedAt);
  expect(commit.read).toBeLessThanOrEqual(10 + 64);
});
