import { expect, test } from 'vitest';
import type { Call } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { ShardClient } from '../../src/host/shard-client.ts';
import { CHUNK_COST, Credit, TOLD_BYTES } from '../../src/wire/credit.ts';
import { Ledger } from '../../src/wire/ledger.ts';
import type { Ask, ShardStats } from '../../src/wire/protocol.ts';
import { settled } from '../support/fake-clock.ts';
import { CountedCall, FakePort } from '../support/fake-thread.ts';

const STATS: ShardStats = {
  requests: 1,
  waiting: 0,
  loopLagMs: 0,
  topKeys: { overMs: 10_000, requests: 0, byRequests: [], byTime: [] },
  connections: { opening: 0, idle: 1, busy: 0, full: 0, closing: 0, checking: 0 },
  lanes: 1,
  keys: 1,
  stopped: 0,
  opened: 1,
  failed: 0,
  closed: 0,
  evicted: 0,
  leaked: 0,
  reused: 0,
  closedBy: {
    ...{ idle: 0, lifetime: 0, evicted: 0, gave_way: 0, lost: 0, discarded: 0, not_reusable: 0, check_failed: 0 },
    ...{ unwanted: 0, shut: 0 },
  },
  streams: { total: 1, leased: 1 },
  breakers: { connect: { open: 0, probing: 0 }, log_in: { open: 0, probing: 0 } },
  rates: { waiting: 0, delayed: 0, paused: 0 },
  memory: { heapUsedBytes: 1, arrayBufferBytes: 0 },
  subprocesses: 0,
  spawned: 0,
  livedMs: 0,
  cache: {
    ...{ entries: 0, bytes: 0, hits: 0, misses: 0, stale: 0, joined: 0, filling: 0, revalidated: 0, evictions: 0 },
  },
};

function setUp({ slots = 4, lastId = 0, ask = (_ask: Ask): Promise<unknown> => Promise.resolve(null) } = {}) {
  const far = new FakePort();
  const freed: Call[] = [];
  let readies = 0;
  const events = { ready: () => readies++, freed: (call: Call) => freed.push(call), event: () => {}, ask };
  const client = new ShardClient(3, far.port, Ledger.memory(slots), slots, events, lastId);
  const dispatch = (...requests: unknown[]) => {
    const calls = requests.map((request) => new CountedCall('a', request));
    for (const call of calls) client.dispatch(call);
    return calls;
  };
  return { far, client, dispatch, freed, readies: () => readies };
}

const slotsOf = (calls: readonly Call[]) => calls.map(({ slot }) => slot).sort();
const counts = (calls: readonly CountedCall[]) => calls.map(({ settlements }) => settlements.count);

test('the commands of one turn go in one frame, in the order they were given', async () => {
  const { far, client, dispatch } = setUp();
  const [first] = dispatch('one', 'two', 'three');
  client.cancel(first!);
  client.credit(first!, TOLD_BYTES);
  expect(far.frames).toBe(0);
  await settled();
  expect(far.frames).toBe(1);
  expect(far.commands.map(({ kind }) => kind)).toEqual(['run', 'run', 'run', 'cancel', 'credit']);
  expect(far.runs.map(({ request }) => request)).toEqual(['one', 'two', 'three']);
});

test('a lone call waits for the end of its step, not of the turn', async () => {
  const { far, dispatch } = setUp();
  dispatch('lone');
  await Promise.resolve();
  expect(far.runs).toHaveLength(1);
});

test('calls in flight have slots of their own, and a slot is free again after the answer', async () => {
  const { far, client, dispatch, freed } = setUp({ slots: 3 });
  const calls = dispatch('a', 'b', 'c');
  expect(slotsOf(calls)).toEqual([0, 1, 2]);
  expect(() => dispatch('d')).toThrow('more calls in flight than slots');
  await settled();
  far.answer(far.runs[1]!, 'answered');
  expect(freed).toEqual([calls[1]]);
  expect(client.inFlight.filter(Boolean)).toHaveLength(2);
  const [next] = dispatch('d');
  expect(next?.slot).toBe(calls[1]?.slot);
  expect(next?.id).not.toBe(calls[1]?.id);
});

