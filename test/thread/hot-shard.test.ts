import { expect, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { startEngine, until } from '../support/engine.js';

test('figures tell which shard is busy, and with which keys', async () => {
  const engine = await startEngine({ shards: 2 });
  const key = 'hot';
  const hot = shardOf(key, 2);
  let over = false;
  const load = async () => {
    while (!over) await Promise.all(Array.from({ length: 200 }, () => engine.run('echo', { key })));
  };
  const loads = [load(), load()];
  await until(async () => {
    const { shards } = await engine.stats();
    return (shards[hot]?.busy ?? 0) > 0.2 && (shards[hot]?.inside?.topKeys.requests ?? 0) > 2_000;
  });
  const { shards } = await engine.stats();
  over = true;
  await Promise.all(loads);
  const [busy, idle] = [shards[hot], shards[1 - hot]];
  expect(busy?.busy).toBeLessThanOrEqual(1);
  // By how much depends on what else the machine does.
  expect(busy?.busy).toBeGreaterThan(idle?.busy ?? 1);
  const topKeys = busy?.inside?.topKeys;
  expect(topKeys?.byRequests).toHaveLength(1);
  expect(topKeys?.byRequests[0]?.key).toBe(key);
  expect((topKeys?.byRequests[0]?.requests ?? 0) / (topKeys?.requests ?? 0)).toBeGreaterThan(0.7);
  expect(busy?.inside?.loopLagMs).toBeGreaterThanOrEqual(0);
  expect(idle?.inside?.topKeys).toMatchObject({ requests: 0, byRequests: [], byTime: [] });
});
