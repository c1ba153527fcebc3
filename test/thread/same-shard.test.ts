import { expect, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { runProgram } from '../support/programs/run.js';

test('a key is served by the same shard in every process (W8)', async () => {
  const keys = Array.from({ length: 100 }, (_, i) => `host-${i}.example:22`);
  const [one, other] = await Promise.all([runProgram('shard-of', keys), runProgram('shard-of', keys)]);
  expect(JSON.parse(one.stdout)).toEqual(JSON.parse(other.stdout));
  expect(JSON.parse(one.stdout)).toEqual(Object.fromEntries(keys.map((key) => [key, shardOf(key, 4)])));
});
