import { describe, expect, test } from 'vitest';
import type { Driver } from '../../src/types.ts';
import type { Limits } from '../../src/wire/limits.ts';
import type { Pool } from '../../workers/pool.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { call, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { seeded, seedsOf } from '../support/seed.ts';

const MINUTES = 60_000;

function setUp(
  limits: Partial<Limits> = {},
  { random = (): number => 0, clock = new FakeClock(1_000_000), streams = 1 } = {},
) {
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, { idleMs: 60 * MINUTES, maxLifetimeMs: 30 * MINUTES, ...limits }, { random });
  const lane = (name: string): Pool => pools.of('host', `host ${name}`, name, driver as Driver);
  const connected = async (name: string) => {
    const caller = call(lane(name), name);
    driver.letOpen();
    await settled();
    return caller;
  };
  return { clock, driver, pools, lane, connected };
}

describe('the longest life of a connection', () => {
  test('ends it while it is idle', async () => {
    const { clock, driver, pools, connected } = setUp();
    (await connected('a')).lease.release();
    await clock.advanceSettling(30 * MINUTES - 1);
    expect(driver.closed).toHaveLength(0);
    await clock.advanceSettling(1_000);
    expect(driver.closed).toHaveLength(1);
    expect(pools.size).toBe(0);
  });

  test('lets what is on it finish, and gives the next request another one', async () => {
    const { clock, driver, lane, connected } = setUp({}, { streams: 3 });
    const first = await connected('a');
    await clock.advanceSettling(31 * MINUTES);
    expect(driver.closed).toEqual([]);
    const next = call(lane('a'));
    expect(next.waits).toBe(true);
    driver.letOpen();
    await settled();
    expect(next.connection).not.toBe(first.connection);
    first.lease.release();
    await settled();
    expect(driver.closed).toEqual([first.connection]);
  });

  test('counts from its own opening, however often it was used', async () => {
    const { clock, driver, lane, connected } = setUp();
    (await connected('a')).lease.release();
    for (let minute = 0; minute < 29; minute++) {
      await clock.advanceSettling(MINUTES);
      call(lane('a')).lease.release();
    }
    expect(driver.closed).toEqual([]);
    await clock.advanceSettling(2 * MINUTES);
    expect(driver.closed).toHaveLength(1);
  });

  test('is none where it is 0', async () => {
    const { clock, driver, connected } = setUp({ maxLifetimeMs: 0 });
    await connected('a');
    await clock.advanceSettling(24 * 60 * MINUTES);
    expect(driver.closed).toEqual([]);
  });

  test.each(seedsOf('lifetimes'))(
    'differs from one to the next: 1,000 opened at once end over more than a fortieth of it (P5), seed %i',
    async (seed) => {
      const chance = seeded(seed);
      const { clock, driver, lane, pools } = setUp(
        { connectionsPerLane: 1_000, opensPerKey: 1_000 },
        { random: () => chance.next() },
      );
      lane('a').warm(1_000, () => {});
      while (driver.opens.length > 0) driver.letOpen();
      await settled();
      const ends: number[] = [];
      driver.close = () => void ends.push(clock.now());
      expect(clock.pending, 'one timer for all that are idle, one for their lives, one for the opens').toBeLessThan(4);
      await clock.advanceSettling(30 * MINUTES + 1_000);
      expect(ends).toHaveLength(1_000);
      expect(pools.counts.idle).toBe(0);
      expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(0.025 * 30 * MINUTES);
      const bySecond = new Map<number, number>();
      for (const at of ends) bySecond.set(Math.floor(at / 1_000), (bySecond.get(Math.floor(at / 1_000)) ?? 0) + 1);
      expect(Math.max(...bySecond.values())).toBeLessThan(50);
    },
  );
});

/** A clock on which each look takes a tenth of a millisecond. */
class SlowClock extends FakeClock {
  /** Timers that have run. */
  turns = 0;
  #lookedMs = 0;
  override now(): number {
    this.#lookedMs += 0.1;
    return super.now() + this.#lookedMs;
  }
  override timer(ms: number, run: () => void) {
    return super.timer(ms, () => {
      this.turns++;
      run();
    });
  }
}

test.each(['idleMs', 'maxLifetimeMs'] as const)(
  'connections whose %s is over are ended a few at a time, and requests have their turn between',
  async (which) => {
    const clock = new SlowClock();
    const limits = { connectionsPerLane: 200, opensPerKey: 200, [which]: 10_000 };
    const { driver, lane } = setUp(limits, { clock });
    lane('a').warm(200, () => {});
    while (driver.opens.length > 0) driver.letOpen();
    await settled();
    const endedIn = new Map<number, number>();
    driver.close = () => void endedIn.set(clock.turns, (endedIn.get(clock.turns) ?? 0) + 1);
    await clock.advanceSettling(11_000);
    const ended = [...endedIn.values()];
    expect(ended.reduce((sum, count) => sum + count, 0)).toBe(200);
    expect(Math.max(...ended)).toBeLessThan(40);
  },
);
