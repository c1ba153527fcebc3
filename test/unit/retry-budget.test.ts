import { describe, expect, test } from 'vitest';
import type { Call } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { RetryBudget } from '../../src/retry-budget.ts';
import { type Tried, tryUntilSettled } from '../../src/tries.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { CountedCall } from '../support/fake-thread.ts';
import { seeded } from '../support/seed.ts';

function setUp() {
  const clock = new FakeClock(1_000_000);
  const budget = new RetryBudget(clock);
  const requested = (times: number) => {
    for (let i = 0; i < times; i++) budget.requested();
  };
  /** How many retries it gives when it is asked so often, each time for the next of so many keys. */
  const taken = (times: number, keys = 1_000) => {
    let given = 0;
    for (let i = 0; i < times; i++) if (budget.take(`key ${i % keys}`)) given++;
    return given;
  };
  return { clock, budget, requested, taken };
}

describe('the budget of retries', () => {
  test('is a tenth of the requests of the last minute', () => {
    const { clock, requested, taken } = setUp();
    requested(20_000);
    expect(taken(20_000)).toBe(2_000);
    clock.advance(49_000);
    requested(5_000);
    expect(taken(20_000)).toBe(500);
    clock.advance(60_000);
    requested(5_000);
    expect(taken(20_000)).toBe(500);
  });

  test('is a hundred a minute where that is more', () => {
    const { clock, requested, taken } = setUp();
    requested(30);
    expect(taken(1_000)).toBe(100);
    clock.advance(49_000);
    expect(taken(1_000)).toBe(0);
    clock.advance(11_000);
    expect(taken(1_000)).toBe(100);
  });

  test('gives one key half of it at most, and the other half to all others', () => {
    const { requested, taken } = setUp();
    requested(20_000);
    expect(taken(20_000, 1)).toBe(1_000);
    expect(taken(20_000)).toBe(1_000);
  });
});

/** PROMISES P10, on the virtual clock. */
test('of 10,000 jobs for a host that fails each time at most 1.1 × 10,000 attempts are made, for many hosts too', async () => {
  const random = seeded();
  for (const keys of [1, 100]) {
    const clock = new FakeClock();
    const budget = new RetryBudget(clock);
    let attempts = 0;
    const jobs: Promise<Tried>[] = [];
    for (let job = 0; job < 10_000; job++) {
      const key = `host ${job % keys}`;
      const start = async (): Promise<Call> => {
        attempts++;
        const call = new CountedCall(key);
        call.settle(undefined, new KeylaneError('ERR_CONNECT'));
        return call;
      };
      const deadline = clock.now() + 60_000;
      const policy = { key, attempts: 5, idempotent: false, deadline, signal: undefined, budget };
      jobs.push(tryUntilSettled(start, policy, clock, () => random.next()));
      if (job % 100 === 0) await clock.advanceSettling(10);
    }
    await clock.advanceSettling(120_000);
    const sum = (await Promise.all(jobs)).reduce((total, tried) => total + tried.attempts, 0);
    expect(sum).toBe(attempts);
    expect(attempts).toBeLessThanOrEqual(11_000);
    // It is spent, not kept.
    expect(attempts).toBeGreaterThan(10_400);
  }
});
