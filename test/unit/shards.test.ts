import { beforeEach, expect, test, vi } from 'vitest';
import { type EngineOptions, resolveOptions } from '../../src/options.ts';
import { shardOf } from '../../src/routing.ts';
import { Shards } from '../../src/shards.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall, type FakeThread, FakeThreads } from '../support/fake-thread.ts';

let threads = new FakeThreads();
vi.mock('../../src/host/shard-thread.ts', () => ({
  startThread: (...args: Parameters<FakeThreads['start']>) => threads.start(...args),
}));
beforeEach(() => {
  threads = new FakeThreads();
});

function setUp({ serve = true, options = {} }: { serve?: boolean; options?: EngineOptions } = {}) {
  const clock = new FakeClock(1_000);
  const shards = new Shards(resolveOptions({ shards: 3, ...options }), {}, clock);
  if (serve) for (const thread of threads.all) thread.ready();
  const submit = (key: string, signal?: AbortSignal) => {
    const call = new CountedCall(key);
    shards.submit(call, signal, true);
    return call;
  };
  const owner = (key: string) => threads.all[shardOf(key, 3)] as FakeThread;
  return { clock, shards, submit, owner };
}

test('each call goes to the shard that owns its key, and to no other', async () => {
  const { submit, owner } = setUp();
  const keys = Array.from({ length: 100 }, (_, i) => `host-${i}`);
  for (const key of [...keys, ...keys]) submit(key);
  await settled();
  for (const key of keys) expect(owner(key).runs.filter((run) => run.key === key)).toHaveLength(2);
  expect(threads.all.flatMap(({ runs }) => runs)).toHaveLength(200);
});

test('a call that waits is canceled at once, one in flight by the answer of its shard', async () => {
  const waiting = setUp({ serve: false });
  const controller = new AbortController();
  const queued = waiting.submit('a', controller.signal);
  controller.abort();
  expect(queued.error).toMatchObject({ code: 'ERR_CANCELED', key: 'a' });
  threads = new FakeThreads();

  const { shards, submit, owner } = setUp();
  const call = submit('a');
  await settled();
  shards.cancel(call);
  shards.cancel(call);
  await settled();
  expect(owner('a').told('cancel')).toHaveLength(1);
  expect(call.state).toBe('canceling');
  owner('a').answer(owner('a').runs[0]!, 'it was faster');
  expect(call.response).toBe('it was faster');
});

test('a shard that does not answer for a cancel within 3 s is answered for', async () => {
  const { clock, shards, submit, owner } = setUp();
  const call = submit('a');
  await settled();
  shards.cancel(call);
  owner('a').ledger.beat();
  clock.advance(2_999);
  expect(call.state).toBe('canceling');
  clock.advance(20);
  expect(call.error?.code).toBe('ERR_CANCELED');
  owner('a').answer(owner('a').runs[0]!, 'late');
  expect(call.settlements.count).toBe(1);
});

test('a signal that has aborted keeps a call from being handed over', () => {
  const { submit } = setUp();
  expect(() => submit('a', AbortSignal.abort())).toThrow(expect.objectContaining({ code: 'ERR_CANCELED' }));
});

test('a drain waits for what is in flight, then tells the threads and waits for their exits', async () => {
  const { shards, submit, owner } = setUp();
  const call = submit('a');
  await settled();
  const drained = shards.drain(10_000);
  await settled();
  expect(threads.all.flatMap((thread) => thread.told('drain'))).toEqual([]);
  owner('a').answer(owner('a').runs[0]!, 'done');
  await settled();
  expect(call.response).toBe('done');
  expect(threads.all.map((thread) => thread.told('drain').length)).toEqual([1, 1, 1]);
  await Promise.all(threads.all.map((thread) => thread.exit()));
  await drained;
});

test('a drain that takes too long is a cut, and every call is settled once', async () => {
  const { clock, shards, submit } = setUp();
  const calls = ['a', 'b', 'c'].map((key) => submit(key));
  const drained = shards.drain(500);
  await clock.advanceSettling(500);
  expect(threads.all.map(({ terminations }) => terminations)).toEqual([1, 1, 1]);
  await Promise.all(threads.all.map((thread) => thread.exit(new Error('terminated'))));
  await drained;
  expect(calls.map(({ error, settlements }) => [error?.code, settlements.count])).toEqual(
    new Array(3).fill(['ERR_CLOSED', 1]),
  );
  expect(clock.pending).toBe(0);
});

test('the waiting calls of a key that killed its shard twice are refused, other waiting calls are not', async () => {
  const { clock, shards, submit } = setUp({ options: { shards: 1, maxInFlight: 1 } });
  for (let death = 0; death < 2; death++) {
    const thread = threads.last;
    const [first, again, other] = [submit('a'), submit('a'), submit('b')];
    await settled();
    thread.ledger.running(first.slot);
    await thread.exit(new Error('boom'));
    expect(other.state).toBe('queued');
    expect(again.error?.code).toBe(death === 0 ? undefined : 'ERR_QUARANTINED');
    for (const call of [again, other]) shards.cancel(call);
    clock.advance(1_000);
    threads.last.ready();
  }
  expect(() => submit('a')).toThrow(expect.objectContaining({ code: 'ERR_QUARANTINED', key: 'a' }));
});

test('the connections of the process are split over the shards, the remainder is handed out, and none has more than its own bound', () => {
  const of = (options: EngineOptions) => {
    threads = new FakeThreads();
    new Shards(resolveOptions({ shards: 3, ...options }, 1_048_576), {}, new FakeClock(0));
    return threads.all.map(({ task }) => task.limits.connectionsPerShard);
  };
  expect(of({ limits: { connections: 11 } })).toEqual([4, 4, 3]);
  expect(of({ limits: { connections: 3 } })).toEqual([1, 1, 1]);
  expect(of({ limits: { connectionsPerShard: 7 } })).toEqual([7, 7, 7]);
  expect(of({})).toEqual([1_000, 1_000, 1_000]);
});

test('a lazy shard has no thread before its first call, which waits for it, and the others get none', async () => {
  const { shards, submit } = setUp({ options: { lazyShards: true } });
  await shards.started();
  expect(threads.all).toEqual([]);
  expect((await shards.snapshots()).map(({ state }) => state)).toEqual(['unstarted', 'unstarted', 'unstarted']);
  expect(await shards.invalidate(['*'])).toBe(0);
  const calls = [submit('a'), submit('a')];
  expect(threads.all).toHaveLength(1);
  threads.last.ready();
  await settled();
  for (const run of threads.last.runs) threads.last.answer(run, 'well');
  expect(calls.map(({ response }) => response)).toEqual(['well', 'well']);
  const drained = shards.drain(10_000);
  await threads.last.exit();
  await drained;
});

test('lazy shards that never had a call are closed without a thread', async () => {
  const { shards } = setUp({ options: { lazyShards: true } });
  await shards.drain(10_000);
  expect(threads.all).toEqual([]);
  expect((await shards.snapshots()).map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
});

test('a lazy shard whose thread does not start is told to the calls that need it', async () => {
  const { clock, submit } = setUp({ options: { lazyShards: true } });
  const call = submit('a');
  for (let i = 0; i < 5; i++) {
    await threads.last.exit(new Error('no memory'));
    if (i < 4) clock.advance((clock.nextAt ?? Number.NaN) - clock.now());
  }
  expect(call.error).toMatchObject({ code: 'ERR_SHARD_UNAVAILABLE', outcome: 'not_started' });
  expect(call.error?.message).toContain('no memory');
});
