import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { RunCommand } from '../../src/wire/protocol.ts';
import type { KeysAsked } from '../../src/wire/shard-key.ts';
import type { Flight } from '../../workers/flight.ts';
import { keyStates } from '../../workers/key-states.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { call, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { Admissions } from '../support/shared.ts';

const BREAKER = { failures: 1, openMs: 10_000, maxOpenMs: 10_000 };
const NONE = { opening: 0, idle: 0, checking: 0, busy: 0, full: 0, closing: 0 };

function setUp() {
  const clock = new FakeClock(1_000_000);
  const driver = new FakeDriver(2);
  const pools = poolsWith(clock, { breaker: BREAKER }, { random: () => 0 });
  const runs: (Flight | undefined)[] = [undefined];
  const use = async (key: string, lane = key) => {
    const caller = call(pools.of(key, lane, lane, driver));
    while (driver.opens.length > 0) driver.letOpen();
    await settled();
    return caller.lease;
  };
  const failing = async (key: string, message = 'no route') => {
    call(pools.of(key, key, key, driver));
    driver.failOpen(new KeylaneError('ERR_CONNECT', message, { key }));
    await settled();
  };
  const paused: { key: string; forMs: number }[] = [];
  const run = (key: string, waiting: boolean) =>
    runs.push({ command: { key, driver: 'fake' } as RunCommand, waiting } as Flight);
  const asked = (what: Partial<KeysAsked> = {}) =>
    keyStates({ match: undefined, stopped: false, limit: 100, also: [], ...what }, pools, runs, paused, () => 'fake');
  return {
    clock,
    pools,
    paused,
    use,
    failing,
    run,
    asked,
    names: (what?: Partial<KeysAsked>) => asked(what).map(({ key }) => key),
  };
}

test('a key that its peer wants to be left alone is told so, and for how long', async () => {
  const { use, paused, asked } = setUp();
  (await use('a')).release();
  (await use('b')).release();
  paused.push({ key: 'b', forMs: 1_234.5 }, { key: 'not asked for', forMs: 1 });
  expect(asked().map(({ key, pausedMs }) => [key, pausedMs])).toEqual([
    ['b', 1_235],
    ['a', undefined],
  ]);
});

test('a key is told with all its lanes, by what its connections do and since when they do nothing', async () => {
  const { clock, use, run, asked } = setUp();
  await use('a');
  (await use('a', 'a as root')).release();
  run('a', false);
  run('a', true);
  (await use('b')).release();
  clock.advance(5_000);
  expect(asked()).toEqual([
    {
      ...{ key: 'a', drivers: ['fake'], requests: 2, waiting: 1, lanes: 2, unusedMs: 0 },
      connections: { ...NONE, idle: 1, busy: 1 },
    },
    {
      ...{ key: 'b', drivers: ['fake'], requests: 0, waiting: 0, lanes: 1, unusedMs: 5_000 },
      connections: { ...NONE, idle: 1 },
    },
  ]);
});

test('most requests first, then those that are let alone, then the one used last; no more than are asked for', async () => {
  const { clock, use, failing, run, names } = setUp();
  for (const key of ['idle-1', 'idle-2', 'idle-3']) {
    (await use(key)).release();
    clock.advance(1);
  }
  await failing('dead');
  run('little', true);
  for (let i = 0; i < 3; i++) run('much', true);
  expect(names()).toEqual(['much', 'little', 'dead', 'idle-3', 'idle-2', 'idle-1']);
  expect(names({ limit: 4 })).toEqual(['much', 'little', 'dead', 'idle-3']);
  expect(names({ limit: 1 })).toEqual(['much']);
  expect(names({ limit: 1, also: ['little', 'not there'] })).toEqual(['much', 'little']);
  expect(names({ match: 'idle-?', limit: 2 })).toEqual(['idle-3', 'idle-2']);
  expect(names({ match: '*d*' })).toEqual(['dead', 'idle-3', 'idle-2', 'idle-1']);
  expect(names({ stopped: true })).toEqual(['dead']);
});

test('why a key is let alone, for how long, and that one try is under way', async () => {
  const { clock, pools, failing, asked } = setUp();
  await failing('dead', 'x'.repeat(2_000));
  clock.advance(4_000);
  const message = 'x'.repeat(500);
  const breaker = { what: 'connect', state: 'open', forMs: 6_000, failures: 1, message };
  // It has no lane any more, and is remembered all the same.
  expect(pools.size).toBe(0);
  expect(asked()).toEqual([
    { key: 'dead', drivers: [], requests: 0, waiting: 0, lanes: 0, connections: NONE, breaker },
  ]);
  clock.advance(6_000);
  call(pools.of('dead', 'dead', 'dead', new FakeDriver()));
  expect(asked()[0]).toMatchObject({
    ...{ key: 'dead', lanes: 1, connections: { ...NONE, opening: 1 } },
    breaker: { state: 'probing', forMs: 10_000 },
  });
});

test('an admission tells its busiest keys, by what waits and what flies', () => {
  const { all, submit } = (() => {
    const admissions = new Admissions({ inFlightPerKey: 1 });
    return { all: admissions.all, submit: (key: string) => admissions.submit(key) };
  })();
  for (const key of ['a', 'b', 'b', 'b', 'c', 'c']) submit(key);
  expect(all[0]!.busiest(2, () => true)).toEqual([
    { key: 'b', queued: 2, inFlight: 1 },
    { key: 'c', queued: 1, inFlight: 1 },
  ]);
  expect(all[0]!.busiest(9, (key) => key === 'a')).toEqual([{ key: 'a', queued: 0, inFlight: 1 }]);
});
