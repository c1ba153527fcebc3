import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { DriverLimits } from '../../src/types.ts';
import type { Limits } from '../../src/wire/limits.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Caller, call, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { Random } from '../support/random.ts';
import { SEED } from '../support/seed.ts';

function setUp(asked: DriverLimits | ((target: unknown) => DriverLimits), limits: Partial<Limits> = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver(1);
  driver.limits = typeof asked === 'function' ? asked : () => asked;
  const pools = poolsWith(clock, limits);
  const lane = (name: string, key = 'host') => pools.of(key, `${key} ${name}`, name, driver);
  const letAllOpen = async () => {
    for (; driver.opens.length > 0; await settled()) driver.letOpen();
  };
  const connected = async (name: string, key?: string): Promise<Caller> => {
    const caller = call(lane(name, key), name);
    await letAllOpen();
    return caller;
  };
  return { clock, driver, pools, lane, connected, letAllOpen };
}

describe('the limits that a driver asks for', () => {
  test('take the place of the engine’s connections of a lane', async () => {
    const { driver, lane, letAllOpen } = setUp({ connectionsPerLane: 5 }, { connectionsPerLane: 2 });
    for (let i = 0; i < 9; i++) call(lane('a'));
    await letAllOpen();
    expect(driver.begun).toBe(5);
  });

  test('bound the connections of a key over all its lanes, and no other key’s', async () => {
    const { driver, lane, letAllOpen } = setUp({ connectionsPerLane: 2, connectionsPerKey: 3 });
    for (const name of ['a', 'b', 'c']) for (let i = 0; i < 3; i++) call(lane(name), name);
    await letAllOpen();
    expect(driver.begun).toBe(3);
    call(lane('a', 'other'));
    await letAllOpen();
    expect(driver.begun).toBe(4);
  });

  test('give the place of an idle connection to a lane that waits for one, the longest idle first', async () => {
    const { clock, driver, pools, lane, connected, letAllOpen } = setUp({ connectionsPerKey: 2 });
    const [older, newer] = [await connected('a'), await connected('b')];
    const idle = await connected('z', 'other');
    idle.lease.release();
    clock.advance(1);
    older.lease.release();
    clock.advance(1);
    newer.lease.release();
    const waiting = call(lane('c'));
    expect(driver.closed).toEqual([older.connection]);
    await settled();
    await letAllOpen();
    expect([waiting.waits, pools.counts.idle, pools.totals.evicted]).toEqual([false, 2, 1]);
  });

  test('count a connection until its resources are gone', async () => {
    const { driver, lane, connected } = setUp({ connectionsPerKey: 1 });
    const first = await connected('a');
    driver.closesAtOnce = false;
    first.lease.release();
    call(lane('b'));
    await settled();
    expect([driver.closed.length, driver.begun]).toEqual([1, 1]);
    driver.letClose();
    await settled();
    expect(driver.begun).toBe(2);
  });

  test('let no lane keep a place for ever that another waits for', async () => {
    const { clock, driver, lane, connected, letAllOpen } = setUp({ connectionsPerKey: 1 });
    let busy = await connected('a');
    const waiting = call(lane('b'));
    for (let turn = 0; turn < 10 && waiting.waits; turn++) {
      const next = call(lane('a'));
      clock.advance(100);
      busy.lease.release();
      if (!next.waits) busy = next;
      await settled();
      await letAllOpen();
    }
    expect([waiting.waits, driver.alive]).toEqual([false, 1]);
  });

  test('end idle connections sooner than the shard does, and never later', async () => {
    const { clock, driver, connected } = setUp((target) => ({ idleMs: target === 'short' ? 5_000 : 600_000 }), {
      idleMs: 60_000,
    });
    const [short, long] = [await connected('short'), await connected('long')];
    short.lease.release();
    long.lease.release();
    clock.advance(4_999);
    expect(driver.closed).toHaveLength(0);
    clock.advance(300);
    expect(driver.closed).toEqual([short.connection]);
    clock.advance(55_000);
    expect(driver.closed).toEqual([short.connection, long.connection]);
  });

  test('keep a connection that was used again meanwhile', async () => {
    const { clock, driver, pools, lane, connected } = setUp({ idleMs: 5_000 });
    const first = await connected('a');
    first.lease.release();
    clock.advance(4_000);
    const again = call(lane('a'));
    again.lease.release();
    clock.advance(4_000);
    expect(driver.closed).toHaveLength(0);
    clock.advance(1_500);
    expect(driver.closed).toHaveLength(1);
    await pools.end(new KeylaneError('ERR_CLOSED'));
    expect(clock.pending).toBe(0);
  });

  test.each([0, 1_800_000])('end the life of a connection sooner than the engine does (%i)', async (maxLifetimeMs) => {
    const { clock, driver, connected } = setUp({ maxLifetimeMs: 10_000 }, { maxLifetimeMs });
    (await connected('a')).lease.release();
    clock.advance(8_900);
    expect(driver.closed).toHaveLength(0);
    clock.advance(2_100);
    expect(driver.closed).toHaveLength(1);
  });

  test('let a connection live for ever where its driver says so', async () => {
    const { clock, driver, connected } = setUp({ maxLifetimeMs: 0 }, { maxLifetimeMs: 10_000, idleMs: 1e9 });
    (await connected('a')).lease.release();
    clock.advance(1e8);
    expect(driver.closed).toHaveLength(0);
  });

  test('give an open more time than the engine does, or less', async () => {
    const asked = (target: unknown) => ({ connectTimeoutMs: target === 'slow' ? 60_000 : 500 });
    const { clock, lane } = setUp(asked, { connectTimeoutMs: 10_000 });
    const [slow, quick] = [call(lane('slow'), 'slow'), call(lane('quick'), 'quick')];
    await clock.advanceSettling(520);
    expect(quick.error).toMatchObject({ code: 'ERR_CONNECT', message: expect.stringContaining('after 500 ms') });
    await clock.advanceSettling(59_400);
    expect(slow.waits).toBe(true);
    await clock.advanceSettling(100);
    expect(slow.error).toMatchObject({ message: expect.stringContaining('after 60000 ms') });
  });

  test.each([
    [{ connectionsPerLane: 0 }, 'connectionsPerLane'],
    [{ connectTimeoutMs: 0 }, 'connectTimeoutMs'],
    [{ connectionsPerKey: 1.5 }, 'connectionsPerKey'],
    [{ idleMs: Number.NaN }, 'idleMs'],
    [{ quotas: [{ most: 0, perMs: 1 }] }, 'quotas.most'],
    [{ quotas: [{ most: 1, perMs: 0 }] }, 'quotas.perMs'],
  ] as const)('are refused where they are none: %j', (asked, named) => {
    const { pools, lane } = setUp(asked);
    expect(() => lane('a')).toThrow(named);
    expect([pools.size, pools.keys.size]).toEqual([0, 0]);
  });
});

