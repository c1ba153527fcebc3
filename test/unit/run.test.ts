import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { StreamsExceeded } from '../../src/types.ts';
import { CHUNK_COST } from '../../src/wire/credit.ts';
import type { ErrorReply, Reply, ResponseReply, RunCommand } from '../../src/wire/protocol.ts';
import { Run, type RunHost } from '../../workers/run.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { FakeDriver, poolsWith } from '../support/fake-driver.ts';

const CANCELED = new KeylaneError('ERR_CANCELED');
const TIMEOUT = new KeylaneError('ERR_TIMEOUT');
const LOST = new KeylaneError('ERR_CONNECTION_LOST');

function setUp(command: Partial<RunCommand> = {}, streams = 1, connectionsPerLane = 1) {
  const clock = new FakeClock(1_000);
  const driver = new FakeDriver(streams);
  const pools = poolsWith(clock, { connectionsPerLane });
  const replies: Reply[] = [];
  const noted: string[] = [];
  const host: RunHost = {
    now: () => clock.now(),
    reply: (reply) => replies.push(reply),
    noteSent: () => noted.push('sent'),
    trace: undefined,
    starts: undefined,
    noteRunning: (slot) => noted.push(`running ${slot}`),
    watch: (dueAt) => noted.push(`watch ${dueAt}`),
    ask: () => Promise.reject(new Error('nobody to ask')),
    pause() {},
    answered: () => noted.push('answered'),
  };
  const start = (more: Partial<RunCommand> = {}) => {
    const run = new Run({ ...COMMAND, ...command, ...more }, host);
    run.start(driver, pools.of('host', 'host', null, driver), clock.now());
    return run;
  };
  const open = async () => {
    driver.letOpen();
    await settled();
  };
  /** What it was answered; throws unless exactly once. */
  const answer = () => {
    const answers = replies.filter((reply) => reply.kind === 'response' || reply.kind === 'error');
    expect(answers).toHaveLength(1);
    expect(noted.filter((note) => note === 'answered')).toHaveLength(1);
    return answers[0] as ResponseReply | ErrorReply;
  };
  const error = () => (answer() as ErrorReply).error;
  return { clock, driver, pools, replies, noted, start, open, answer, error };
}

const COMMAND: RunCommand = {
  ...{ kind: 'run', slot: 3, id: 7, mode: 'once', driver: 'fake', key: 'host', lane: 'host', target: null },
  ...{ request: 'question', deadline: Number.POSITIVE_INFINITY, priority: 0 },
};

describe('a run is answered exactly once', () => {
  type World = ReturnType<typeof setUp>;
  const events: Record<string, (world: World, run: Run) => void> = {
    open: ({ driver }) => driver.opens.length > 0 && driver.letOpen(),
    'open fails': ({ driver }) => driver.opens.length > 0 && driver.failOpen(),
    cancel: (_, run) => run.abort(CANCELED),
    'time-out': (_, run) => run.abort(TIMEOUT),
    answer: ({ driver }) => driver.executes.shift()?.open('fine'),
    lost: ({ driver }) => driver.executes.shift()?.fail(LOST),
  };
  const names = Object.keys(events);
  const orders = names.flatMap((a) => names.flatMap((b) => names.flatMap((c) => names.map((d) => [a, b, c, d]))));

  test(`under each of ${orders.length} orders of what can happen to it, and its stream comes back`, async () => {
    for (const order of orders) {
      const world = setUp();
      const run = world.start();
      for (const name of order) {
        events[name]?.(world, run);
        await undefined;
        if (name.length % 2 === 0) await settled();
      }
      await settled();
      for (const name of ['open', 'answer']) {
        events[name]?.(world, run);
        await settled();
      }
      world.answer();
      expect(world.pools.counts, order.join()).toMatchObject({ opening: 0, busy: 0, full: 0, closing: 0 });
      expect(world.driver.executes).toHaveLength(0);
    }
  });
});

describe('what is known of a run that ends without an answer', () => {
  test.each([
    [false, TIMEOUT, 'ERR_TIMEOUT', 'not_started'],
    [true, TIMEOUT, 'ERR_TIMEOUT', 'unknown'],
    [false, CANCELED, 'ERR_CANCELED', 'canceled'],
    [true, CANCELED, 'ERR_CANCELED', 'canceled'],
    [false, undefined, 'ERR_PROTOCOL', 'not_started'],
    [true, undefined, 'ERR_PROTOCOL', 'unknown'],
  ])('sent: %s, aborted with: %s → %s, %s', async (sent, abort, code, outcome) => {
    const { driver, noted, start, open, error } = setUp();
    const run = start();
    await open();
    if (sent) driver.executes[0]?.about.context.sent();
    if (abort) run.abort(abort);
    driver.executes[0]?.fail(new Error('it broke'));
    await settled();
    expect(error()).toMatchObject({ code, outcome });
    expect(noted.includes('sent')).toBe(sent);
  });

  test('while it waits: nothing started, and nobody is left in line', async () => {
    const { pools, driver, start, open, error } = setUp();
    const run = start();
    run.abort(TIMEOUT);
    expect(error()).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started' });
    await open();
    expect([driver.executes.length, pools.counts.idle]).toEqual([0, 1]);
  });

  test('is what the driver said of it, where it says', async () => {
    const { driver, pools, start, open, error } = setUp();
    start();
    await open();
    driver.executes[0]?.fail(LOST);
    await settled();
    expect(error()).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
    expect([driver.closed.length, pools.size]).toEqual([1, 0]);
  });

  test('is told after the grace of a driver that does not stop, whose connection goes', async () => {
    const { driver, noted, start, open, error } = setUp();
    const run = start();
    await open();
    const context = driver.executes[0]?.about.context;
    context?.sent();
    run.abort(TIMEOUT);
    expect(context?.signal.reason).toBe(TIMEOUT);
    expect([run.dueAt, noted.at(-1)]).toEqual([3_000, 'watch 3000']);
    run.abort(TIMEOUT);
    expect(error()).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
    driver.executes[0]?.open('too late');
    await settled();
    expect(error().code).toBe('ERR_TIMEOUT');
    expect(driver.closed).toHaveLength(1);
  });
});

