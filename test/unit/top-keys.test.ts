import { expect, test } from 'vitest';
import { Heavy, Sampled } from '../../workers/heavy.ts';
import { KeyCounts } from '../../workers/top-keys.ts';
import { type Random, seeded } from '../support/seed.ts';

/** Of `keys` names the first come most often: the k-th about 1/k as often as the first (Zipf). */
function zipf(random: Random, keys: number): string {
  return `key-${Math.floor(keys ** random.next())}`;
}

test('an estimate is never too high, and too low by no more than a 65th of all there was', () => {
  const random = seeded();
  for (const keys of [10, 100, 10_000]) {
    const heavy = new Heavy();
    const exact = new Map<string, number>();
    let total = 0;
    for (let i = 0; i < 20_000; i++) {
      const key = zipf(random, keys);
      const weight = 1 + random.below(3);
      heavy.add(key, weight);
      exact.set(key, (exact.get(key) ?? 0) + weight);
      total += weight;
    }
    const told = new Map(heavy.top(64).map(({ key, weight }) => [key, weight]));
    expect(told.size).toBeLessThanOrEqual(64);
    for (const [key, weight] of exact) {
      const estimate = told.get(key) ?? 0;
      expect(estimate).toBeLessThanOrEqual(weight);
      expect(weight - estimate).toBeLessThanOrEqual(total / 65);
    }
  }
});

test('a sample has the weight of the whole, and large weights are not sampled', () => {
  const random = seeded();
  const sampled = new Sampled(8, () => random.next());
  expect(sampled.take(64)).toBe(64);
  let taken = 0;
  for (let i = 0; i < 100_000; i++) taken += sampled.take(1);
  // 1,024 gaps of 8 on average, then of 16, of 32, and 670 of 64, each with a deviation of 0.58 of that: six of the sum's.
  expect(Math.abs(taken - 100_000)).toBeLessThan(
    6 * 0.58 * Math.sqrt(1_024 * (8 ** 2 + 16 ** 2 + 32 ** 2) + 670 * 64 ** 2),
  );
});

test('the more there is the less of it is looked at, and it is as true', () => {
  const random = seeded();
  const sampled = new Sampled(4_000, () => random.next());
  let [handed, taken] = [0, 0];
  for (let span = 0; span < 2; span++) {
    for (let i = 0; i < 500_000; i++) {
      const weight = sampled.take(200_000);
      if (weight > 0) handed++;
      taken += weight;
    }
    sampled.turn();
  }
  // With one step all 1,000,000 would be.
  expect(handed).toBeLessThan(50_000);
  expect(Math.abs(taken / 2e11 - 1)).toBeLessThan(0.1);
  // It comes back when there is little again.
  for (let span = 0; span < 40; span++) sampled.turn();
  expect(sampled.take(32_000)).toBe(32_000);
});

test('keys are told by requests and by time held, the most first, whatever the order in which they come', () => {
  const random = seeded();
  const counts = new KeyCounts(0, () => random.next());
  // Eight keys in turn, which one in eight would see one of; `hot` has half of all; `slow` is rare and holds for long.
  for (let i = 0; i < 16_000; i++) {
    counts.note(`turn-${i % 8}`, 20);
    counts.note('hot', 20);
    if (i % 1_000 === 0) counts.note('slow', 60_000);
  }
  const top = counts.top(5_000);
  expect(top).toMatchObject({ overMs: 5_000, requests: 32_016 });
  expect(top.byRequests[0]?.key).toBe('hot');
  expect((top.byRequests[0]?.requests ?? 0) / 16_000).toBeGreaterThan(0.8);
  expect(top.byRequests.filter(({ key }) => key.startsWith('turn-'))).toHaveLength(8);
  expect(top.byTime[0]).toEqual({ key: 'slow', heldMs: 960 });
});

test('figures are of the whole span before, so that they are of what is', () => {
  const counts = new KeyCounts(0, () => 0.5);
  for (let i = 0; i < 100; i++) counts.note('old', 0);
  counts.turn(10_000);
  for (let i = 0; i < 100; i++) counts.note('new', 0);
  expect(counts.top(15_000)).toMatchObject({ overMs: 10_000, requests: 100, byRequests: [{ key: 'old' }] });
  counts.turn(20_000);
  expect(counts.top(20_001).byRequests).toMatchObject([{ key: 'new' }]);
});
