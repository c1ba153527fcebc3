import { expect, test } from 'vitest';
import type { EngineEvent } from '../../../src/events.js';
import { Events } from '../../../src/server/events.js';
import { Ring } from '../../../src/server/history.js';
import { quantile } from '../../../src/server/metrics/quantile.js';
import { Totals } from '../../../src/server/metrics/totals.js';

test('counts of a shard go on where those of its lost thread ended', () => {
  const totals = new Totals();
  totals.note(0, 0, { opened: 5, closed: 1 });
  totals.note(1, 0, { opened: 7, closed: 0 });
  expect(totals.of(0)).toEqual({ opened: 5, closed: 1 });
  totals.note(0, 1, { opened: 2, closed: 0 });
  expect(totals.of(0)).toEqual({ opened: 7, closed: 1 });
  totals.note(0, 1, { opened: 3, closed: 0 });
  totals.note(0, 2, { opened: 9, closed: 9 });
  expect(totals.of(0)).toEqual({ opened: 17, closed: 10 });
  expect(totals.of(1)).toEqual({ opened: 7, closed: 0 });
  expect(totals.of(2)).toEqual({});
});

test('the history holds the last samples, the oldest first, and no more', () => {
  const ring = new Ring(['a', 'b'], 3);
  expect(ring.read()).toEqual({ t: [], series: { a: [], b: [] } });
  for (let at = 1; at <= 5; at++) ring.add(at * 1_000, { a: at, b: at === 4 ? undefined : at / 3 });
  expect(ring.read()).toEqual({ t: [3, 4, 5], series: { a: [3, 4, 5], b: [1, null, 1.667] } });
  expect(ring.read(2)).toEqual({ t: [4, 5], series: { a: [4, 5], b: [null, 1.667] } });
});

test.each([
  [0.5, [0, 0, 0], null],
  [0.5, [10, 0, 0], 0.5],
  [0.5, [5, 5, 0], 1],
  [0.99, [0, 100, 0], 9.91],
  [0.99, [0, 0, 7], 10],
] as const)('the quantile %d of buckets %j is %j', (q, counts, expected) => {
  const found = quantile(q, [1, 10], counts);
  if (expected === null) expect(found).toBeNull();
  else expect(found).toBeCloseTo(expected);
});

test('of what the engine tells the last 200 are kept, all are counted, and who hears is told each once', () => {
  const events = new Events(() => 7);
  const heard: number[] = [];
  const leave = events.hear(({ seq }) => heard.push(seq));
  const event: EngineEvent = { type: 'shard_serving', shard: 0, restarts: 1 };
  for (let count = 0; count < 250; count++) events.add(event);
  leave();
  events.add(event);
  expect(events.counts.get('shard_serving')).toBe(251);
  expect(heard).toHaveLength(250);
  const kept = events.since();
  expect([kept.length, kept[0]?.seq, kept.at(-1)?.seq]).toEqual([200, 52, 251]);
  expect(events.since(251)).toEqual([]);
  expect(events.since(1_000)).toHaveLength(200);
  expect(events.since(249)).toEqual([
    { seq: 250, at: 7, event },
    { seq: 251, at: 7, event },
  ]);
});
