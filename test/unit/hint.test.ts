import { expect, test } from 'vitest';
import { hintOf } from '../../src/hint.ts';

const topKeys = (requests: number, of: number) => ({
  overMs: 10_000,
  requests: of,
  byRequests: [{ key: 'big', requests }],
  byTime: [],
});

test('a shard that is busy with one key says that more shards are of no use', () => {
  const says = 'busy with one key: big has 80 % of its requests, and one key cannot use two shards';
  expect(hintOf(0.95, topKeys(8_000, 10_000))).toBe(says);
});

test('nothing is said of one that is not busy, or busy with many keys, or has hardly begun', () => {
  expect(hintOf(0.5, topKeys(8_000, 10_000))).toBeUndefined();
  expect(hintOf(0.95, topKeys(4_000, 10_000))).toBeUndefined();
  expect(hintOf(0.95, topKeys(80, 100))).toBeUndefined();
  expect(hintOf(0.95, undefined)).toBeUndefined();
});
