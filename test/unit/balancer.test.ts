import { expect, test } from 'vitest';
import { worthMoving } from '../../src/balancer.ts';
import type { EngineEvent } from '../../src/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { shardOf } from '../../src/routing.ts';
import { Shards } from '../../src/shards.ts';
import type { ShardStats, TopKeys } from '../../src/wire/protocol.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall, type FakeThread, FakeThreads } from '../support/fake-thread.ts';

/** Keys of shard 0 and of shard 1. */
const [HOT, LIGHT] = [0, 1].map((shard) =>
  Array.from({ length: 50 }, (_, i) => `host-${i}`).filter((key) => shardOf(key, 2) === shard),
) as [string[], string[]];

function topKeys(...shares: [key: string, requests: number][]): TopKeys {
  return {
    overMs: 10_000,
    requests: 1_000,
    byRequests: shares.map(([key, requests]) => ({ key, requests })),
    byTime: [],
  };
}

function setUp(moveKeys = true) {
  const clock = new FakeClock(1_000);
  const threads = new FakeThreads();
  const events: EngineEvent[] = [];
  const options = resolveOptions({ shards: 2, moveKeys, onEvent: (event) => events.push(event) });
  const shards = new Shards(options, {}, clock, threads.start);
  const [hot, light] = threads.all as [FakeThread, FakeThread];
  for (const thread of threads.all) thread.ready();
  hot.busy = 0.95;
  light.busy = 0.2;
  const submit = (key: string) => shards.submit(new CountedCall(key), undefined, true);
  const second = async () => {
    for (let look = 0; look < 4; look++) {
      for (const { ledger } of threads.all) ledger.beat();
      await clock.advanceSettling(250);
    }
  };
  const tell = async (top: TopKeys) => {
    const ask = hot.told('stats').at(-1)?.ask ?? -1;
    hot.say({ kind: 'stats', ask, stats: { topKeys: top } as ShardStats });
    // A turn to hear it, and one to say what follows.
    await settled();
    await settled();
  };
  const letGo = async () => {
    hot.say({ kind: 'released', ask: hot.told('release').at(-1)?.ask ?? -1, released: true });
    await settled();
  };
  return { clock, hot, light, events, submit, second, tell, letGo };
}

test('a shard that is hot for three seconds gives its largest key that has no request to one that is not', async () => {
  const { hot, light, events, submit, second, tell, letGo } = setUp();
  const [inUse, large, small] = HOT as [string, string, string];
  submit(inUse);
  for (let i = 0; i < 3; i++) {
    expect(hot.told('stats')).toEqual([]);
    await second();
  }
  // The figures of the first second are there after it.
  if (hot.told('stats').length === 0) await second();
  await tell(topKeys([inUse, 500], [large, 300], [small, 100]));
  expect(hot.told('release')).toMatchObject([{ key: large }]);
  await letGo();
  expect(events.filter(({ type }) => type === 'key_moved')).toEqual([
    { type: 'key_moved', shard: 0, key: large, to: 1 },
  ]);
  submit(large);
  submit(small);
  await settled();
  expect(light.runs.map(({ key }) => key)).toEqual([large]);
  expect(hot.runs.map(({ key }) => key)).toEqual([inUse, small]);
  for (let i = 0; i < 5; i++) await second();
  expect(hot.told('stats')).toHaveLength(1);
});

test('nothing is asked of shards that are all hot, or none, or where it is not wanted', async () => {
  const allHot = setUp();
  allHot.light.busy = 0.9;
  const noneHot = setUp();
  noneHot.hot.busy = 0.8;
  const notWanted = setUp(false);
  for (const { second, hot } of [allHot, noneHot, notWanted]) {
    for (let i = 0; i < 10; i++) await second();
    expect(hot.told('stats')).toEqual([]);
  }
});

test('a key that would make the other shard as hot is not worth moving, nor is one that is hardly there', () => {
  const [a, b, c] = LIGHT as [string, string, string];
  expect(worthMoving(topKeys([a, 700], [b, 200], [c, 19]), 1, 0.4)).toEqual([b]);
});
