import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { laneOf } from '../../src/routing.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { Pool } from '../../workers/pool.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Caller, call, FakeDriver, poolsWith } from '../support/fake-driver.ts';

function setUp({ streams = 1, ...limits }: Partial<Limits> & { streams?: number } = {}) {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, limits);
  const lane = (name: string, key = 'host'): Pool => pools.of(key, laneOf(key, name), name, driver);
  const connected = async (name: string, key?: string): Promise<Caller> => {
    const caller = call(lane(name, key), name);
    driver.letOpen();
    await settled();
    return caller;
  };
  const nothingLeft = () => {
    expect({ ...pools.counts, pools: pools.size, timers: clock.pending, alive: driver.alive }).toEqual({
      ...{ opening: 0, idle: 0, busy: 0, full: 0, closing: 0, checking: 0 },
      ...{ pools: 0, timers: 0, alive: 0 },
    });
  };
  return { clock, driver, pools, lane, connected, nothingLeft };
}

const CLOSED = new KeylaneError('ERR_CLOSED');

describe('opens', () => {
  test('of one key are at most eight at once, over all its lanes, and its lanes take turns', async () => {
    const { driver, lane } = setUp({ connectionsPerLane: 20 });
    for (let i = 0; i < 10; i++) call(lane('a'));
    for (let i = 0; i < 10; i++) call(lane('b'));
    expect(driver.opens).toHaveLength(8);
    for (let i = 0; i < 3; i++) {
      driver.letOpen();
      await settled();
      expect(driver.opens).toHaveLength(8);
    }
    expect(driver.opens.map(({ about }) => about.target)).toContain('b');
  });

  test('of different keys never wait for each other', () => {
    const { driver, lane } = setUp({ connectionsPerLane: 20 });
    for (let i = 0; i < 20; i++) call(lane('a', 'slow'));
    for (let i = 0; i < 20; i++) call(lane('a', `quick${i}`));
    const targets = driver.opens.length;
    expect(targets).toBe(8 + 20);
  });

  test('whose turn comes when nobody wants them any more leave it to the next lane', async () => {
    const { driver, lane } = setUp({ opensPerKey: 1 });
    call(lane('a'));
    const gone = call(lane('b'));
    call(lane('c'));
    lane('b').abandon(gone);
    driver.letOpen();
    await settled();
    expect(driver.opens.map(({ about }) => about.target)).toEqual(['c']);
  });
});

describe('a shard that is full', () => {
  test('ends the connection that has been idle for longest, of any lane', async () => {
    const { clock, driver, lane, connected, pools } = setUp({ connectionsPerShard: 3 });
    const [a, b, c] = [await connected('a'), await connected('b', 'other'), await connected('c', 'third')];
    for (const caller of [b, a, c]) {
      clock.advance(10);
      caller.lease.release();
    }
    call(lane('d'));
    await settled();
    expect(driver.closed).toEqual([b.connection]);
    expect(driver.opens.map(({ about }) => about.target)).toEqual(['d']);
    expect(pools.totals.evicted).toBe(1);
  });

  test('never ends one in use, and opens nothing until one is gone', async () => {
    const { driver, lane, connected } = setUp({ connectionsPerShard: 2 });
    const [a] = [await connected('a'), await connected('b')];
    driver.closesAtOnce = false;
    call(lane('c'));
    await settled();
    expect([driver.closed.length, driver.opens.length]).toEqual([0, 0]);
    a.lease.release();
    expect([driver.closed.length, driver.opens.length]).toEqual([1, 0]);
    driver.letClose();
    await settled();
    expect(driver.opens.map(({ about }) => about.target)).toEqual(['c']);
  });

  test.each([1, 2])('gives a lane its turn although another of %i streams is always busy', async (streams) => {
    const { clock, driver, lane, connected } = setUp({ connectionsPerShard: 1, connectionsPerLane: 1, streams });
    let busy = [await connected('a')];
    const other = call(lane('b'));
    for (let turn = 0; turn < 20 && other.waits; turn++) {
      busy.push(call(lane('a')));
      clock.advance(100);
      busy[0]?.lease.release();
      busy = busy.slice(1);
      await settled();
      while (driver.opens.length > 0) driver.letOpen();
      await settled();
    }
    expect(other.waits).toBe(false);
  });

  test('keeps the busy connection of a lane that only its own requests wait for', async () => {
    const { clock, driver, lane, connected } = setUp({ connectionsPerShard: 1 });
    let busy = await connected('a');
    for (let turn = 0; turn < 20; turn++) {
      const next = call(lane('a'));
      clock.advance(100);
      busy.lease.release();
      busy = next;
    }
    expect(busy.waits).toBe(false);
    expect([driver.begun, driver.closed.length]).toEqual([1, 0]);
  });

  test('ends nothing for a lane whose waiters were served otherwise, or left', async () => {
    const { driver, lane, connected, pools } = setUp({ connectionsPerShard: 1 });
    const first = await connected('a');
    const [second, third] = [call(lane('a')), call(lane('a'))];
    first.lease.release();
    lane('a').abandon(third);
    second.lease.release();
    await settled();
    expect(driver.closed).toEqual([]);
    expect(pools.othersWait).toBe(false);
  });
});

