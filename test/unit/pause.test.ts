import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { Reply, RunCommand } from '../../src/wire/protocol.ts';
import { Run, type RunHost } from '../../workers/run.ts';
import { Starts } from '../../workers/starts.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { seeded, seedsOf } from '../support/seed.ts';

const COMMAND: RunCommand = {
  ...{ kind: 'run', slot: 3, id: 7, mode: 'once', driver: 'fake', key: 'host', lane: 'host', target: null },
  ...{ request: 'question', deadline: Number.POSITIVE_INFINITY, priority: 0 },
};

interface How {
  key?: string;
  lane?: string;
  priority?: number;
}

function setUp(streams = 1, connectionsPerLane = 2) {
  const clock = new FakeClock(1_000);
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, { connectionsPerLane });
  const replies: Reply[] = [];
  let starts: Starts | undefined;
  const host: RunHost = {
    get starts() {
      return starts;
    },
    trace: undefined,
    now: () => clock.now(),
    reply: (reply) => replies.push(reply),
    noteSent() {},
    noteRunning() {},
    watch() {},
    ask: () => Promise.reject(new Error('nobody to ask')),
    pause(key, ms) {
      starts ??= new Starts(clock);
      starts.pause(key, ms);
    },
    answered() {},
  };
  const start = (request: string, { key = 'host', lane, priority = 0 }: How = {}) => {
    const run = new Run({ ...COMMAND, request, key, lane: lane ?? key, priority }, host);
    run.start(driver, pools.of(key, lane ?? key, null, driver), clock.now());
    return run;
  };
  const letOpen = async () => {
    for (; driver.opens.length > 0; await settled()) driver.letOpen();
  };
  /** What runs at the peer. */
  const running = () => driver.executes.map(({ about }) => about.request);
  const answer = async (request: string, pauseMs?: number) => {
    const at = driver.executes.findIndex(({ about }) => about.request === request);
    const [gate] = driver.executes.splice(at, 1);
    if (pauseMs !== undefined) gate!.about.context.pause(pauseMs);
    gate!.open('answer');
    await settled();
  };
  return { clock, driver, pools, replies, host, start, letOpen, running, answer, starts: () => starts! };
}