test('under any load a key has never more connections than it may, and every lane has its turn', async () => {
  const random = new Random(SEED);
  const { clock, driver, pools, lane } = setUp({ connectionsPerLane: 3, connectionsPerKey: 4 }, { idleMs: 2_000 });
  driver.closesAtOnce = false;
  const callers: Caller[] = [];
  const look = () => {
    const { opening, idle, busy, full, closing, checking } = pools.counts;
    expect(opening + idle + busy + full + closing + checking).toBeLessThanOrEqual(4);
  };
  const finish = (caller: Caller | undefined) => {
    if (!caller) return;
    callers.splice(callers.indexOf(caller), 1);
    if (random.below(5) === 0) caller.lease.discard(new Error('broken'));
    else caller.lease.release();
  };
  const held = () => callers.find(({ waits }) => !waits);
  for (let step = 0; step < 2_000; step++) {
    const what = random.below(6);
    if (what < 2) callers.push(call(lane(random.pick(['a', 'b', 'c', 'd', 'e']))));
    else if (what === 2 && driver.opens.length > 0) driver.letOpen();
    else if (what === 3) finish(held());
    else if (what === 4 && driver.closes.length > 0) driver.letClose();
    else clock.advance(random.below(300));
    await settled();
    look();
  }
  for (let turn = 0; callers.length > 0; turn++) {
    expect(turn).toBeLessThan(20_000);
    if (driver.opens.length > 0) driver.letOpen();
    if (driver.closes.length > 0) driver.letClose();
    finish(held());
    clock.advance(100);
    await settled();
    look();
  }
});
