import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { RequestMeter } from '../../src/meter.ts';
import type { Outcome, Result } from '../../src/types.ts';
import { SEED } from '../support/seed.ts';

const PARSED = { key: 'a', lane: 'a', target: null, request: null };

function callOf(times: Partial<Pick<Call, 'queuedUs' | 'openUs' | 'runUs' | 'shard' | 'error' | 'note'>>): Call {
  const how = { mode: 'once' as const, priority: 0, deadline: Number.POSITIVE_INFINITY, now: 0 };
  return Object.assign(new Call('echo', PARSED, how, { settled() {} }), { shard: 0 }, times);
}

function resultOf(result: Partial<Result>): Result {
  return {
    ...{ index: 0, id: '0', request: null, key: 'a', outcome: 'ok', attempts: 1, shard: 0, reused: false },
    ...{ cache: 'none', timing: { queuedMs: 0, openMs: 0, runMs: 1 }, history: [] },
    ...result,
  };
}

test('a request counts once by its outcome, its further tries apart, its error by code', () => {
  const meter = new RequestMeter();
  meter.call(callOf({ runUs: 5 }), 'ok', 1);
  meter.call(callOf({ runUs: 5 }), 'failed', 3);
  meter.call(callOf({ error: new KeylaneError('ERR_CONNECT') }), 'not_started', 2);
  meter.untried(new KeylaneError('ERR_SATURATED'));
  meter.result(resultOf({ outcome: 'unknown', error: new KeylaneError('ERR_CONNECTION_LOST'), attempts: 2 }));
  expect(meter.snapshot()).toMatchObject({
    outcomes: { ok: 1, failed: 1, not_started: 2, unknown: 1, canceled: 0 },
    retries: 4,
    errors: { ERR_CONNECT: 1, ERR_SATURATED: 1, ERR_CONNECTION_LOST: 1 },
  });
});

test('codes are bounded: what a driver of one’s own makes up without end is `other`', () => {
  const meter = new RequestMeter();
  for (let i = 0; i < 500; i++)
    meter.untried(new KeylaneError(`ERR_${i}` as 'ERR_INPUT', 'mine', { outcome: 'not_started' }));
  meter.untried(new KeylaneError('ERR_0' as 'ERR_INPUT', 'mine', { outcome: 'not_started' }));
  const { errors, outcomes } = meter.snapshot();
  expect(Object.keys(errors).length).toBeLessThanOrEqual(65);
  expect(errors).toMatchObject({ ERR_0: 2, other: 436 });
  expect(outcomes.not_started).toBe(501);
});

test('a time stands under the first bound that it does not pass, or under none', () => {
  const meter = new RequestMeter();
  for (const runUs of [1, 500, 501, 999_999, 60_000_000, 60_000_001]) meter.call(callOf({ runUs }), 'ok', 1);
  const { boundsMs, counts, count, sumMs } = meter.snapshot().run;
  expect(counts).toHaveLength(boundsMs.length + 1);
  const under = (ms: number) => counts[boundsMs.indexOf(ms)];
  expect([under(0.5), under(1), under(1_000), under(60_000), counts.at(-1)]).toEqual([2, 1, 1, 1, 1]);
  expect({ count, sumMs }).toEqual({ count: 6, sumMs: 121_001.002 });
});

test('what no time was spent on is in no histogram', () => {
  const meter = new RequestMeter();
  const counts = () => {
    const { queued, open, run } = meter.snapshot();
    return [queued.count, open.count, run.count];
  };
  meter.untried(new KeylaneError('ERR_SATURATED'));
  meter.untried(undefined);
  meter.call(callOf({ note: { status: 'hit', ageMs: 5 } }), 'ok', 1);
  meter.result(resultOf({ cache: 'stale', cached: { level: 'shard', ageMs: 5 }, attempts: 0 }));
  expect(counts()).toEqual([0, 0, 0]);
  expect(meter.snapshot()).toMatchObject({ remembered: 3, outcomes: { ok: 3, not_started: 1 } });
  // On a warm connection nothing was opened; what could not be opened did not run.
  meter.call(callOf({}), 'ok', 1);
  meter.call(callOf({ openUs: 9, error: new KeylaneError('ERR_CONNECT') }), 'not_started', 1);
  expect(counts()).toEqual([2, 1, 1]);
  // It waited in vain, and never saw a shard.
  const late = callOf({ shard: -1, error: new KeylaneError('ERR_TIMEOUT') });
  late.leftQueueAt = 7;
  meter.call(late, 'not_started', 1);
  expect(counts()).toEqual([3, 1, 1]);
});

test('a call and its result are counted alike', () => {
  const us = fc.integer({ min: 0, max: 70_000_000 });
  const outcomes = fc.constantFrom<Outcome>('ok', 'failed', 'not_started', 'unknown', 'canceled');
  fc.assert(
    fc.property(us, us, us, outcomes, fc.integer({ min: 1, max: 5 }), (queuedUs, openUs, runUs, outcome, attempts) => {
      const [one, other] = [new RequestMeter(), new RequestMeter()];
      one.call(callOf({ queuedUs, openUs, runUs }), outcome, attempts);
      const timing = { queuedMs: queuedUs / 1_000, openMs: openUs / 1_000, runMs: runUs / 1_000 };
      other.result(resultOf({ outcome, attempts, timing }));
      expect(one.snapshot().run.counts).toEqual(other.snapshot().run.counts);
      expect(one.snapshot()).toMatchObject({ outcomes: other.snapshot().outcomes, retries: attempts - 1 });
      expect(one.snapshot().queued.sumMs).toBeCloseTo(other.snapshot().queued.sumMs, 6);
    }),
    { seed: SEED },
  );
});
