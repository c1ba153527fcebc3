import type { EngineEvent } from 'keylane';
import { expect, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { PUPPET } from '../support/drivers/own.js';
import { startEngine, until } from '../support/engine.js';

test('a key of a shard that is hot moves to another, and none of its requests is lost (W8)', async () => {
  const events: EngineEvent[] = [];
  const engine = await startEngine({
    shards: 2,
    drivers: [PUPPET],
    moveKeys: true,
    onEvent: (one) => events.push(one),
  });
  const keys = Array.from({ length: 50 }, (_, i) => `host-${i}`).filter((key) => shardOf(key, 2) === 0);
  const [always, now1, now2] = keys as [string, string, string];
  let over = false;
  // Together more than one thread can do; the second and the third have no request for a moment after each.
  const load = async (key: string) => {
    while (!over) {
      await engine.run('puppet', { key, run: 'burn', payload: 10 });
      if (key !== always) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const burst = async (key: string) => {
    while (!over) {
      await Promise.all(Array.from({ length: 10 }, () => engine.run('puppet', { key, run: 'burn', payload: 10 })));
      await engine.run('echo', { key: 'other', delayMs: 100 });
    }
  };
  const loads = [load(always), load(always), burst(now1), burst(now2)];
  await until(() => events.some(({ type }) => type === 'key_moved'));
  const moved = events.find((event) => event.type === 'key_moved');
  expect([now1, now2]).toContain(moved?.key);
  expect(moved).toMatchObject({ shard: 0, to: 1 });
  await until(async () => {
    const keysThere = (await engine.stats()).shards[1]?.inside?.topKeys.byRequests.map(({ key }) => key);
    return keysThere?.includes(moved?.key ?? '') ?? false;
  });
  over = true;
  await Promise.all(loads);
  expect((await engine.stats()).shards.map(({ restarts }) => restarts)).toEqual([0, 0]);
});