describe('after two authentication failures', () => {
  const refused = () => new KeylaneError('ERR_AUTH', 'permission denied');

  test('nothing is opened for any lane of the key for 30 s, and then a try is let through', async () => {
    const { clock, driver, lane, pools } = setUp();
    for (const name of ['a', 'b']) {
      call(lane(name));
      driver.failOpen(refused());
      await settled();
    }
    expect(call(lane('c')).error).toMatchObject({ code: 'ERR_AUTH', message: expect.stringContaining('in 30 s') });
    expect(call(lane('c', 'another')).waits).toBe(true);
    clock.advance(29_999);
    expect(call(lane('a')).error.code).toBe('ERR_AUTH');
    expect(driver.begun).toBe(3);
    clock.advance(1);
    call(lane('a'));
    expect(driver.begun).toBe(4);
    expect(pools.keys.size).toBe(2);
  });

  test('a lane that has a connection goes on with it', async () => {
    const { driver, lane, connected } = setUp();
    const first = await connected('a');
    for (const name of ['b', 'b']) {
      call(lane(name));
      driver.failOpen(refused());
      await settled();
    }
    const waiting = call(lane('a'));
    expect(waiting.waits).toBe(true);
    expect(driver.opens).toHaveLength(0);
    first.lease.discard(CLOSED);
    expect(waiting.error.code).toBe('ERR_AUTH');
  });
});

describe('an idle connection', () => {
  test('is closed when its time is over, the longest idle first', async () => {
    const { clock, driver, connected, pools } = setUp({ idleMs: 1_000 });
    const [a, b] = [await connected('a'), await connected('b')];
    b.lease.release();
    clock.advance(400);
    a.lease.release();
    await clock.advanceSettling(599);
    expect(driver.closed).toEqual([]);
    await clock.advanceSettling(1);
    expect(driver.closed).toEqual([b.connection]);
    await clock.advanceSettling(400);
    expect(driver.closed).toEqual([b.connection, a.connection]);
    expect(pools.size).toBe(0);
  });

  test('that was used meanwhile has all its time again', async () => {
    const { clock, driver, lane, connected } = setUp({ idleMs: 1_000 });
    (await connected('a')).lease.release();
    clock.advance(900);
    call(lane('a')).lease.release();
    await clock.advanceSettling(999);
    expect(driver.closed).toEqual([]);
    await clock.advanceSettling(1);
    expect(driver.closed).toHaveLength(1);
  });
});

