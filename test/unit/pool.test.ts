import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { Pool } from '../../workers/pool.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Caller, call, FakeDriver, poolsWith } from '../support/fake-driver.ts';

function setUp({ streams = 1, ...limits }: Partial<Limits> & { streams?: number } = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, limits);
  const lane = (name: string, key = 'host'): Pool => pools.of(key, `${key} ${name}`, name, driver);
  /** A caller of the lane on a connection that is opened for it. */
  const connected = async (name: string, key?: string): Promise<Caller> => {
    const caller = call(lane(name, key), name);
    driver.letOpen();
    await settled();
    return caller;
  };
  return { clock, driver, pools, lane, connected };
}

const LOST = new KeylaneError('ERR_CONNECTION_LOST');

describe('a stream is granted', () => {
  test('by priority, and in the order they came within one', async () => {
    const { lane, connected } = setUp({ connectionsPerLane: 1 });
    const log: string[] = [];
    const first = await connected('a');
    const asked = [['low', -10], ['b', 0], ['c', 0], ['high', 10], ['d', 0]] as const; // biome-ignore format: a table
    const callers = asked.map(([name, priority]) => call(lane('a'), name, { priority, log }));
    first.lease.release();
    for (let turn = 0; turn < 4; turn++) callers.find(({ name }) => name === log.at(-1))?.lease.release();
    expect(log).toEqual(['high', 'b', 'c', 'd', 'low']);
  });

  test('on as many connections as 1,000 callers of a cold lane need, and no more', async () => {
    const { driver, lane, pools } = setUp({ streams: 10, connectionsPerLane: 200 });
    const callers = Array.from({ length: 1_000 }, () => call(lane('a')));
    expect(driver.opens).toHaveLength(8);
    while (driver.opens.length > 0) {
      expect(driver.opens.length).toBeLessThanOrEqual(8);
      driver.letOpen();
      await settled();
    }
    expect(driver.begun).toBe(100);
    expect(callers.filter(({ waits }) => waits)).toHaveLength(0);
    expect(pools.counts).toEqual({ opening: 0, idle: 0, busy: 0, full: 100, closing: 0, checking: 0 });
  });

  test('on a busy connection before an idle one', async () => {
    const { driver, lane, pools } = setUp({ streams: 2 });
    const callers = [1, 2, 3, 4].map(() => call(lane('a')));
    driver.letOpen();
    driver.letOpen();
    await settled();
    for (const { lease } of callers.slice(0, 3)) lease.release();
    expect(pools.counts).toMatchObject({ idle: 1, busy: 1 });
    expect(call(lane('a')).connection).toBe(callers[3]?.connection);
    expect(pools.counts).toMatchObject({ idle: 1, full: 1 });
  });

  test('on the connection that became idle last', async () => {
    const { lane, connected } = setUp();
    const [first, second] = [await connected('a'), await connected('a')];
    second.lease.release();
    first.lease.release();
    expect(call(lane('a')).connection).toBe(first.connection);
  });

  test('never on more connections than the lane may have', async () => {
    const { driver, lane, connected } = setUp({ connectionsPerLane: 2 });
    await connected('a');
    const last = await connected('a');
    const waiting = call(lane('a'));
    expect(driver.begun).toBe(2);
    last.lease.discard(LOST);
    await settled();
    expect(driver.begun).toBe(3);
    expect(waiting.waits).toBe(true);
  });

  test('to another user of the same host on a connection of its own, from the same opens', () => {
    const { driver, lane, pools } = setUp({ opensPerKey: 1 });
    call(lane('alice'));
    call(lane('bob'));
    expect(driver.opens.map(({ about }) => about.target)).toEqual(['alice']);
    const alice = driver.letOpen();
    return settled().then(() => {
      expect(driver.opens.map(({ about }) => about.target)).toEqual(['bob']);
      expect(driver.letOpen()).not.toBe(alice);
      expect(pools.size).toBe(2);
    });
  });

  test('not to who has left the line', async () => {
    const { driver, lane, connected } = setUp({ connectionsPerLane: 1 });
    const first = await connected('a');
    const [gone, stays] = [call(lane('a')), call(lane('a'))];
    lane('a').abandon(gone);
    first.lease.release();
    expect([gone.waits, stays.waits]).toEqual([true, false]);
    expect(driver.begun).toBe(1);
  });
});

