import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { laneOf } from '../../src/routing.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { EndReason } from '../../src/wire/protocol.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { call, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { InsideShard } from '../support/inside-shard.ts';

function setUp(limits: Partial<Limits> = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver();
  const pools = poolsWith(clock, { connectionsPerLane: 2, ...limits }, { random: () => 0 });
  const lane = (name: string) => pools.of('host', laneOf('host', name), name, driver);
  const connected = async (name = 'a') => {
    const caller = call(lane(name), name);
    while (driver.opens.length > 0) driver.letOpen();
    await settled();
    return caller;
  };
  const idle = async (name = 'a') => {
    const caller = await connected(name);
    const { connection } = caller;
    caller.lease.release();
    return connection;
  };
  return { clock, driver, pools, lane, connected, idle };
}

type World = ReturnType<typeof setUp>;

test.each<[EndReason, Partial<Limits>, (world: World) => Promise<unknown>]>([
  ['idle', { idleMs: 1_000 }, async ({ idle, clock }) => [await idle(), clock.advance(1_000)]],
  ['lifetime', { maxLifetimeMs: 50_000 }, async ({ idle, clock }) => [await idle(), clock.advance(51_000)]],
  ['evicted', { connectionsPerShard: 1 }, async ({ idle, lane }) => [await idle(), call(lane('b'))]],
  [
    'gave_way',
    { connectionsPerShard: 1, connectionsPerLane: 1 },
    async ({ connected, lane, clock }) => {
      const busy = await connected();
      call(lane('b'));
      call(lane('a'));
      clock.advance(300);
      busy.lease.release();
    },
  ],
  ['lost', {}, async ({ idle }) => (await idle()).die()],
  ['discarded', {}, async ({ connected }) => (await connected()).lease.discard(new Error('broken'))],
  [
    'not_reusable',
    {},
    async ({ connected }) => {
      const caller = await connected();
      caller.connection.reusable = false;
      caller.lease.release();
    },
  ],
  [
    'check_failed',
    { checkAfterMs: 100 },
    async ({ idle, lane, clock, driver }) => {
      await idle();
      clock.advance(101);
      call(lane('a'));
      driver.letCheck(false);
    },
  ],
  ['shut', {}, async ({ idle, pools }) => [await idle(), await pools.end(new KeylaneError('ERR_CLOSED'))]],
])('a connection that ends is counted by why: %s', async (why, limits, end) => {
  const world = setUp(limits);
  await end(world);
  await settled();
  const { closedBy, totals } = world.pools;
  expect(Object.entries(closedBy).filter(([, count]) => count > 0)).toEqual([[why, 1]]);
  expect(totals.closed).toBe(1);
});

test('what was never open, or ends twice, is not counted twice', async () => {
  const { pools, driver, lane, connected } = setUp();
  const refused = call(lane('b'));
  driver.failOpen();
  await settled();
  expect(refused.error.code).toBe('ERR_CONNECT');
  const { connection, lease } = await connected();
  connection.die();
  connection.die();
  lease.discard(new Error('broken'));
  await settled();
  expect(pools.closedBy).toMatchObject({ lost: 1, discarded: 0 });
  expect(pools.totals).toMatchObject({ opened: 1, failed: 1, closed: 1 });
});

test('streams are counted as they are now, and who gets a connection that has served before', async () => {
  const { pools, driver, lane, connected } = setUp();
  driver.streams = 3;
  const first = await connected();
  const second = call(lane('a'));
  const other = await connected('b');
  expect(pools.streams).toEqual({ total: 6, leased: 3 });
  expect(pools.totals.reused).toBe(0);
  for (const caller of [first, second, other]) caller.lease.release();
  expect(pools.streams).toEqual({ total: 6, leased: 0 });
  call(lane('a'));
  expect([pools.streams.leased, pools.totals.reused]).toEqual([1, 1]);
});

test('a driver that throws when it is asked for its processes, or tells nonsense, costs its shard nothing', async () => {
  const shard = new InsideShard();
  Object.assign(shard.driver, {
    subprocesses: () => {
      throw new Error('a bug');
    },
    spawned: () => 'many',
  });
  await shard.ask('a');
  expect(await shard.stats()).toMatchObject({ subprocesses: 0, spawned: 0 });
  Object.assign(shard.driver, { subprocesses: () => 2, spawned: () => 7 });
  expect(await shard.stats()).toMatchObject({ subprocesses: 2, spawned: 7 });
});
