import { expect, test } from 'vitest';
import type { ShardEvent } from '../../src/events.ts';
import { laneOf } from '../../src/routing.ts';
import type { DriverLease } from '../../src/types.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { call, FakeDriver, poolsWith } from '../support/fake-driver.ts';

const LEAK_MS = 2_000;

/** A connection of lane `inner` that is being opened, for which its driver holds a stream of the bastion's. */
async function setUp({ leakMs = LEAK_MS } = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver();
  const told: ShardEvent[] = [];
  const pools = poolsWith(clock, { leakMs, idleMs: 1_000 }, { tell: (event) => told.push(event) });
  const caller = call(pools.of('host', laneOf('host', 'inner'), 'inner', driver));
  const leasing = takeInTest(() => driver.opens[0]?.about.context.lease('bastion') as Promise<DriverLease>);
  driver.opens.reverse();
  driver.letOpen();
  const lease = await leasing;
  await settled();
  return { clock, driver, pools, told, caller, lease };
}

/** Its name is to be found in the stack. */
function takeInTest<T>(take: () => T): T {
  return take();
}

test('a lease that a driver forgets is told once, with where it was taken, and told again when it comes back (P4)', async () => {
  const { clock, driver, pools, told, lease } = await setUp();
  await clock.advanceSettling(5_000);
  driver.failOpen();
  await clock.advanceSettling(LEAK_MS - 20);
  expect(told).toEqual([]);
  await clock.advanceSettling(60_000);
  expect(told).toMatchObject([{ type: 'lease_leaked', key: 'host' }]);
  const [leak] = told as Extract<ShardEvent, { type: 'lease_leaked' }>[];
  expect(leak?.stack).toContain('takeInTest');
  expect(leak?.heldMs).toBeGreaterThanOrEqual(5_000 + LEAK_MS);
  expect(leak?.heldMs).toBeLessThan(5_000 + LEAK_MS + 20);
  expect(pools.totals.leaked).toBe(1);
  lease.release();
  expect(told.slice(1)).toMatchObject([{ type: 'lease_returned', key: 'host' }]);
  expect(() => lease.release()).toThrow('settled twice');
  await clock.advanceSettling(60_000);
  expect(told).toHaveLength(2);
});

test('a lease that is in use is no leak, however long, and has its time when what it was for is gone (P4)', async () => {
  const { clock, driver, told, caller, lease } = await setUp();
  driver.letOpen();
  await clock.advanceSettling(24 * 3_600_000);
  expect(told).toEqual([]);
  caller.lease.discard(new Error('broken'));
  await clock.advanceSettling(LEAK_MS - 20);
  lease.discard(new Error('broken'));
  await clock.advanceSettling(60_000);
  expect(told).toEqual([]);
});

test('without leakMs nothing is told', async () => {
  const { clock, driver, pools, told } = await setUp({ leakMs: 0 });
  driver.failOpen();
  await clock.advanceSettling(3_600_000);
  expect([told.length, pools.totals.leaked]).toEqual([0, 0]);
});