describe('a key whose peer wants to be left alone', () => {
  test('starts nothing for so long, those in line for a stream included; what runs goes on', async () => {
    const { clock, pools, start, letOpen, running, answer, starts } = setUp();
    for (const name of ['a', 'b', 'c', 'd']) start(name);
    await letOpen();
    expect(running()).toEqual(['a', 'b']);
    await answer('a', 30_000);
    start('e');
    await answer('b');
    await clock.advanceSettling(29_999);
    expect([running(), pools.counts.idle, starts().stats]).toEqual([[], 2, { waiting: 3, delayed: 1, paused: 1 }]);
    await clock.advanceSettling(1);
    expect(running()).toEqual(['c', 'd']);
    await answer('c');
    expect(running()).toEqual(['d', 'e']);
    await answer('d');
    await answer('e');
    expect([starts().size, clock.pending - 1]).toEqual([0, 0]);
    // Streams that were given back unused are no requests.
    expect(pools.totals.reused).toBe(3);
  });

  test('lets those that were in line before go first, by priority', async () => {
    const { clock, start, letOpen, running, answer } = setUp(1, 1);
    start('a');
    await letOpen();
    for (const name of ['b', 'c']) start(name);
    start('urgent', { priority: 5 });
    const seen: unknown[] = [];
    await answer('a', 1_000);
    start('d');
    start('urgent too', { priority: 5 });
    await clock.advanceSettling(1_000);
    for (let next = running()[0]; next !== undefined; next = running()[0]) {
      seen.push(next);
      await answer(String(next));
    }
    expect(seen).toEqual(['urgent', 'urgent too', 'b', 'c', 'd']);
  });

  test('is the only one that waits', async () => {
    const { start, letOpen, running, answer } = setUp();
    start('a');
    await letOpen();
    await answer('a', 30_000);
    start('b');
    start('elsewhere', { key: 'other' });
    await letOpen();
    expect(running()).toEqual(['elsewhere']);
  });

  test('is left alone for the longest time that was asked for, an hour at most', async () => {
    const { clock, host, starts } = setUp();
    const leftMs = () => [...starts().paused].map(({ forMs }) => forMs);
    host.pause('host', 10_000);
    host.pause('host', 2_000);
    expect(leftMs()).toEqual([10_000]);
    clock.advance(5_000);
    host.pause('host', 20_000);
    expect(leftMs()).toEqual([20_000]);
    for (const ms of [Number.NaN, -1, 0]) host.pause('host', ms);
    host.pause('host', Number.POSITIVE_INFINITY);
    expect(leftMs()).toEqual([3_600_000]);
    clock.advance(3_600_000);
    expect([leftMs(), starts().size]).toEqual([[], 0]);
  });

  test('tells who gives up meanwhile, in line or before it, who asked for it and for how long', async () => {
    const { clock, start, letOpen, answer, starts } = setUp(1, 1);
    start('a');
    const inLine = start('b');
    await letOpen();
    const ofStream = start('c');
    await answer('a', 30_000);
    clock.advance(12_000);
    for (const run of [inLine, ofStream]) {
      const error = starts().lateError('host', run.ticket);
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started', key: 'host', retryAfterMs: 18_000 });
      expect(error?.message).toBe(
        'the deadline passed while host is left alone: its peer asked for 30 s, of which 18 s are left',
      );
      run.abort(error!);
    }
    clock.advance(18_000);
    expect(starts().size).toBe(0);
    expect(starts().lateError('host', undefined)).toBeUndefined();
  });

  test('is not moved to another shard meanwhile', () => {
    const { clock, host, starts } = setUp();
    host.pause('host', 1_000);
    expect(starts().remembers('host')).toBe(true);
    clock.advance(1_000);
    expect(starts().remembers('host')).toBe(false);
  });
});

test.each(seedsOf('pause'))(
  'whatever is paused when, nothing starts meanwhile and nobody is forgotten (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const { clock, driver, pools, replies, host, start } = setUp(2, 2);
    const keys = ['k1', 'k2'];
    const until = new Map<string, number>();
    const runs: Run[] = [];
    let begun = 0;
    const look = () => {
      for (; begun < seen.length; begun++) {
        const key = seen[begun]!;
        expect(until.get(key) ?? 0, `${key} was left alone`).toBeLessThanOrEqual(clock.now());
      }
    };
    const seen: string[] = [];
    const execute = driver.execute.bind(driver);
    driver.execute = (connection, request, context) => {
      seen.push(String(request));
      look();
      return execute(connection, request, context);
    };
    for (let step = 0; step < 1_500; step++) {
      const key = random.pick(keys);
      switch (random.below(7)) {
        case 0:
        case 1:
          runs.push(start(key, { key, lane: `${key} ${random.below(2)}`, priority: random.below(3) }));
          break;
        case 2:
          if (driver.opens.length > 0) driver.letOpen();
          break;
        case 3:
        case 4:
          driver.executes.splice(random.below(Math.max(1, driver.executes.length)), 1)[0]?.open('fine');
          break;
        case 5: {
          if (random.below(4) > 0) break;
          const ms = random.below(2_000);
          until.set(key, Math.max(until.get(key) ?? 0, clock.now() + ms));
          host.pause(key, ms);
          break;
        }
        default:
          clock.advance(random.below(400));
          if (random.below(5) === 0) runs[random.below(runs.length)]?.abort(new KeylaneError('ERR_CANCELED'));
      }
      await settled();
    }
    for (let turn = 0; replies.length < runs.length; turn++) {
      expect(turn).toBeLessThan(5_000);
      if (driver.opens.length > 0) driver.letOpen();
      driver.executes.shift()?.open('fine');
      clock.advance(10_000);
      await settled();
    }
    expect(replies).toHaveLength(runs.length);
    expect(pools.counts).toMatchObject({ busy: 0, full: 0, opening: 0 });
  },
);