describe('a peer that allows fewer streams', () => {
  test('gets the request again, but not more than 32 times', async () => {
    const { driver, start, open, error } = setUp();
    start();
    await open();
    let tries = 0;
    for (; driver.executes.length > 0; tries++) {
      driver.executes.shift()?.fail(new StreamsExceeded(1));
      await settled();
    }
    expect(tries).toBe(32);
    expect(error()).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started' });
  });

  test('does not get one again that was called off', async () => {
    const { driver, start, open, error } = setUp();
    const run = start();
    await open();
    run.abort(CANCELED);
    driver.executes.shift()?.fail(new StreamsExceeded(1));
    await settled();
    expect(error().code).toBe('ERR_CANCELED');
    expect(driver.executes).toHaveLength(0);
  });
});

describe('a driver', () => {
  test('may answer at once, and is named as running meanwhile', async () => {
    const { driver, noted, start, open, answer } = setUp();
    driver.execute = (_, request) => `${request}!`;
    start();
    await open();
    expect(answer()).toMatchObject({ kind: 'response', slot: 3, id: 7, response: 'question!' });
    expect(noted).toEqual(['running 3', 'running -1', 'answered']);
  });

  test('may throw at once', async () => {
    const { driver, noted, start, open, error } = setUp();
    driver.execute = () => {
      throw new Error('a bug');
    };
    start();
    await open();
    expect(error()).toMatchObject({ code: 'ERR_PROTOCOL', message: 'the driver failed: a bug' });
    expect(noted).toEqual(['running 3', 'running -1', 'answered']);
  });

  test('sends chunks in pieces of 64 KiB, and waits when a MiB is out', async () => {
    const { driver, replies, start, open } = setUp({ mode: 'live' });
    const run = start();
    await open();
    const context = driver.executes[0]?.about.context;
    expect(context?.live).toBe(true);
    expect(context?.chunk('stdout', new Uint8Array(200 * 1024))).toBeUndefined();
    const sizes = replies.map((reply) => (reply.kind === 'chunk' ? reply.data.length : -1));
    expect(sizes).toEqual([65_536, 65_536, 65_536, 8_192]);
    let room = false;
    const waiting = context?.chunk('stdout', new Uint8Array(1024 * 1024 - 200 * 1024))?.then(() => {
      room = true;
    });
    await settled();
    expect([waiting === undefined, room]).toEqual([false, false]);
    run.credit(65_536);
    await settled();
    expect(room).toBe(true);
  });

  test('counts a chunk of a few bytes as what it takes of the memory, both ways', async () => {
    const { driver, replies, start, open } = setUp({ mode: 'live' });
    const run = start();
    await open();
    const context = driver.executes[0]?.about.context;
    const byte = new Uint8Array(1);
    let waiting: Promise<void> | undefined;
    while (!waiting) waiting = context?.chunk('stdout', byte);
    expect(replies.length).toBeLessThan(3_000);
    // The reader takes them all: as much can come again, and no more.
    const chunks = replies.length;
    for (let i = 0; i < chunks; i++) run.credit(1 + CHUNK_COST);
    await waiting;
    for (waiting = undefined; !waiting; ) waiting = context?.chunk('stdout', byte);
    expect(replies.length).toBe(2 * chunks);
  });

  test('hands out nothing after the request was called off', async () => {
    const { driver, replies, start, open } = setUp({ mode: 'live' });
    const run = start();
    await open();
    run.abort(CANCELED);
    expect(driver.executes[0]?.about.context.chunk('stdout', new Uint8Array(10))).toBeUndefined();
    expect(replies).toEqual([]);
  });
});

test('the timing tells the wait, the part of the opening that it waited for, and the run', async () => {
  const { clock, driver, replies, start, open } = setUp();
  start();
  clock.advance(10);
  start({ id: 8 });
  clock.advance(30);
  await open();
  clock.advance(5);
  for (let i = 0; i < 2; i++) {
    driver.executes.shift()?.open('fine');
    await settled();
  }
  expect(replies).toMatchObject([
    { id: 7, queuedUs: 0, openUs: 40_000, runUs: 5_000, reused: false },
    { id: 8, queuedUs: 35_000, openUs: 0, runUs: 0, reused: true },
  ]);
});

test('a prewarm is answered once, when its connections are there or one cannot be', async () => {
  const [well, ill] = [setUp({ mode: 'prewarm', request: 1 }), setUp({ mode: 'prewarm', request: 1 })];
  const runs = [well.start(), ill.start()];
  await well.open();
  ill.driver.failOpen();
  await settled();
  for (const run of runs) run.abort(CANCELED);
  expect(well.answer()).toMatchObject({ kind: 'response', response: null });
  expect(ill.error().code).toBe('ERR_CONNECT');
});

test('a prewarm that is canceled is not waited for by its pool any more', async () => {
  const { driver, pools, start, open, error } = setUp({ mode: 'prewarm', request: 2 }, 1, 2);
  const run = start();
  run.abort(CANCELED);
  expect(error().outcome).toBe('canceled');
  await open();
  driver.failOpen();
  await settled();
  // With somebody to warm it for, the lane would try again although its last open failed.
  expect([driver.begun, pools.counts.idle]).toEqual([2, 1]);
});
