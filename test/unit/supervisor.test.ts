import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { EngineEvent } from '../../src/events.ts';
import { Blame } from '../../src/host/blame.ts';
import { Supervisor } from '../../src/host/supervisor.ts';
import type { Clock, Timer } from '../../src/util/clock.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall, FakeThreads } from '../support/fake-thread.ts';
import { sharedWith } from '../support/shared.ts';

const BLOCKED_MS = 10_000;

function setUp({ window = 8, random = () => 1 }: { window?: number; random?: () => number } = {}) {
  return setUpOn(new FakeClock(), window, random);
}

function setUpOn<C extends Clock>(clock: C, window = 8, random: () => number = () => 1) {
  const threads = new FakeThreads();
  const freed: unknown[] = [];
  const events: EngineEvent[] = [];
  const supervisor = new Supervisor({
    shard: 0,
    clock,
    random,
    startThread: threads.start,
    limits: {
      connectionsPerLane: 2,
      connectionsPerShard: 10,
      opensPerKey: 2,
      breaker: false,
      idleMs: 1_000,
      maxLifetimeMs: 0,
      checkAfterMs: 0,
      leakMs: 0,
      connectTimeoutMs: 1_000,
    },
    shared: sharedWith({ inFlight: window, queuedPerKey: 100, queued: 1_000 }),
    drivers: {},
    heapMb: 0,
    shardBlockedMs: BLOCKED_MS,
    blame: new Blame(clock, () => {}),
    ask: () => Promise.resolve(null),
    event: (event) => events.push(event),
    freed: (call) => freed.push(call),
  });
  const submit = (...keys: string[]) => {
    const calls = keys.map((key) => new CountedCall(key));
    for (const call of calls) supervisor.admission.submit(call, true);
    return calls;
  };
  const told = (type: EngineEvent['type']) => events.filter((event) => event.type === type);
  return { clock, threads, supervisor, submit, freed, told };
}

/** A main thread that stalls: time passes, and what fell due in it runs once at the end, late. */
class StallingClock implements Clock {
  #now = 0;
  #due: { at: number; call: () => void } | undefined = undefined;

  now(): number {
    return this.#now;
  }

  timer(ms: number, call: () => void): Timer {
    this.#due = { at: this.#now + ms, call };
    return { cancel() {} };
  }