test('an answer brings the response, the timing and the shard', async () => {
  const { far, dispatch } = setUp();
  const [call] = dispatch({ deep: ['x', 1] });
  await settled();
  far.answer(far.runs[0]!);
  expect(call).toMatchObject({ state: 'settled', shard: 3, queuedUs: 1, openUs: 2, runUs: 3, reused: true });
  expect(call?.response).toEqual({ deep: ['x', 1] });
});

test('an error of the shard arrives whole, and is told the key', async () => {
  const { far, dispatch, freed } = setUp();
  const [call] = dispatch('a');
  const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  await settled();
  far.fail(call!, new KeylaneError('ERR_CONNECTION_LOST', 'cut', { cause }));
  expect(call?.error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown', message: 'cut', key: 'a' });
  expect(call?.error?.cause).toMatchObject({ code: 'ECONNRESET', message: 'read ECONNRESET' });
  expect(freed).toEqual([call]);
});

test('after 2^32 − 1 ids begin again at 1, never 0, which the ledger takes for none', () => {
  const { dispatch } = setUp({ lastId: 2 ** 32 - 2 });
  const calls = dispatch('last', 'first');
  expect(calls.map(({ id }) => id)).toEqual([2 ** 32 - 1, 1]);
});

test('an id past 2^31 is found in the ledger', () => {
  const { client, dispatch } = setUp({ lastId: 2 ** 32 - 2 });
  const [call] = dispatch('a');
  expect(client.wasSent(call!)).toBe(false);
  client.ledger.sent(call!.slot, call!.id);
  expect(client.wasSent(call!)).toBe(true);
});

test('a reply to the earlier run of a slot is ignored', async () => {
  const { far, dispatch, freed } = setUp({ slots: 1 });
  const [old] = dispatch('old');
  await settled();
  const [run] = far.runs;
  far.answer(run!);
  const [now] = dispatch('now');
  expect(now?.slot).toBe(old?.slot);
  far.answer(run!, 'stale');
  far.fail(run!, new KeylaneError('ERR_CONNECT'));
  expect(now?.state).toBe('in_flight');
  expect(counts([old!, now!])).toEqual([1, 0]);
  expect(freed).toEqual([old]);
});

test('chunks and credit go to their call, and to nobody after it', async () => {
  const { far, client } = setUp();
  const heard: unknown[] = [];
  const call = new CountedCall('a', null, {
    chunk: ({ channel, data }) => heard.push([channel, data.toString()]),
    taken: (bytes) => heard.push(bytes),
  });
  client.dispatch(call);
  await settled();
  const { slot, id } = call;
  const tell = () =>
    far.say(
      { kind: 'chunk', slot, id, channel: 'stderr', data: Buffer.from('hi') },
      { kind: 'credit', slot, id, bytes: 7 },
    );
  tell();
  expect(heard).toEqual([['stderr', 'hi'], 7]);
  far.answer(far.runs[0]!);
  tell();
  expect(heard).toHaveLength(2);
});

test('the shard is told of many chunks that were taken at once, before its window is used up', async () => {
  const { far, client, dispatch } = setUp();
  const [call] = dispatch('one');
  await settled();
  const told = () => far.commands.flatMap((command) => (command.kind === 'credit' ? [command.bytes] : []));
  const window = new Credit();
  const most = Math.floor(TOLD_BYTES / (CHUNK_COST + 100));
  for (let taken = 0; taken < most; taken++) client.credit(call!, 100);
  await settled();
  expect(told()).toEqual([]);
  expect(window.take(most * (CHUNK_COST + 100))).toBeUndefined();
  client.credit(call!, 100);
  client.credit(call!, 100);
  await settled();
  expect(told()).toEqual([(most + 1) * (CHUNK_COST + 100)]);
});

test('a request that cannot be encoded is refused alone, and its slot is free again', async () => {
  const { far, dispatch, freed } = setUp({ slots: 3 });
  const [before, bad, after] = dispatch('before', { wrong: Symbol('s') }, 'after');
  await settled();
  expect(bad?.error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', key: 'a' });
  expect(freed).toEqual([bad]);
  expect(far.runs.map(({ request }) => request)).toEqual(['before', 'after']);
  const [next] = dispatch('next');
  expect(slotsOf([before!, after!, next!])).toEqual([0, 1, 2]);
});

test('a request with a getter that throws takes no other along', async () => {
  const { far, dispatch } = setUp();
  const [, bad] = dispatch(
    'before',
    {
      get wrong(): never {
        throw new Error('not today');
      },
    },
    'after',
  );
  await settled();
  expect(bad?.error).toMatchObject({ code: 'ERR_INPUT', message: expect.stringContaining('not today') });
  expect(far.runs.map(({ request }) => request)).toEqual(['before', 'after']);
});

test('figures go to who asked, whatever the order of the answers', async () => {
  const { far, client } = setUp();
  const asked = [client.stats(), client.stats()];
  await settled();
  const [first, second] = far.told('stats');
  far.say({ kind: 'stats', ask: second!.ask, stats: { ...STATS, keys: 2 } });
  far.say({ kind: 'stats', ask: first!.ask, stats: STATS });
  expect((await Promise.all(asked)).map((stats) => stats?.keys)).toEqual([1, 2]);
});

test('the exit settles what is in flight by the ledger and gives no figures', async () => {
  const { client, dispatch, freed } = setUp();
  const calls = dispatch('a', 'b');
  client.ledger.sent(calls[1]!.slot, calls[1]!.id);
  const stats = client.stats();
  const verdicts: [Call, boolean][] = [];
  client.threadExited((call, sent) => {
    verdicts.push([call, sent]);
    return new KeylaneError('ERR_SHARD_DIED');
  });
  expect(new Map(verdicts)).toEqual(
    new Map([
      [calls[0], false],
      [calls[1], true],
    ]),
  );
  expect(counts(calls)).toEqual([1, 1]);
  expect(new Set(freed)).toEqual(new Set(calls));
  expect(await stats).toBeUndefined();
});

test('a call that was settled here keeps its slot until its shard is done with it', async () => {
  const { far, dispatch, freed } = setUp();
  const [call] = dispatch('a');
  await settled();
  call?.settle(undefined, new KeylaneError('ERR_TIMEOUT'));
  expect(freed).toEqual([]);
  far.answer(far.runs[0]!);
  expect(freed).toEqual([call]);
  expect(call?.error?.code).toBe('ERR_TIMEOUT');
  expect(counts([call!])).toEqual([1]);
});

test('a question is answered with its value, or with the error', async () => {
  const ask = ({ about }: Ask) =>
    about === 'env:GOOD'
      ? Promise.resolve('value')
      : Promise.reject(new KeylaneError('ERR_INPUT', 'env:BAD: the variable BAD is not set'));
  const { far } = setUp({ ask });
  far.say({ kind: 'ask', ask: 1, question: 'secret', about: 'env:GOOD' });
  far.say({ kind: 'ask', ask: 2, question: 'secret', about: 'env:BAD' });
  await settled();
  await settled();
  expect(far.told('answer')).toEqual([
    { kind: 'answer', ask: 1, value: 'value', error: undefined },
    {
      kind: 'answer',
      ask: 2,
      value: null,
      error: {
        code: 'ERR_INPUT',
        message: 'env:BAD: the variable BAD is not set',
        outcome: 'not_started',
        retryable: false,
      },
    },
  ]);
});

test('input carries its bytes and its end, and a drain waits for no turn', async () => {
  const { far, client, dispatch } = setUp();
  const [call] = dispatch('a');
  client.input(call!, Buffer.from('abc'), false);
  client.input(call!, new Uint8Array(0), true);
  client.drain();
  expect(far.told('drain')).toHaveLength(1);
  expect(far.told('input').map(({ data, end }) => [Buffer.from(data).toString(), end])).toEqual([
    ['abc', false],
    ['', true],
  ]);
});

test('the shard says that it is ready, and drained, and a response may be of several frames', async () => {
  const { far, dispatch, readies } = setUp();
  const [call] = dispatch('a');
  await settled();
  far.say({ kind: 'ready' }, { kind: 'drained' });
  expect(readies()).toBe(1);
  const large = Buffer.alloc(1024 * 1024, 'x');
  far.answer(far.runs[0]!, large);
  expect(large.equals(call?.response as Buffer)).toBe(true);
});