describe('end', () => {
  test('refuses who waits, ends what opens and what is idle, and waits for what is in use', async () => {
    const { driver, lane, connected, pools, nothingLeft } = setUp();
    const inUse = await connected('used');
    (await connected('idle')).lease.release();
    const waiting = call(lane('opening'));
    let ended = false;
    const end = pools.end(CLOSED).then(() => {
      ended = true;
    });
    await settled();
    expect([waiting.error.code, ended]).toEqual(['ERR_CLOSED', false]);
    expect(driver.opens[0]?.about.context.signal.aborted).toBe(true);
    driver.letOpen();
    inUse.lease.release();
    await end;
    nothingLeft();
  });

  test('of a shard without connections is over at once', async () => {
    const { pools, nothingLeft } = setUp();
    await pools.end(CLOSED);
    nothingLeft();
  });

  test('waits no more than five seconds for a close that hangs', async () => {
    const { clock, driver, connected, pools } = setUp();
    driver.closesAtOnce = false;
    (await connected('a')).lease.release();
    const end = pools.end(CLOSED);
    await clock.advanceSettling(5_000);
    await end;
    expect([clock.pending, pools.counts.closing, pools.totals.closed]).toEqual([0, 0, 1]);
  });

  test.each(['throws', 'rejects'])('takes a close that %s for done', async (how) => {
    const { driver, connected, pools } = setUp();
    driver.close = () => {
      if (how === 'throws') throw new Error('a bug');
      return Promise.reject(new Error('a bug'));
    };
    (await connected('a')).lease.release();
    await pools.end(CLOSED);
    expect(pools.totals.closed).toBe(1);
  });
});

describe('a stream for a driver that opens through another lane of its key', () => {
  test('is one of that lane, and is given back to it', async () => {
    const { driver, lane, pools } = setUp();
    call(lane('inner'));
    const leasing = driver.opens[0]?.about.context.lease('bastion');
    driver.opens.reverse();
    const bastion = driver.letOpen();
    const lease = await leasing;
    expect(lease?.connection).toBe(bastion);
    expect(pools.counts).toMatchObject({ opening: 1, full: 1 });
    lease?.release();
    expect(() => lease?.release()).toThrow('settled twice');
    expect(call(lane('bastion')).connection).toBe(bastion);
  });

  test('is refused with what went wrong there', async () => {
    const { driver, lane } = setUp();
    call(lane('inner'));
    const leasing = driver.opens[0]?.about.context.lease('bastion');
    driver.opens.reverse();
    driver.failOpen();
    await expect(leasing).rejects.toMatchObject({ code: 'ERR_CONNECT', message: 'nobody there' });
  });

  test('is not wanted any more when the opening is aborted: no waiter is left', async () => {
    const { clock, driver, lane } = setUp({ connectTimeoutMs: 1_000 });
    const caller = call(lane('inner'));
    clock.advance(500);
    const leasing = driver.opens[0]?.about.context.lease('bastion');
    const refused = expect(leasing).rejects.toMatchObject({ code: 'ERR_CONNECT' });
    expect(lane('bastion').waiting).toBe(1);
    await clock.advanceSettling(520);
    await refused;
    expect([caller.error.code, lane('bastion').waiting]).toEqual(['ERR_CONNECT', 0]);
  });

  test('is not asked for after the opening was aborted', async () => {
    const { clock, driver, lane, pools } = setUp({ connectTimeoutMs: 1_000 });
    call(lane('inner'));
    await clock.advanceSettling(1_020);
    await expect(driver.opens[0]?.about.context.lease('bastion')).rejects.toMatchObject({ code: 'ERR_CONNECT' });
    expect([driver.begun, pools.size]).toEqual([1, 0]);
  });

  test('is made free by the connection that has been idle for longest and goes through the same one', async () => {
    const { clock, driver, lane, pools } = setUp({ streams: 2, connectionsPerLane: 1 });
    /** A connection of the lane through the bastion's, which is opened where there is none. */
    const through = async (name: string) => {
      const caller = call(lane(name), name);
      const opening = driver.opens.find(({ about }) => about.target === name);
      const leasing = opening?.about.context.lease('bastion') as Promise<{ release(): void }>;
      driver.opens.sort(({ about }) => (about.target === 'bastion' ? -1 : 1));
      if (driver.opens[0]?.about.target === 'bastion') driver.letOpen();
      await settled();
      clock.advance(10);
      return { caller, leasing };
    };
    const close = driver.close.bind(driver);
    const leases = new Map<unknown, { release(): void }>();
    // As a driver does: the stream comes back when the connection through it is closed.
    driver.close = (connection) => {
      close(connection);
      leases.get(connection)?.release();
    };
    const opened = async (name: string) => {
      const { caller, leasing } = await through(name);
      const lease = await leasing;
      leases.set(driver.letOpen(), lease);
      await settled();
      return caller;
    };
    const [a, b] = [await opened('a'), await opened('b')];
    a.lease.release();
    clock.advance(10);
    b.lease.release();
    await opened('c');
    expect(driver.closed).toEqual([a.connection]);
    // And where none is idle, the first one that becomes so.
    const again = call(lane('b'));
    const waiting = await through('d');
    expect(driver.closed).toHaveLength(1);
    again.lease.release();
    await settled();
    expect(driver.closed).toEqual([a.connection, b.connection]);
    await waiting.leasing;
    expect(pools.totals.evicted).toBe(2);
  });
});

