import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { Reply, RunCommand } from '../../src/wire/protocol.ts';
import type { Entrant, Ticket } from '../../workers/gate.ts';
import { Run, type RunHost } from '../../workers/run.ts';
import { Starts } from '../../workers/starts.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { SEED } from '../support/seed.ts';

/** One that starts when a test lets it, or as soon as it has passed. */
class Starter implements Entrant {
  readonly priority: number;
  readonly ticket: Ticket;
  readonly #told: (starter: Starter) => void;
  readonly #starts: Starts;

  constructor(starts: Starts, key: string, priority: number, told: (starter: Starter) => void) {
    this.priority = priority;
    this.#told = told;
    this.ticket = starts.ticket(key, this, undefined);
    this.#starts = starts;
  }

  enter(): this {
    this.#starts.enter(this.ticket);
    return this;
  }

  passed(): void {
    this.#told(this);
  }

  refused(): never {
    throw new Error('it is not too large');
  }
}

function setUp(perSecond: number, burst: number) {
  const clock = new FakeClock(5_000);
  const rates = new Starts(clock, { perSecond, burst });
  /** When each started that starts at once. */
  const starts: [name: string, at: number][] = [];
  const enter = (name: string, { key = 'k', priority = 0 } = {}) => {
    return new Starter(rates, key, priority, ({ ticket }) => {
      starts.push([name, clock.now() - 5_000]);
      rates.started(ticket);
    }).enter();
  };
  return { clock, rates, starts, enter };
}

describe('a rate', () => {
  test('lets a burst start, then one at a time, as fast as it says', () => {
    const { clock, starts, enter } = setUp(2, 3);
    for (const name of 'abcde') enter(name);
    clock.advance(10_000);
    expect(starts).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 0],
      ['d', 500],
      ['e', 1_000],
    ]);
  });

  test('tells how many wait, and how many had to', () => {
    const { clock, rates, enter } = setUp(2, 3);
    for (const name of 'abcde') enter(name);
    expect(rates.stats).toEqual({ waiting: 2, delayed: 2, paused: 0 });
    clock.advance(10_000);
    expect(rates.stats).toEqual({ waiting: 0, delayed: 2, paused: 0 });
  });

  test('may be less than one a second', () => {
    const { clock, starts, enter } = setUp(0.25, 1);
    for (const name of 'abc') enter(name);
    clock.advance(100_000);
    expect(starts).toEqual([
      ['a', 0],
      ['b', 4_000],
      ['c', 8_000],
    ]);
  });

  test('serves the higher priority first, then what came first', () => {
    const { clock, starts, enter } = setUp(1, 1);
    enter('first');
    for (const [name, priority] of [
      ['low', -1],
      ['a', 0],
      ['high', 9],
      ['b', 0],
      ['high too', 9],
    ] as const) {
      enter(name, { priority });
    }
    clock.advance(10_000);
    expect(starts.map(([name]) => name)).toEqual(['first', 'high', 'high too', 'a', 'b', 'low']);
  });

  test('is the key’s own', () => {
    const { starts, enter } = setUp(1, 1);
    for (const key of ['a', 'b', 'a', 'c']) enter(key, { key });
    expect(starts.map(([name]) => name)).toEqual(['a', 'b', 'c']);
  });

  test('loses nothing to one that leaves, nor to one that passed and does not start', () => {
    const { clock, rates, starts, enter } = setUp(1, 1);
    const never = new Starter(rates, 'k', 0, () => {}).enter();
    const gone = enter('gone');
    enter('a');
    enter('b');
    rates.ended(gone.ticket);
    clock.advance(60_000);
    expect(starts).toEqual([]);
    rates.ended(never.ticket);
    clock.advance(60_000);
    expect(starts).toEqual([
      ['a', 60_000],
      ['b', 61_000],
    ]);
  });

  test('has one timer for all keys, and forgets a key whose bucket is full', () => {
    const { clock, rates, enter } = setUp(10, 2);
    for (let i = 0; i < 1_000; i++) for (let n = 0; n < 3; n++) enter('x', { key: `k${i}` });
    expect([rates.size, clock.pending]).toEqual([1_000, 1]);
    clock.advance(100);
    expect([rates.size, clock.pending]).toEqual([1_000, 1]);
    clock.advance(200);
    expect([rates.size, clock.pending]).toEqual([0, 0]);
    enter('late', { key: 'late' });
    rates.stop();
    expect(clock.pending).toBe(0);
  });

  test('has nothing to give at first where a thread before may have given all, and has it all in time', () => {
    const clock = new FakeClock(7_000);
    const rates = new Starts(clock, { perSecond: 2, burst: 2 }, true);
    const starts: number[] = [];
    const enter = (key: string) => {
      new Starter(rates, key, 0, ({ ticket }) => {
        starts.push(clock.now());
        rates.started(ticket);
      }).enter();
    };
    for (let i = 0; i < 3; i++) enter('early');
    clock.advance(5_000);
    expect(starts).toEqual([7_500, 8_000, 8_500]);
    expect(rates.remembers('early')).toBe(false);
    starts.length = 0;
    for (let i = 0; i < 3; i++) enter('late');
    expect(starts).toEqual([12_000, 12_000]);
    expect(rates.remembers('late')).toBe(true);
  });

  test('stands up to a thousand that are refused as soon as they pass', () => {
    const { clock, rates } = setUp(1, 1);
    let refused = 0;
    const refuse = ({ ticket }: Starter) => {
      refused++;
      rates.ended(ticket);
    };
    for (let i = 0; i < 1_000; i++) new Starter(rates, 'k', 0, refuse).enter();
    expect(refused).toBe(1_000);
    clock.advance(10_000);
    expect(rates.size).toBe(0);
  });
});

