import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { backoffMs, mayTryAgain, type TryPolicy, tryUntilSettled } from '../../src/tries.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall } from '../support/fake-thread.ts';

/** Tries that end with these errors, one after another; undefined for an answer. */
function setUp(endings: (KeylaneError | undefined)[], policy: Partial<TryPolicy> = {}) {
  const clock = new FakeClock();
  const startedAt: number[] = [];
  const start = async () => {
    const error = endings[startedAt.length];
    startedAt.push(clock.now());
    const call = new CountedCall('a');
    call.settle(error ? undefined : 'answer', error);
    return call;
  };
  const all = { attempts: 10, idempotent: false, deadline: Number.POSITIVE_INFINITY, signal: undefined, ...policy };
  return { clock, startedAt, tried: tryUntilSettled(start, all, clock, () => 1) };
}

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