describe('a key that cannot be connected to', () => {
  const breaker = { failures: 2, openMs: 1_000, maxOpenMs: 1_000 };

  /** A lane whose key has just been stopped. */
  async function stopped() {
    const world = setUp({ breaker, connectionsPerLane: 1, streams: 100 });
    for (let times = 0; times < breaker.failures; times++) {
      const caller = call(world.lane('a'));
      world.driver.failOpen();
      await settled();
      expect(caller.error.code).toBe('ERR_CONNECT');
    }
    return world;
  }

  test('is not tried by any lane while its breaker is open; another key is', async () => {
    const { driver, lane } = await stopped();
    for (const name of ['a', 'b']) expect(call(lane(name)).error.code).toBe('ERR_BREAKER_OPEN');
    const other = call(lane('a', 'other'));
    expect([driver.opens.length, other.waits]).toEqual([1, true]);
  });

  test('gets one probe, for which all its lanes wait; when it succeeds all lanes open', async () => {
    const { clock, driver, lane } = await stopped();
    clock.advance(1_000);
    const crowd = Array.from({ length: 50 }, () => call(lane('a')));
    expect(driver.opens).toHaveLength(1);
    const other = call(lane('b'));
    expect(other.waits).toBe(true);
    expect(crowd.every(({ waits }) => waits)).toBe(true);
    driver.letOpen();
    await settled();
    expect(new Set(crowd.map(({ connection }) => connection)).size).toBe(1);
    expect(driver.opens).toHaveLength(1);
    driver.letOpen();
    await settled();
    expect(other.waits).toBe(false);
    expect(other.connection).toBeDefined();
  });

  test('is stopped again when the probe fails, and who waited for it hears what it said', async () => {
    const { clock, driver, lane } = await stopped();
    clock.advance(1_000);
    const crowd = Array.from({ length: 50 }, () => call(lane('a')));
    const other = call(lane('b'));
    driver.failOpen(new KeylaneError('ERR_CONNECT', 'still nobody there'));
    await settled();
    expect(new Set(crowd.map(({ error }) => error.message))).toEqual(new Set(['still nobody there']));
    expect(other.error).toMatchObject({ code: 'ERR_BREAKER_OPEN', outcome: 'not_started' });
    expect(call(lane('a')).error.code).toBe('ERR_BREAKER_OPEN');
    expect(driver.opens).toHaveLength(0);
  });

  test('goes on serving on the connections that it has', async () => {
    const { clock, driver, lane, connected } = setUp({ breaker, connectionsPerLane: 3 });
    const first = await connected('a');
    const [second, third] = [call(lane('a')), call(lane('a'))];
    driver.failOpen();
    driver.failOpen();
    await settled();
    expect(call(lane('b')).error.code).toBe('ERR_BREAKER_OPEN');
    // They wait for the one that is there.
    expect([second.waits, third.waits]).toEqual([true, true]);
    first.lease.release();
    expect(second.connection).toBe(first.connection);
    second.lease.release();
    expect(third.connection).toBe(first.connection);
    third.lease.release();
    clock.advance(1_000);
    expect(call(lane('a')).connection).toBe(first.connection);
  });

  test('is tried again for who waits although no stream becomes free', async () => {
    const { clock, driver, lane, connected } = setUp({ breaker, connectionsPerLane: 3 });
    await connected('a');
    const [second, third] = [call(lane('a')), call(lane('a'))];
    driver.failOpen();
    driver.failOpen();
    await settled();
    clock.advance(1_020);
    expect(driver.opens).toHaveLength(1);
    driver.letOpen();
    await settled();
    expect([second.waits, third.waits, driver.opens.length]).toEqual([false, true, 1]);
  });

  test('is not one whose opens we call off', async () => {
    const { clock, driver, pools, lane } = setUp({ breaker });
    const callers = ['a', 'b', 'c', 'd'].map((name) => call(lane(name)));
    const ended = pools.end(CLOSED);
    await clock.advanceSettling(5_000);
    await ended;
    expect(callers.map(({ error }) => error)).toEqual(new Array(4).fill(CLOSED));
    expect([driver.begun, pools.keys.stopped]).toEqual([4, 0]);
  });

  test('keeps nobody in line: who waits for a handshake of the key is refused with the others', async () => {
    const { driver, lane } = setUp({ breaker, opensPerKey: 2, connectionsPerLane: 1 });
    const callers = ['a', 'b', 'c', 'd'].map((name) => call(lane(name)));
    driver.failOpen();
    driver.failOpen();
    await settled();
    // The first to fail let one more begin.
    expect(callers.map(({ waits }) => waits)).toEqual([false, false, true, false]);
    expect(callers[3]?.error.code).toBe('ERR_BREAKER_OPEN');
    driver.failOpen();
    await settled();
    expect(callers[2]?.error.code).toBe('ERR_CONNECT');
    expect(driver.opens).toHaveLength(0);
  });

  test('is warmed with as many connections as are wanted once the probe has succeeded', async () => {
    const { clock, driver, lane } = setUp({ breaker, connectionsPerLane: 3 });
    for (let times = 0; times < 2; times++) {
      call(lane('a'));
      driver.failOpen();
      await settled();
    }
    clock.advance(1_000);
    const told: unknown[] = [];
    lane('a').warm(3, (error) => told.push(error));
    expect([driver.opens.length, told]).toEqual([1, []]);
    driver.letOpen();
    await settled();
    expect(driver.opens).toHaveLength(2);
    driver.letOpen();
    driver.letOpen();
    await settled();
    expect(told).toEqual([undefined]);
  });

  test('with 1,000 callers and one connection a lane is connected to once', async () => {
    const { driver, lane } = setUp({ breaker, connectionsPerLane: 1, streams: 1_000 });
    const crowd = Array.from({ length: 1_000 }, () => call(lane('a')));
    expect(driver.begun).toBe(1);
    driver.failOpen();
    await settled();
    expect(new Set(crowd.map(({ error }) => error.code))).toEqual(new Set(['ERR_CONNECT']));
    // What it said is not kept: who comes now tries.
    const next = Array.from({ length: 1_000 }, () => call(lane('a')));
    expect(driver.begun).toBe(2);
    driver.letOpen();
    await settled();
    expect(next.every(({ waits }) => !waits)).toBe(true);
    expect(driver.begun).toBe(2);
  });
});