describe('a lease', () => {
  test('is settled once: a second time throws and changes nothing', async () => {
    const { lane, connected, pools } = setUp();
    const [{ lease: released }, { lease: discarded }] = [await connected('a'), await connected('b')];
    released.release();
    discarded.discard(LOST);
    for (const settle of [() => released.release(), () => released.discard(LOST), () => released.exceeded(1)]) {
      expect(settle).toThrow('settled twice');
    }
    expect(() => discarded.release()).toThrow('settled twice');
    expect(pools.counts.idle).toBe(1);
    expect(call(lane('a')).lease.connection.leased).toBe(1);
  });

  test('that is discarded ends its connection when the others on it are settled', async () => {
    const { driver, lane, connected, pools } = setUp({ streams: 3 });
    const first = await connected('a');
    const second = call(lane('a'));
    first.lease.discard(LOST);
    await settled();
    expect(driver.closed).toEqual([]);
    expect(call(lane('a')).waits).toBe(true);
    second.lease.release();
    await settled();
    expect(driver.closed).toEqual([second.connection]);
    expect(pools.totals.closed).toBe(1);
  });

  test('that is released ends its connection if the driver says so, or cannot say', async () => {
    const { driver, connected } = setUp();
    const first = await connected('a');
    first.connection.reusable = false;
    first.lease.release();
    driver.reusable = () => {
      throw new Error('a bug');
    };
    (await connected('b')).lease.release();
    await settled();
    expect(driver.closed).toHaveLength(2);
  });
});

describe('an open that fails', () => {
  test('is the answer to all who wait, where the lane has nothing else', async () => {
    const { driver, lane, pools } = setUp({ connectionsPerLane: 1 });
    const callers = [1, 2, 3].map(() => call(lane('a')));
    driver.failOpen();
    await settled();
    expect(callers.map(({ error }) => error.code)).toEqual(['ERR_CONNECT', 'ERR_CONNECT', 'ERR_CONNECT']);
    expect([pools.size, pools.keys.size, pools.totals.failed]).toEqual([0, 0, 1]);
  });

  test('leaves those waiting who have another connection, and none is tried again for a second', async () => {
    const { clock, driver, lane, connected } = setUp();
    const first = await connected('a');
    const waiting = call(lane('a'));
    driver.failOpen();
    await settled();
    expect(waiting.waits).toBe(true);
    clock.advance(999);
    const another = call(lane('a'));
    expect(driver.opens).toHaveLength(0);
    first.lease.release();
    waiting.lease.release();
    clock.advance(1);
    call(lane('a'));
    expect(another.waits).toBe(false);
    expect(driver.opens).toHaveLength(1);
  });

  test('because the driver throws is answered like any other', async () => {
    const { driver, lane, pools } = setUp();
    driver.open = () => {
      throw new Error('a bug');
    };
    const caller = call(lane('a'));
    await settled();
    expect(caller.error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'not_started' });
    expect(pools.counts.opening + pools.counts.closing).toBe(0);
  });

  test('for its time refuses who waits, frees the place, and a connection that comes late is closed', async () => {
    const { clock, driver, lane, pools } = setUp({ connectionsPerShard: 1, connectTimeoutMs: 10_000 });
    const caller = call(lane('a'));
    await clock.advanceSettling(9_999);
    expect(caller.waits).toBe(true);
    await clock.advanceSettling(20);
    expect(caller.error).toMatchObject({ code: 'ERR_CONNECT', message: 'no connection after 10000 ms' });
    const [late] = driver.opens;
    const next = call(lane('b'));
    expect(driver.opens).toHaveLength(2);
    expect(late?.about.context.signal.aborted).toBe(true);
    const connection = driver.letOpen();
    driver.letOpen();
    await settled();
    expect(driver.closed).toEqual([connection]);
    expect(next.connection).not.toBe(connection);
    expect(pools.counts.full).toBe(1);
  });
});

test('who waits for a lane whose last open failed gets another when the second is over, whatever else happens', async () => {
  const { clock, driver, lane, connected } = setUp();
  await connected('a');
  const waiting = call(lane('a'));
  driver.failOpen();
  await settled();
  await clock.advanceSettling(1_016);
  driver.letOpen();
  await settled();
  expect(waiting.waits).toBe(false);
});

test('who waits out the one try that is let through asks now and then, also when that try is late', async () => {
  const breaker = { failures: 1, openMs: 100, maxOpenMs: 100 };
  const { clock, driver, lane, connected } = setUp({ breaker, connectTimeoutMs: 1_000 });
  await connected('a');
  const waiting = call(lane('a'));
  driver.failOpen();
  await settled();
  await clock.advanceSettling(200);
  const probe = call(lane('b'));
  await settled();
  expect(driver.opens).toHaveLength(1);
  let timers = 0;
  const timer = clock.timer.bind(clock);
  clock.timer = (ms, run) => {
    timers++;
    if (timers > 1_000) throw new Error('the clock stands still');
    return timer(ms, run);
  };
  // Without a turn for promises, so that the try that is late has not been ended.
  clock.advance(5_000);
  await settled();
  expect(probe.error.code).toBe('ERR_CONNECT');
  expect(waiting.waits).toBe(true);
});