/** In any window, whatever its length, no more started than the burst and what came in since. */
function expectWithin(starts: readonly number[], perSecond: number, burst: number): void {
  for (let from = 0; from < starts.length; from++) {
    for (let to = from; to < starts.length; to++) {
      const seconds = (starts[to]! - starts[from]!) / 1_000;
      expect(to - from + 1).toBeLessThanOrEqual(burst + perSecond * seconds + 1e-6);
    }
  }
}

const KEYS = ['a', 'b'];

test('in any window at most burst + rate × t start, whatever passes, waits, starts late, leaves or is returned', () => {
  const act = fc.record({
    what: fc.constantFrom('enter', 'enter', 'enter', 'start', 'start', 'return', 'leave', 'wait', 'wait'),
    key: fc.constantFrom(...KEYS),
    pick: fc.nat(100),
    priority: fc.integer({ min: -10, max: 10 }),
    ms: fc.oneof(fc.nat(20), fc.double({ min: 0, max: 3_000, noNaN: true })),
  });
  const rate = fc.record({
    perSecond: fc.oneof(fc.double({ min: 0.01, max: 200, noNaN: true }), fc.constantFrom(1, 3, 10)),
    burst: fc.integer({ min: 1, max: 5 }),
  });
  const property = fc.property(rate, fc.array(act, { maxLength: 150 }), ({ perSecond, burst }, acts) => {
    const clock = new FakeClock(1_000);
    const rates = new Starts(clock, { perSecond, burst });
    const of = <T>(make: () => T) => Object.fromEntries(KEYS.map((key) => [key, make()])) as Record<string, T>;
    const [waiting, passed] = [of((): Starter[] => []), of((): Starter[] => [])];
    const starts = of((): number[] => []);
    const start = (key: string, pick: number) => {
      if (passed[key]!.length === 0) return;
      const [starter] = passed[key]!.splice(pick % passed[key]!.length, 1);
      starts[key]!.push(clock.now());
      rates.started(starter!.ticket);
    };
    const told = (key: string) => (starter: Starter) => {
      const line = waiting[key]!;
      // It is the first of the highest priority.
      expect(line.find(({ priority }) => priority === Math.max(...line.map((one) => one.priority)))).toBe(starter);
      line.splice(line.indexOf(starter), 1);
      passed[key]!.push(starter);
    };
    for (const { what, key, pick, priority, ms } of acts) {
      const line = waiting[key]!;
      if (what === 'enter') {
        const starter = new Starter(rates, key, priority, told(key));
        line.push(starter);
        starter.enter();
      } else if (what === 'start') start(key, pick);
      else if (what === 'return' && passed[key]!.length > 0) {
        const [starter] = passed[key]!.splice(pick % passed[key]!.length, 1);
        rates.ended(starter!.ticket);
      } else if (what === 'leave' && line.length > 0) {
        const [gone] = line.splice(pick % line.length, 1);
        rates.ended(gone!.ticket);
      } else if (what === 'wait') clock.advance(ms);
      expect(clock.pending).toBeLessThanOrEqual(1);
    }
    // Nobody is forgotten: started as soon as they pass, all pass as fast as the rate lets them.
    for (const key of KEYS) {
      while (waiting[key]!.length + passed[key]!.length > 0) {
        while (passed[key]!.length > 0) start(key, 0);
        const left = waiting[key]!.length;
        if (left > 0) clock.advance(1_000 / perSecond + 1e-3);
        expect(waiting[key]!.length).toBeLessThan(Math.max(1, left));
      }
      expectWithin(starts[key]!, perSecond, burst);
    }
    clock.advance((1_000 * burst) / perSecond + 1);
    expect([rates.size, clock.pending]).toEqual([0, 0]);
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

describe('a run of a key with a rate', () => {
  const COMMAND: RunCommand = {
    ...{ kind: 'run', slot: 3, id: 7, mode: 'once', driver: 'fake', key: 'host', lane: 'host', target: null },
    ...{ request: 'question', deadline: Number.POSITIVE_INFINITY, priority: 0 },
  };

  function world(perSecond: number, burst: number, streams = 10) {
    const clock = new FakeClock(1_000);
    const driver = new FakeDriver(streams);
    const pools = poolsWith(clock);
    const replies: Reply[] = [];
    const rates = new Starts(clock, { perSecond, burst });
    const host: RunHost = {
      starts: rates,
      trace: undefined,
      now: () => clock.now(),
      reply: (reply) => replies.push(reply),
      noteSent() {},
      noteRunning() {},
      watch() {},
      ask: () => Promise.reject(new Error('nobody to ask')),
      pause() {},
      answered() {},
    };
    const start = (lane: string, more: Partial<RunCommand> = {}) => {
      const run = new Run({ ...COMMAND, ...more, lane }, host);
      run.start(driver, pools.of('host', lane, null, driver), clock.now());
      return run;
    };
    return { clock, driver, pools, rates, replies, start };
  }

  test('starts within the rate over all its lanes, also where many waited for a connection', async () => {
    const { clock, driver, start } = world(1, 3);
    for (let i = 0; i < 8; i++) start(`lane-${i % 2}`);
    await clock.advanceSettling(8_000);
    expect(driver.executes).toHaveLength(0);
    while (driver.opens.length > 0) driver.letOpen();
    await settled();
    // Those that waited for their connections are the burst: nothing came on top of it meanwhile.
    const starts: number[] = [];
    for (let ms = 0; ms <= 10_000; ms += 500) {
      while (starts.length < driver.executes.length) starts.push(ms);
      while (driver.opens.length > 0) driver.letOpen();
      await clock.advanceSettling(500);
    }
    expect(starts).toHaveLength(8);
    expectWithin(starts, 1, 3);
  });

  test('that is called off or late while it waits is answered at once as not started, and takes no token', async () => {
    const { clock, driver, rates, replies, start } = world(1, 1);
    start('lane');
    driver.letOpen();
    await settled();
    const late = start('lane');
    const next = start('lane');
    expect([late.ticket?.state, next.ticket?.state]).toEqual(['waiting', 'waiting']);
    late.abort(new KeylaneError('ERR_TIMEOUT'));
    expect(replies).toMatchObject([{ kind: 'error', error: { code: 'ERR_TIMEOUT', outcome: 'not_started' } }]);
    await clock.advanceSettling(1_000);
    expect([driver.executes.length, next.ticket?.state]).toEqual([2, 'over']);
    await clock.advanceSettling(2_000);
    expect(rates.size).toBe(0);
  });

  test('that waited while its lane had nothing left starts in the pool that the lane has now', async () => {
    const { clock, driver, pools, start } = world(1, 1);
    start('lane');
    start('lane');
    const connection = driver.letOpen();
    await settled();
    connection.die();
    driver.executes.shift()?.fail(new KeylaneError('ERR_CONNECTION_LOST'));
    await settled();
    expect(pools.size).toBe(0);
    await clock.advanceSettling(1_000);
    expect([pools.size, driver.opens.length]).toEqual([1, 1]);
    // Another shard is to have the key: nothing of it stays here.
    driver.letOpen();
    await settled();
    driver.executes.shift()?.open('answer');
    await settled();
    expect(await pools.release('host')).toBe(true);
    expect(driver.alive).toBe(0);
  });

  test('whose connection is not to be had gives its token to the next', async () => {
    const { clock, driver, replies, start } = world(0.1, 1);
    for (let i = 0; i < 3; i++) start('lane');
    for (let failed = 1; failed <= 2; failed++) {
      driver.failOpen();
      await settled();
      expect(replies).toHaveLength(failed);
    }
    driver.letOpen();
    await settled();
    expect([driver.executes.length, clock.now()]).toEqual([1, 1_000]);
  });
});
