import { expect, test } from 'vitest';
import { Quota } from '../../../src/server/access/quota.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const refusal = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    const { code, message, retryAfterMs } = error as { code: string; message: string; retryAfterMs: number };
    return { code, message, retryAfterMs: Math.round(retryAfterMs) };
  }
  return undefined;
};

test('a second of requests may come at once, then each as time goes by; nothing is saved up beyond', () => {
  const clock = new FakeClock();
  const quota = new Quota({ perSecond: 10 }, clock);
  for (let i = 0; i < 10; i++) quota.take('request');
  expect(refusal(() => quota.take('request'))).toEqual({
    code: 'ERR_QUOTA',
    message: 'the token may have 10 requests in a second',
    retryAfterMs: 100,
  });
  clock.advance(99);
  expect(refusal(() => quota.take('request'))?.retryAfterMs).toBe(1);
  clock.advance(1);
  quota.take('request');
  clock.advance(1_000_000);
  for (let i = 0; i < 10; i++) quota.take('request');
  expect(refusal(() => quota.take('request'))?.code).toBe('ERR_QUOTA');
  expect(clock.pending).toBe(0);
});

test('one request in ten seconds is a quota too', () => {
  const clock = new FakeClock();
  const quota = new Quota({ perSecond: 0.1 }, clock);
  quota.take('request');
  expect(refusal(() => quota.take('request'))?.retryAfterMs).toBe(10_000);
  clock.advance(10_000);
  quota.take('request');
});

test('what is in flight is counted until it is given back, once', () => {
  const quota = new Quota({ inFlight: 2, batches: 1 }, new FakeClock());
  const first = quota.take('request');
  quota.take('request');
  expect(refusal(() => quota.take('request'))?.message).toBe('the token may have 2 requests in flight');
  first();
  first();
  quota.take('request');
  expect(refusal(() => quota.take('request'))?.code).toBe('ERR_QUOTA');
  const batch = quota.take('batch');
  expect(refusal(() => quota.take('batch'))?.message).toBe('the token may have 1 batches that are not ended');
  batch();
  quota.take('batch');
});

test('who may have so many requests has one batch with as many of its own, where no more is said', () => {
  for (const bounds of [{ perSecond: 5 }, { inFlight: 5 }]) {
    const quota = new Quota(bounds, new FakeClock());
    const giveBack = quota.take('batch');
    expect(refusal(() => quota.take('batch'))?.message).toBe('the token may have 1 batches that are not ended');
    giveBack();
    quota.take('batch');
    const more = new Quota({ ...bounds, batches: 2 }, new FakeClock());
    more.take('batch');
    more.take('batch');
    expect(refusal(() => more.take('batch'))?.code).toBe('ERR_QUOTA');
  }
  const unbound = new Quota({}, new FakeClock());
  for (let i = 0; i < 100; i++) unbound.take('batch');
});
