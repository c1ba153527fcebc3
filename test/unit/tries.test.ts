import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { RetryBudget } from '../../src/retry-budget.ts';
import { backoffMs, mayHaveRun, mayTryAgain, type TryPolicy, tryUntilSettled } from '../../src/tries.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall } from '../support/fake-thread.ts';

/** Tries that end with these errors, one after another; undefined for an answer. */
function setUp(endings: (KeylaneError | undefined)[], policy: Partial<TryPolicy> = {}) {
  const clock = new FakeClock();
  const startedAt: number[] = [];
  const start = async () => {
    const error = endings[startedAt.length];
    startedAt.push(clock.now());
    if (error === UNAVAILABLE) throw error;
    const call = new CountedCall('a');
    call.settle(error ? undefined : 'answer', error);
    return call;
  };
  const budget = new RetryBudget(clock);
  const all = {
    key: 'a',
    budget,
    attempts: 10,
    idempotent: false,
    deadline: Number.POSITIVE_INFINITY,
    signal: undefined,
    ...policy,
  };
  return { clock, startedAt, tried: tryUntilSettled(start, all, clock, () => 1) };
}

/** It keeps a try from being handed over. */
const UNAVAILABLE = new KeylaneError('ERR_SHARD_UNAVAILABLE');
const refused = new KeylaneError('ERR_CONNECT');
const lost = new KeylaneError('ERR_CONNECTION_LOST');

test('the longest wait doubles from 500 ms to 30 s, the shortest is none', () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 8, 99].map((attempts) => backoffMs(attempts, () => 1));
  expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  expect(backoffMs(5, () => 0)).toBe(0);
  expect(backoffMs(2, () => 0.25)).toBe(250);
});

test('what is tried again: nothing reached the peer, or twice does no harm', () => {
  const both = (error: KeylaneError) => [mayTryAgain(error, false), mayTryAgain(error, true)];
  expect(both(refused)).toEqual([true, true]);
  expect(both(lost)).toEqual([false, true]);
  expect(both(new KeylaneError('ERR_AUTH'))).toEqual([false, false]);
  expect(both(new KeylaneError('ERR_CANCELED'))).toEqual([false, false]);
});

test('an answer ends the tries', async () => {
  const { clock, startedAt, tried } = setUp([refused, refused, undefined]);
  await clock.advanceSettling(1_500);
  expect(startedAt).toEqual([0, 500, 1_500]);
  const history = [refused, refused].map(({ outcome, code, message }) => ({ outcome, code, message }));
  expect(await tried).toMatchObject({ attempts: 3, call: { response: 'answer', error: undefined }, history });
});

test('so many attempts are made and no more', async () => {
  const { clock, startedAt, tried } = setUp([refused, refused, refused], { attempts: 2 });
  await clock.advanceSettling(60_000);
  expect(startedAt).toEqual([0, 500]);
  expect(await tried).toMatchObject({ attempts: 2, call: { error: refused }, history: [{ code: 'ERR_CONNECT' }] });
});

test('no try begins at or after the deadline, and nobody waits for it', async () => {
  const { clock, startedAt, tried } = setUp([refused, refused, refused], { deadline: 1_500 });
  await clock.advanceSettling(500);
  // The next would begin at 1,500.
  expect(await tried).toMatchObject({ attempts: 2, call: { error: refused } });
  expect(startedAt).toEqual([0, 500]);
  expect(clock.pending).toBe(0);
});

test('an abort while it waits ends it at once with what the last try said', async () => {
  const controller = new AbortController();
  const { clock, startedAt, tried } = setUp([refused, undefined], { signal: controller.signal });
  await settled();
  expect(clock.pending).toBe(1);
  controller.abort();
  expect(await tried).toMatchObject({ attempts: 1, call: { error: refused }, history: [] });
  expect([startedAt.length, clock.pending]).toEqual([1, 0]);
});

test('an abort before the wait lets no timer be set', async () => {
  const { clock, tried } = setUp([refused], { signal: AbortSignal.abort() });
  expect(await tried).toMatchObject({ attempts: 1, call: { error: refused } });
  expect(clock.pending).toBe(0);
});

