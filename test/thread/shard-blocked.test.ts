import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineEvent } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { systemClock } from '../../src/util/clock.js';
import { CRASH, type CrashRequest } from '../support/drivers/own.js';
import { startEngine, until, verdict } from '../support/engine.js';
import { worstLag } from '../support/loop-lag.js';

const SHARDS = 2;
const KEYS = Array.from({ length: 20 }, (_, i) => `host-${i}`);
const inShard = (shard: number) => KEYS.filter((key) => shardOf(key, SHARDS) === shard);

test('a shard that blocks is told of within 2 s with its key, replaced after shardBlockedMs, and no other hurt (W4)', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-blocked-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const events: (EngineEvent & { at: number })[] = [];
  const onEvent = (event: EngineEvent) => events.push({ ...event, at: systemClock.now() });
  const engine = await startEngine({ shards: SHARDS, drivers: [CRASH], shardBlockedMs: 2_000, onEvent });
  const request: CrashRequest = { key: '', id: 0, witness: join(dir, 'witness'), beforeMs: 0, afterMs: 0 };
  const run = (key: string, more: Partial<CrashRequest> = {}) => engine.run('crash', { ...request, ...more, key });
  const [blocker, ...neighbours] = inShard(0) as [string, ...string[]];
  await run(blocker);
  const told = (type: EngineEvent['type']) => events.find((event) => event.type === type && event.shard === 0);

  // In flight and with their bytes gone when the thread stops; the others come while it stands still.
  const lost = neighbours.slice(0, 3).map((key) => verdict(run(key, { afterMs: 60_000 })));
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 3);
  const begun = systemClock.now();
  const blocked = verdict(run(blocker, { die: 'block' }));
  const lag = worstLag(until(() => told('shard_blocked') !== undefined));
  await lag;
  const later = neighbours.slice(3).map((key) => run(key));
  expect((await engine.stats()).shards.map(({ state }) => state)).toEqual(['blocked', 'serving']);
  await Promise.all(inShard(1).map((key) => run(key)));

  expect(told('shard_blocked')).toMatchObject({ key: blocker });
  expect((told('shard_blocked')?.at ?? Number.NaN) - begun).toBeLessThan(2_000 + (await lag));
  expect(await blocked).toBe('ERR_SHARD_DIED unknown');
  const diedAfter = (told('shard_died')?.at ?? Number.NaN) - begun;
  // Its last sign of life may have been a look before.
  expect(diedAfter).toBeGreaterThan(1_500);
  expect(diedAfter).toBeLessThan(6_000);
  expect(await Promise.all(lost)).toEqual(new Array(3).fill('ERR_SHARD_DIED unknown'));
  // What came while it stood still waited, and is served by the next thread.
  expect(await Promise.all(later)).toHaveLength(neighbours.length - 3);
  expect((await engine.stats()).shards.map(({ state, restarts }) => [state, restarts])).toEqual([
    ['serving', 1],
    ['serving', 0],
  ]);
});
