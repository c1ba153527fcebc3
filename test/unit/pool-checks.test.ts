import { describe, expect, test } from 'vitest';
import type { Driver } from '../../src/types.ts';
import type { Limits } from '../../src/wire/limits.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Caller, call, FakeDriver, poolsWith } from '../support/fake-driver.ts';

async function setUp({ connections = 1, streams = 1, ...limits }: Partial<Limits> & Record<string, number> = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, { checkAfterMs: 30_000, connectionsPerLane: connections, ...limits });
  const pool = pools.of('host', 'host a', 'a', driver as Driver);
  pool.warm(connections, () => {});
  while (driver.opens.length > 0) driver.letOpen();
  await settled();
  return { clock, driver, pools, pool };
}

const served = (callers: Caller[]) => callers.filter(({ waits }) => !waits).length;

describe('a connection that was idle for long', () => {
  test('is asked how it is before a request gets it', async () => {
    const { clock, driver, pools, pool } = await setUp();
    clock.advance(30_001);
    const caller = call(pool);
    expect(caller.waits).toBe(true);
    expect(pools.counts).toMatchObject({ checking: 1, idle: 0 });
    driver.letCheck(true);
    await settled();
    expect(caller.connection).toBe(driver.opened[0]);
    expect(driver.begun).toBe(1);
  });

  test('is not asked again before it was silent for as long again', async () => {
    const { clock, driver, pool } = await setUp();
    clock.advance(30_001);
    const caller = call(pool);
    driver.letCheck(true);
    await settled();
    caller.lease.release();
    clock.advance(30_000);
    expect(call(pool).waits).toBe(false);
    expect(driver.checks).toHaveLength(0);
  });

  test('keeps nobody waiting who can have another', async () => {
    const { clock, driver, pool } = await setUp({ connections: 2 });
    const [first] = [call(pool)];
    clock.advance(30_001);
    first?.lease.release();
    expect(call(pool).waits).toBe(false);
    expect(driver.checks).toHaveLength(0);
    const [next, last] = [call(pool), undefined];
    expect([next?.waits, driver.checks.length, last]).toEqual([true, 1, undefined]);
  });

  test('is not asked where nobody wants it, nor by a driver that cannot, nor where checks are off', async () => {
    const { clock, driver, pool } = await setUp({ checkAfterMs: 0 });
    clock.advance(60_000);
    expect(call(pool).waits).toBe(false);
    const cannot = new FakeDriver();
    Object.assign(cannot, { check: undefined });
    const pools = poolsWith(clock, { checkAfterMs: 30_000 });
    const other = pools.of('host', 'host b', 'b', cannot as Driver);
    other.warm(1, () => {});
    cannot.letOpen();
    await settled();
    clock.advance(60_000);
    expect(call(other).waits).toBe(false);
    expect(driver.checks).toHaveLength(0);
  });

  test('is asked for as many streams as are wanted, and no more connections are asked', async () => {
    const { clock, driver, pool } = await setUp({ connections: 3, streams: 2 });
    clock.advance(30_001);
    const callers = [1, 2, 3].map(() => call(pool));
    expect(driver.checks).toHaveLength(2);
    driver.letCheck(true);
    driver.letCheck(true);
    await settled();
    expect(served(callers)).toBe(3);
    expect(driver.begun).toBe(3);
  });
});

describe('a connection that is not well', () => {
  test.each([
    ['says no', (driver: FakeDriver) => void driver.letCheck(false)],
    ['cannot say', (driver: FakeDriver) => driver.checks.shift()?.fail(new Error('a bug'))],
  ])('because it %s is closed, and who waits gets the next one', async (_, answer) => {
    const { clock, driver, pool } = await setUp({ connections: 2 });
    clock.advance(30_001);
    const caller = call(pool);
    answer(driver);
    await settled();
    expect(driver.closed).toHaveLength(1);
    driver.letCheck(true);
    await settled();
    expect(caller.waits).toBe(false);
    expect(driver.begun).toBe(2);
  });

  test('because it says nothing for 2 s is closed with all that were silent for longer, and another is opened', async () => {
    const { clock, driver, pools, pool } = await setUp({ connections: 3 });
    clock.advance(30_001);
    const caller = call(pool);
    await clock.advanceSettling(1_999);
    expect(driver.closed).toHaveLength(0);
    await clock.advanceSettling(20);
    expect(driver.closed).toHaveLength(3);
    expect([caller.waits, driver.begun, driver.opens.length]).toEqual([true, 4, 1]);
    driver.letCheck(true);
    driver.letOpen();
    await settled();
    expect(caller.connection).toBe(driver.opened[3]);
    expect(pools.counts).toMatchObject({ checking: 0, full: 1 });
  });

  test('and dies while it is asked is closed once', async () => {
    const { clock, driver, pools, pool } = await setUp();
    clock.advance(30_001);
    const caller = call(pool);
    driver.opened[0]?.die();
    await settled();
    driver.letCheck(true);
    await settled();
    expect(driver.closed).toHaveLength(1);
    driver.letOpen();
    await settled();
    expect(caller.waits).toBe(false);
    expect(pools.counts).toMatchObject({ checking: 0, full: 1 });
  });
});

test('a shard that ends waits for no check', async () => {
  const { clock, driver, pools, pool } = await setUp();
  clock.advance(30_001);
  const caller = call(pool);
  const { KeylaneError } = await import('../../src/errors.ts');
  await pools.end(new KeylaneError('ERR_CLOSED'));
  expect(caller.error.code).toBe('ERR_CLOSED');
  expect([clock.pending, driver.alive, pools.size]).toEqual([0, 0, 0]);
});