test('that an earlier try may have run is not forgotten when the last has not started', async () => {
  const { clock, tried } = setUp([lost, refused], { idempotent: true, attempts: 2 });
  await clock.advanceSettling(500);
  const { call, history } = await tried;
  expect(call.error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'unknown', retryable: false });
  expect(history.map(({ outcome }) => outcome)).toEqual(['unknown']);
});

test('a try that cannot be handed over is tried again like any other, the first one too', async () => {
  const { clock, startedAt, tried } = setUp([UNAVAILABLE, UNAVAILABLE, undefined]);
  await clock.advanceSettling(1_500);
  expect(startedAt).toEqual([0, 500, 1_500]);
  // What never left is no attempt.
  expect(await tried).toMatchObject({ attempts: 1, call: { response: 'answer' }, history: [] });
});

test('where no try could be handed over, what kept the last one from it is thrown', async () => {
  const { clock, startedAt, tried } = setUp([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], { attempts: 2 });
  const thrown = expect(tried).rejects.toBe(UNAVAILABLE);
  await clock.advanceSettling(60_000);
  await thrown;
  expect(startedAt).toEqual([0, 500]);
});

test('where a later try could not be handed over, what the last one said is what is known', async () => {
  const { clock, startedAt, tried } = setUp([lost, UNAVAILABLE, UNAVAILABLE], { idempotent: true, attempts: 3 });
  await clock.advanceSettling(60_000);
  expect(await tried).toMatchObject({ attempts: 1, call: { error: lost }, history: [] });
  expect(startedAt).toHaveLength(3);
});

test('the next try comes no sooner than the error says, and a random time later', async () => {
  const open = new KeylaneError('ERR_BREAKER_OPEN', 'not tried', { retryAfterMs: 20_000 });
  const { clock, startedAt, tried } = setUp([open, open, undefined]);
  await clock.advanceSettling(60_000);
  expect(startedAt).toEqual([0, 20_500, 41_500]);
  expect(await tried).toMatchObject({ attempts: 3, call: { response: 'answer' } });
});

test('who would wait beyond the deadline does not wait at all', async () => {
  const open = new KeylaneError('ERR_BREAKER_OPEN', 'not tried', { retryAfterMs: 20_000 });
  const { clock, startedAt, tried } = setUp([open, undefined], { deadline: 20_400 });
  expect(await tried).toMatchObject({ attempts: 1, call: { error: open } });
  expect([startedAt.length, clock.pending]).toEqual([1, 0]);
});

test('for a long wait there must be room, and the place is given back', async () => {
  const open = new KeylaneError('ERR_BREAKER_OPEN', 'not tried', { retryAfterMs: 20_000 });
  let places = 1;
  const waitingRoom = { enter: () => places > 0 && places-- > 0, leave: () => places++ };
  const first = setUp([open, refused, undefined], { waitingRoom });
  const second = setUp([open, undefined], { waitingRoom });
  expect(await second.tried).toMatchObject({ attempts: 1, call: { error: open } });
  expect(places).toBe(0);
  await first.clock.advanceSettling(60_000);
  expect(await first.tried).toMatchObject({ attempts: 3, call: { response: 'answer' } });
  expect(places).toBe(1);
});

test('nobody is tried again when the budget is spent', async () => {
  const clock = new FakeClock();
  const budget = new RetryBudget(clock);
  for (let retries = 0; retries < 50; retries++) expect(budget.take('a')).toBe(true);
  const { startedAt, tried } = setUp([refused, undefined], { budget });
  expect(await tried).toMatchObject({ attempts: 1, call: { error: refused } });
  expect(startedAt).toEqual([0]);
});

test('what never left the main thread has had no effect, unless an earlier try may have had one', () => {
  const earlier = (outcome: 'unknown' | 'not_started') => [{ outcome, code: 'ERR_TIMEOUT', message: '' }];
  expect(mayHaveRun(undefined, 0, [])).toBe(true);
  expect(mayHaveRun('unknown', 0, [])).toBe(true);
  expect(mayHaveRun('canceled', 0, [])).toBe(true);
  expect(mayHaveRun('not_started', 0, [])).toBe(false);
  expect(mayHaveRun('canceled', -1, [])).toBe(false);
  expect(mayHaveRun('canceled', -1, earlier('not_started'))).toBe(false);
  expect(mayHaveRun('canceled', -1, earlier('unknown'))).toBe(true);
});