describe('a connection that is lost', () => {
  test('while idle is closed and not granted again', async () => {
    const { driver, lane, connected } = setUp();
    const first = await connected('a');
    first.lease.release();
    first.connection.die();
    first.connection.die();
    await settled();
    expect(driver.closed).toEqual([first.connection]);
    expect(call(lane('a')).waits).toBe(true);
  });

  // How many turns of promises lie between "open" and "lost" is the driver's affair.
  test.each([0, 1, 2, 3, 4, 5, 6, 7])(
    '%i turns after it was open is closed once, and its waiter answered',
    async (turns) => {
      const { driver, lane, pools } = setUp();
      const caller = call(lane('a'));
      const connection = driver.letOpen();
      for (let turn = 0; turn < turns; turn++) await undefined;
      connection.die();
      await settled();
      if (caller.told.length === 1 && 'release' in caller.told[0]!) caller.lease.release();
      await settled();
      expect(caller.told).toHaveLength(1);
      expect(driver.closed).toEqual([connection]);
      expect([pools.size, ...Object.values(pools.counts)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    },
  );
});

describe('a peer that allows fewer streams', () => {
  test('teaches it to the connection and to the lane, and the request is the next in line', async () => {
    const { driver, lane, pools } = setUp({ streams: 4, connectionsPerLane: 2 });
    const log: string[] = [];
    const callers = ['1', '2', '3', '4'].map((name) => call(lane('a'), name, { log }));
    driver.letOpen();
    await settled();
    const later = call(lane('a'), 'later', { log });
    for (const caller of callers.slice(2)) {
      caller.lease.exceeded(2);
      lane('a').putBack(caller);
    }
    expect(pools.counts).toMatchObject({ full: 1, opening: 1 });
    callers[0]?.lease.release();
    expect(log).toEqual(['1', '2', '3', '4', '4']);
    driver.letOpen();
    await settled();
    expect(log).toEqual(['1', '2', '3', '4', '4', '3', 'later']);
    expect(later.lease.connection.streams).toBe(2);
  });

  test('none at all still gets one request at a time', async () => {
    const { connected, lane } = setUp({ streams: 4, connectionsPerLane: 1 });
    const first = await connected('a');
    first.lease.exceeded(0);
    expect([call(lane('a')).waits, call(lane('a')).waits]).toEqual([false, true]);
  });
});

describe('warm', () => {
  test('opens so many connections, within the lane, and calls back once', async () => {
    const { driver, lane, pools } = setUp({ connectionsPerLane: 2 });
    const told: unknown[] = [];
    lane('a').warm(5, (error) => told.push(error));
    expect(driver.opens).toHaveLength(2);
    driver.letOpen();
    await settled();
    expect(told).toEqual([]);
    driver.letOpen();
    await settled();
    lane('a').warm(1, (error) => told.push(error));
    expect(told).toEqual([undefined, undefined]);
    expect(pools.counts.idle).toBe(2);
  });

  test('tells when a connection cannot be opened', async () => {
    const { driver, lane, pools } = setUp();
    const told: unknown[] = [];
    lane('a').warm(1, (error) => told.push(error?.code));
    driver.failOpen();
    await settled();
    expect(told).toEqual(['ERR_CONNECT']);
    expect(pools.size).toBe(0);
  });

  test('that is called off leaves nothing behind: no line, no pool, no answer', async () => {
    const { driver, lane, pools } = setUp({ opensPerKey: 1 });
    const told: unknown[] = [];
    const warmings = ['a', 'b'].map((name) => lane(name).warm(1, (error) => told.push(error)));
    lane('b').unwarm(warmings[1]!);
    expect([pools.size, lane('b').inHungry.list]).toEqual([1, undefined]);
    lane('a').unwarm(warmings[0]!);
    driver.letOpen();
    await settled();
    expect([told.length, pools.counts.idle, driver.begun]).toEqual([0, 1, 1]);
  });

  test('is answered although the lane has a connection and may not open another just now', async () => {
    const { driver, lane, connected } = setUp();
    await connected('a');
    call(lane('a'));
    driver.failOpen();
    await settled();
    const told: unknown[] = [];
    lane('a').warm(2, (error) => told.push(error));
    if (driver.opens.length > 0) driver.letOpen();
    await settled();
    expect(told).toHaveLength(1);
  });
});