  stall(ms: number): void {
    this.#now += ms;
    const due = this.#due;
    if (!due || due.at > this.#now) return;
    this.#due = undefined;
    due.call();
  }
}

/** Time passes in which the thread beats, or only its watch looks. */
function pass(clock: FakeClock, ms: number, ledger?: { beat(): void }): void {
  for (let passed = 0; passed < ms; passed += 250) {
    ledger?.beat();
    clock.advance(250);
  }
}

/** Lets threads fail to start, one after another, and gives the waits between them. */
async function failStarts({ clock, threads }: ReturnType<typeof setUp>, times: number): Promise<number[]> {
  const waits: number[] = [];
  for (let i = 0; i < times; i++) {
    await threads.last.exit(new Error('no memory'));
    const wait = (clock.nextAt ?? Number.NaN) - clock.now();
    waits.push(wait);
    clock.advance(wait);
  }
  return waits;
}

const codes = (calls: readonly CountedCall[]) => calls.map(({ error }) => error?.code);
const outcomes = (calls: readonly CountedCall[]) => calls.map(({ error }) => error?.outcome);
const counts = (calls: readonly CountedCall[]) => calls.map(({ settlements }) => settlements.count);
const keysOf = (runs: readonly { key: string }[]) => runs.map(({ key }) => key);

describe('starting', () => {
  test('calls wait until the thread says that it serves, and go to it then', async () => {
    const { threads, supervisor, submit } = setUp();
    submit('a', 'b');
    await settled();
    expect(supervisor.state).toBe('starting');
    expect(threads.last.commands).toEqual([]);
    threads.last.ready();
    await settled();
    expect(supervisor.state).toBe('serving');
    expect(keysOf(threads.last.runs)).toEqual(['a', 'b']);
    await expect(supervisor.started).resolves.toBeUndefined();
  });

  test('a thread that comes after one that died is told that the rates may be used up', async () => {
    const { clock, threads } = setUp();
    threads.last.ready();
    expect(threads.last.task.limits.ratesSpent).toBeUndefined();
    await threads.last.exit(new Error('boom'));
    await clock.advanceSettling(1_000);
    expect(threads.all).toHaveLength(2);
    expect(threads.last.task.limits.ratesSpent).toBe(true);
  });

  test('the thread is given a ledger with a word for each call that may be in flight', () => {
    const { threads } = setUp({ window: 8 });
    expect(threads.last.task.ledger.byteLength).toBe((2 + 8) * 4);
  });
});

describe('a death', () => {
  test('no thread is started before the old one has exited', async () => {
    const { clock, threads, supervisor, submit } = setUp();
    threads.last.ready();
    submit('a');
    await clock.advanceSettling(BLOCKED_MS);
    // Its heartbeat stands still, so it was told to end; it is inside a native call and has not.
    expect(threads.last.terminations).toBe(1);
    await clock.advanceSettling(10 * BLOCKED_MS);
    expect(threads.all).toHaveLength(1);
    await threads.last.exit(new Error('terminated'));
    await clock.advanceSettling(0);
    expect(threads.all).toHaveLength(2);
    expect(threads.alive).toHaveLength(1);
    expect(supervisor.restarts).toBe(1);
  });

  test('what was in flight is settled by the ledger, each call once', async () => {
    const { threads, submit, freed } = setUp();
    threads.last.ready();
    const calls = submit('a', 'b', 'c');
    await settled();
    const [, sent] = threads.last.runs;
    threads.last.ledger.sent(sent!.slot, sent!.id);
    await threads.last.exit(new Error('boom'));
    expect(codes(calls)).toEqual(['ERR_SHARD_DIED', 'ERR_SHARD_DIED', 'ERR_SHARD_DIED']);
    expect(outcomes(calls)).toEqual(['not_started', 'unknown', 'not_started']);
    expect(calls.map(({ error }) => error?.retryable)).toEqual([true, false, true]);
    expect(calls[1]?.error).toMatchObject({ key: 'b', message: expect.stringContaining('boom') });
    expect(counts(calls)).toEqual([1, 1, 1]);
    expect(freed).toEqual(calls);
  });

  test('the word of an earlier run in the same slot does not make a call unknown', async () => {
    const { threads, submit } = setUp({ window: 1 });
    threads.last.ready();
    submit('a');
    await settled();
    const [first] = threads.last.runs;
    threads.last.ledger.sent(first!.slot, first!.id);
    threads.last.answer(first!);
    const [second] = submit('a');
    await settled();
    await threads.last.exit();
    expect(second?.slot).toBe(first?.slot);
    expect(second?.error).toMatchObject({ code: 'ERR_SHARD_DIED', outcome: 'not_started' });
  });

  test('calls that wait outlive it and are served by the next thread', async () => {
    const { clock, threads, supervisor, submit } = setUp({ window: 1 });
    threads.last.ready();
    const [running, waiting] = submit('a', 'b');
    await settled();
    await threads.last.exit(new Error('boom'));
    const [late] = submit('c');
    expect(running?.state).toBe('settled');
    clock.advance(0);
    expect([waiting?.state, late?.state]).toEqual(['queued', 'queued']);
    expect(keysOf(threads.all[0]!.runs)).toEqual(['a']);
    threads.last.ready();
    await settled();
    expect(keysOf(threads.last.runs)).toEqual(['b']);
    threads.last.answer(threads.last.runs[0]!, 'served');
    await settled();
    threads.last.answer(threads.last.runs[1]!, 'served too');
    expect([waiting?.response, late?.response]).toEqual(['served', 'served too']);
    expect(supervisor.admission).toMatchObject({ inFlight: 0, queued: 0 });
  });

  test('a call placed while the dead are settled goes to the next thread', async () => {
    const { clock, threads, supervisor } = setUp();
    threads.last.ready();
    const again = new CountedCall('again');
    const first = new CountedCall('first', null, { settled: () => supervisor.admission.submit(again, true) });
    supervisor.admission.submit(first, true);
    await settled();
    await threads.last.exit();
    clock.advance(0);
    threads.last.ready();
    await settled();
    expect(keysOf(threads.all[0]!.runs)).toEqual(['first']);
    expect(keysOf(threads.all[1]!.runs)).toEqual(['again']);
  });

  test('a new thread has a ledger of its own', async () => {
    const { clock, threads } = setUp();
    threads.last.ready();
    threads.last.ledger.sent(0, 1);
    await threads.last.exit();
    clock.advance(0);
    expect(threads.last.ledger.wasSent(0, 1)).toBe(false);
  });
});

describe('starts that fail', () => {
  test('the wait doubles from 100 ms to 30 s', async () => {
    const given = setUp();
    const waits = await failStarts(given, 11);
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    expect(given.supervisor.restarts).toBe(11);
  });

  test('half of each wait is left to chance, so that shards do not start together', async () => {
    expect(await failStarts(setUp({ random: () => 0 }), 3)).toEqual([50, 100, 200]);
    expect(await failStarts(setUp({ random: () => 0.5 }), 3)).toEqual([75, 150, 300]);
  });

  test('a thread that serves for some seconds makes the next wait short again', async () => {
    const given = setUp();
    await failStarts(given, 3);
    given.threads.last.ready();
    pass(given.clock, 5_000, given.threads.last.ledger);
    await given.threads.last.exit();
    expect(given.clock.nextAt).toBe(given.clock.now());
    given.clock.advance(0);
    expect(await failStarts(given, 1)).toEqual([200]);
  });

  test('threads that serve and die at once wait longer each time, but the first', async () => {
    const given = setUp();
    const { clock, threads, supervisor, told } = given;
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      threads.last.ready();
      pass(clock, 4_000, threads.last.ledger);
      await threads.last.exit(new Error('boom'));
      waits.push((clock.nextAt ?? Number.NaN) - clock.now());
      expect(supervisor.state).toBe(i < 4 ? 'backing_off' : 'degraded');
      clock.advance(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([0, 100, 200, 400, 800]);
    expect(told('shard_died')).toHaveLength(5);
    expect(told('shard_degraded')).toEqual([
      { type: 'shard_degraded', shard: 0, message: 'shard 0 keeps dying: boom' },
    ]);
  });

  test('four failures keep what waits, the fifth refuses it and what comes', async () => {
    const given = setUp();
    const { threads, supervisor, submit, told } = given;
    const calls = submit('a', 'b');
    await failStarts(given, 4);
    expect(calls.map(({ state }) => state)).toEqual(['queued', 'queued']);
    await threads.last.exit(new Error('no memory'));
    expect(codes(calls)).toEqual(['ERR_SHARD_UNAVAILABLE', 'ERR_SHARD_UNAVAILABLE']);
    expect(outcomes(calls)).toEqual(['not_started', 'not_started']);
    expect(counts(calls)).toEqual([1, 1]);
    const refusal = { code: 'ERR_SHARD_UNAVAILABLE', message: expect.stringContaining('no memory'), retryable: true };
    expect(() => submit('c')).toThrow(expect.objectContaining(refusal));
    await expect(supervisor.started).rejects.toMatchObject(refusal);
    expect(supervisor.state).toBe('degraded');
    given.clock.advance(30_000);
    await failStarts(given, 3);
    expect(told('shard_degraded')).toHaveLength(1);
  });

  test('the door stays shut while another is started, and opens when it serves', async () => {
    const given = setUp();
    const { threads, supervisor, submit, told } = given;
    await failStarts(given, 5);
    expect(supervisor.state).toBe('degraded');
    expect(() => submit('a')).toThrow(expect.objectContaining({ code: 'ERR_SHARD_UNAVAILABLE' }));
    threads.last.ready();
    expect(supervisor.state).toBe('serving');
    expect(told('shard_serving')).toEqual([{ type: 'shard_serving', shard: 0, restarts: 5 }]);
    const [call] = submit('a');
    await settled();
    threads.last.answer(threads.last.runs[0]!, 'served');
    expect(call?.response).toBe('served');
  });

  test('a thread that hangs before it says that it serves is cut after 10 s and counts as one that failed', async () => {
    const { clock, threads, supervisor, told } = setUp();
    clock.advance(BLOCKED_MS - 1);
    expect(threads.last.terminations).toBe(0);
    clock.advance(1);
    expect(threads.last.terminations).toBe(1);
    expect(told('shard_blocked')).toEqual([{ type: 'shard_blocked', shard: 0, stillMs: BLOCKED_MS }]);
    await threads.last.exit(new Error('terminated'));
    expect(supervisor.state).toBe('backing_off');
    expect(clock.nextAt).toBe(clock.now() + 100);
    clock.advance(100);
    threads.last.ready();
    expect(supervisor.state).toBe('serving');
  });
});

describe('the heartbeat', () => {
  test('one that stands still is told of within 2 s, with the key whose code is running, and what comes waits', async () => {
    const { clock, threads, supervisor, submit, told } = setUp();
    threads.last.ready();
    submit('a', 'b');
    await settled();
    threads.last.ledger.beat();
    threads.last.ledger.running(threads.last.runs[1]!.slot);
    clock.advance(1_749);
    expect(told('shard_blocked')).toEqual([]);
    clock.advance(1);
    expect(told('shard_blocked')).toEqual([{ type: 'shard_blocked', shard: 0, stillMs: 1_500, key: 'b' }]);
    expect(supervisor.state).toBe('blocked');
    const [late] = submit('c');
    await settled();
    expect(keysOf(threads.last.runs)).toEqual(['a', 'b']);
    expect(await supervisor.stats()).toBeUndefined();

    threads.last.ledger.beat();
    clock.advance(250);
    await settled();
    expect(supervisor.state).toBe('serving');
    expect(told('shard_serving')).toHaveLength(2);
    expect(keysOf(threads.last.runs)).toEqual(['a', 'b', 'c']);
    clock.advance(BLOCKED_MS);
    expect(told('shard_blocked')).toHaveLength(2);
    await threads.last.exit(new Error('terminated'));
    expect(late?.error?.code).toBe('ERR_SHARD_DIED');
  });

  test('one that stands still for shardBlockedMs ends the thread, once', async () => {
    const { clock, threads, told } = setUp();
    threads.last.ready();
    await clock.advanceSettling(BLOCKED_MS - 1);
    expect(threads.last.terminations).toBe(0);
    await clock.advanceSettling(1);
    expect(threads.last.terminations).toBe(1);
    await clock.advanceSettling(5 * BLOCKED_MS);
    expect(threads.last.terminations).toBe(1);
    expect(told('shard_blocked')).toHaveLength(1);
  });

  test('one beat starts the count again', async () => {
    const { clock, threads } = setUp();
    threads.last.ready();
    clock.advance(BLOCKED_MS - 250);
    threads.last.ledger.beat();
    clock.advance(BLOCKED_MS);
    expect(threads.last.terminations).toBe(0);
    clock.advance(250);
    expect(threads.last.terminations).toBe(1);
  });

  test('a blocked thread is replaced, and the next one is watched too', async () => {
    const { clock, threads, told } = setUp();
    for (let i = 0; i < 3; i++) {
      threads.last.ready();
      clock.advance(BLOCKED_MS);
      expect(threads.last.terminations).toBe(1);
      await threads.last.exit(new Error('terminated'));
      clock.advance(200);
    }
    expect(threads.all).toHaveLength(4);
    expect(told('shard_died')).toHaveLength(3);
  });

  test('1,000 stalls of 5 s of the main thread are no reason to think a shard blocked (W4)', () => {
    const stalled = new StallingClock();
    const { threads, told, supervisor } = setUpOn(stalled);
    threads.last.ready();
    for (let stall = 0; stall < 1_000; stall++) {
      // The main thread looks at nothing for 5 s while the shard goes on; then all that is due runs at once.
      for (let beat = 0; beat < 20; beat++) threads.last.ledger.beat();
      stalled.stall(5_000);
      // The shard may be starved as well after that, for a second.
      for (let look = 0; look < 4; look++) stalled.stall(250);
    }
    expect(threads.last.terminations).toBe(0);
    expect(told('shard_blocked')).toEqual([]);
    expect(supervisor.state).toBe('serving');
  });

  test('one late look counts as one, however late', () => {
    const stalled = new StallingClock();
    const { threads, told } = setUpOn(stalled);
    threads.last.ready();
    for (let i = 0; i < 1_000; i++) {
      stalled.stall(5_000);
      // The shard was starved as well and beats only after the look.
      threads.last.ledger.beat();
    }
    expect(told('shard_blocked')).toEqual([]);
    for (let i = 0; i < BLOCKED_MS / 250; i++) stalled.stall(250);
    expect(threads.last.terminations).toBe(0);
    stalled.stall(250);
    expect(threads.last.terminations).toBe(1);
  });

  test('figures that do not come within a second are none', async () => {
    const { clock, threads, supervisor } = setUp();
    threads.last.ready();
    const stats = supervisor.stats();
    await settled();
    expect(threads.last.told('stats')).toHaveLength(1);
    clock.advance(1_000);
    expect(await stats).toBeUndefined();
  });
});

describe('the end', () => {
  const closed = new KeylaneError('ERR_CLOSED', 'cut');

  test('a drain tells the thread, and its exit ends in stopped', async () => {
    const { threads, supervisor, submit } = setUp();
    threads.last.ready();
    submit('a');
    await settled();
    threads.last.answer(threads.last.runs[0]!);
    supervisor.drain();
    expect(supervisor.state).toBe('draining');
    expect(threads.last.told('drain')).toHaveLength(1);
    expect(threads.last.terminations).toBe(0);
    await threads.last.exit();
    await supervisor.stopped;
    expect(supervisor.state).toBe('stopped');
    expect(threads.all).toHaveLength(1);
    expect(() => submit('b')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test('a thread that dies while it drains is not replaced', async () => {
    const { clock, threads, supervisor } = setUp();
    threads.last.ready();
    supervisor.drain();
    await threads.last.exit(new Error('boom'));
    await clock.advanceSettling(60_000);
    expect(supervisor.state).toBe('stopped');
    expect(threads.all).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  for (const state of ['starting', 'serving', 'backing_off', 'draining'] as const) {
    test(`destroyed while ${state}, it settles every call once and ends in stopped, with no timer left`, async () => {
      const given = setUp({ window: 2 });
      const { clock, threads, supervisor, submit } = given;
      if (state === 'serving' || state === 'draining') threads.last.ready();
      if (state === 'backing_off') await threads.last.exit(new Error('no memory'));
      const calls = submit('a', 'b', 'c');
      await settled();
      if (state === 'draining') supervisor.drain();
      expect(supervisor.state).toBe(state);
      const [, sent] = threads.last.runs;
      if (sent) threads.last.ledger.sent(sent.slot, sent.id);

      supervisor.destroy(closed);
      supervisor.destroy(new KeylaneError('ERR_CLOSED', 'again'));
      await threads.last.exit(new Error('terminated'));
      await supervisor.stopped;
      supervisor.destroy(closed);

      expect(supervisor.state).toBe('stopped');
      expect(codes(calls)).toEqual(['ERR_CLOSED', 'ERR_CLOSED', 'ERR_CLOSED']);
      expect(outcomes(calls)).toEqual(['not_started', sent ? 'unknown' : 'not_started', 'not_started']);
      expect(counts(calls)).toEqual([1, 1, 1]);
      expect(() => submit('d')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
      await clock.advanceSettling(60_000);
      expect(threads.all).toHaveLength(1);
      expect(clock.pending).toBe(0);
      expect(supervisor.admission).toMatchObject({ inFlight: 0, queued: 0 });
    });
  }

  test('destroyed, it waits for the exit before it says so', async () => {
    const { threads, supervisor } = setUp();
    threads.last.ready();
    let stopped = false;
    void supervisor.stopped.then(() => {
      stopped = true;
    });
    supervisor.destroy(closed);
    await settled();
    expect(threads.last.terminations).toBe(1);
    expect(stopped).toBe(false);
    await threads.last.exit();
    expect(stopped).toBe(true);
  });

  test('a thread that says it serves after it was cut opens nothing', async () => {
    const { threads, supervisor, submit } = setUp();
    supervisor.destroy(closed);
    threads.last.ready();
    expect(() => submit('a')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    await threads.last.exit();
    await expect(supervisor.started).rejects.toBe(closed);
  });

  test('a drain before it serves is a cut', async () => {
    const { threads, supervisor } = setUp();
    supervisor.drain();
    expect(threads.last.terminations).toBe(1);
    await threads.last.exit();
    expect(supervisor.state).toBe('stopped');
  });

  test('figures are asked of a shard that serves only', async () => {
    const { threads, supervisor } = setUp();
    expect(await supervisor.stats()).toBeUndefined();
    expect(threads.last.told('stats')).toEqual([]);
    threads.last.ready();
    const stats = supervisor.stats();
    await threads.last.exit();
    expect(await stats).toBeUndefined();
  });
});
