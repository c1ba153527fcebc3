import { describe, expect, test } from 'vitest';
import { LearnedTimeouts, Patience } from '../../src/adaptive/timeouts.ts';
import { KeylaneError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { seeded, seedsOf } from '../support/seed.ts';

describe('what is learned of a key', () => {
  test('begins with three times the first answer, as in RFC 6298, and closes in on answers that are alike', () => {
    const learned = new LearnedTimeouts();
    expect(learned.of('a')).toBeUndefined();
    learned.answered('a', 100);
    expect(learned.of('a')).toBeCloseTo(300, 6);
    for (let i = 0; i < 50; i++) learned.answered('a', 100);
    expect(learned.of('a')).toBeCloseTo(100, 0);
    expect(learned.of('b')).toBeUndefined();
  });

  test.each(seedsOf('learned-timeouts'))(
    'of answers that differ widely not one in thirty would be cut, seed %i',
    (seed) => {
      const random = seeded(seed);
      const learned = new LearnedTimeouts();
      const answer = () => 10 + 90 * random.next();
      for (let i = 0; i < 100; i++) learned.answered('a', answer());
      let cut = 0;
      for (let i = 0; i < 3_000; i++) {
        const ms = answer();
        if (ms > learned.of('a')!) cut++;
        learned.answered('a', ms);
      }
      expect(cut).toBeLessThan(100);
    },
  );

  test('a key that has become slower for good is waited for longer with each time-out, until it is heard', () => {
    const learned = new LearnedTimeouts();
    for (let i = 0; i < 50; i++) learned.answered('a', 100);
    let tries = 0;
    for (; learned.of('a')! < 5_000; tries++) learned.timedOut('a', learned.of('a')!);
    expect(tries).toBeLessThanOrEqual(20);
    for (let i = 0; i < 100; i++) learned.answered('a', 100);
    expect(learned.of('a')).toBeLessThan(150);
  });

  test('ten thousand keys are remembered, those heard of last', () => {
    const learned = new LearnedTimeouts();
    for (let i = 0; i < 10_000; i++) learned.answered(`h${i}`, 1);
    learned.answered('h0', 1);
    learned.answered('new', 1);
    expect([learned.of('h0'), learned.of('h1'), learned.of('h2')]).toEqual([
      expect.any(Number),
      undefined,
      expect.any(Number),
    ]);
  });
});

describe('patience', () => {
  const call = { key: 'a', shard: 0, reused: true, submittedAt: 0, deadline: 2_000, heldMs: 0, queuedUs: 0, openUs: 0 };

  test('auto stays between the floor and the ceiling, and a key that is not known has the ceiling', () => {
    const clock = new FakeClock(1_000);
    const options = { timeoutMs: 'auto', timeoutFloorMs: 500, timeoutCeilingMs: 4_000 } as const;
    const patience = new Patience(options, new LearnedTimeouts());
    const deadline = patience.deadline(1_000);
    expect(deadline).toBe(5_000);
    expect(patience.ofTry('a', clock, deadline)).toBe(5_000);
    for (const [runUs, until] of [
      [10_000, 1_500],
      [1_000_000, 4_000],
      [9_000_000, 5_000],
    ] as const) {
      const learned = new Patience(options, new LearnedTimeouts());
      learned.heard({ ...call, error: undefined, runUs });
      expect(learned.ofTry('a', clock, deadline)).toBe(until);
    }
  });

  test('a number is what it says, and teaches nothing', () => {
    const timeouts = new LearnedTimeouts();
    const patience = new Patience({ timeoutMs: 300 }, timeouts);
    patience.heard({ ...call, error: undefined, runUs: 1_000 });
    expect([patience.deadline(1_000), patience.ofTry('a', new FakeClock(1_100), 1_300)]).toEqual([1_300, 1_300]);
    expect(timeouts.of('a')).toBeUndefined();
    expect(new Patience({ timeoutMs: 0 }, timeouts).deadline(1_000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('a failure that is no time-out, and one that never got to a shard, say nothing of the key', () => {
    const timeouts = new LearnedTimeouts();
    const patience = new Patience({ timeoutMs: 'auto' }, timeouts);
    patience.heard({ ...call, error: new KeylaneError('ERR_CONNECT'), runUs: 1_000 });
    patience.heard({ ...call, shard: -1, error: new KeylaneError('ERR_TIMEOUT'), runUs: 0 });
    expect(timeouts.of('a')).toBeUndefined();
    patience.heard({ ...call, error: new KeylaneError('ERR_TIMEOUT'), runUs: 0 });
    expect(timeouts.of('a')).toBeGreaterThan(2_000);
  });
});
