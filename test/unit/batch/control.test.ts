import { describe, expect, test } from 'vitest';
import { Failures } from '../../../src/batch/failures.ts';
import { Gate } from '../../../src/batch/gate.ts';
import { Rate } from '../../../src/batch/rate.ts';
import { Window } from '../../../src/batch/window.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the rate', () => {
  test('over any time as many are let through as it says, and a tenth of a second on top', () => {
    for (const perSecond of [0.5, 7, 50, 1_000]) {
      const clock = new FakeClock();
      const rate = new Rate(perSecond, clock);
      let passed = 0;
      for (let at = 0; at < 60_000; at += 1) {
        clock.advance(1);
        while (rate.take()) passed++;
      }
      expect(passed).toBeLessThanOrEqual(60 * perSecond + Math.max(1, perSecond / 10));
      expect(passed).toBeGreaterThanOrEqual(60 * perSecond - 1);
    }
  });

  test('who waits as long as it says finds a token, and nobody sooner', () => {
    const clock = new FakeClock();
    const rate = new Rate(3, clock);
    for (let i = 0; i < 50; i++) {
      while (rate.take());
      const { waitMs } = rate;
      clock.advance(waitMs - 1);
      expect(rate.take()).toBe(false);
      clock.advance(1);
      expect(rate.take()).toBe(true);
    }
  });

  test('nothing is saved up over a pause', () => {
    const clock = new FakeClock();
    const rate = new Rate(100, clock);
    clock.advance(3_600_000);
    let passed = 0;
    while (rate.take()) passed++;
    expect(passed).toBe(10);
  });
});

describe('the window', () => {
  const at = (time: string) => new Date(`2026-11-21T${time}`);

  test('it is open from its first minute to before its last, past midnight too', () => {
    const day = new Window('09:30-17:00');
    const night = new Window('22:00-06:00');
    const open = (window: Window) => (time: string) => window.isOpen(at(time));
    expect(['09:29:59', '09:30:00', '16:59:59', '17:00:00'].map(open(day))).toEqual([false, true, true, false]);
    expect(['21:59:59', '22:00:00', '00:00:00', '05:59:59', '06:00:00'].map(open(night))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  test('it says when it opens and when it closes', () => {
    const night = new Window('22:00-06:00');
    expect(night.msToChange(at('21:59:59.500'))).toBe(500);
    expect(night.msToChange(at('06:00:00'))).toBe(16 * 3_600_000);
    expect(night.msToChange(at('23:00:00'))).toBe(7 * 3_600_000);
    expect(night.msToChange(at('05:00:00'))).toBe(3_600_000);
  });
});

describe('the gate', () => {
  const setUp = (options: ConstructorParameters<typeof Gate>[0], time = '12:00:00') => {
    const clock = new FakeClock();
    const began = new Date(`2026-11-21T${time}`).getTime();
    let changes = 0;
    const gate = new Gate(
      options,
      clock,
      () => {
        changes++;
      },
      () => new Date(began + clock.now()),
    );
    return { clock, gate, changes: () => changes };
  };

  test('who is not let through by the rate hears when it may be tried again', () => {
    const { clock, gate, changes } = setUp({ rate: 2 });
    expect([gate.pass(), gate.pass(), gate.pass()]).toEqual([true, false, false]);
    clock.advance(499);
    expect(changes()).toBe(0);
    clock.advance(1);
    expect([changes(), gate.pass(), clock.pending]).toEqual([1, true, 0]);
  });

  test('a token that is put back is there again', () => {
    const { gate } = setUp({ rate: 1 });
    expect(gate.pass()).toBe(true);
    gate.putBack();
    expect([gate.pass(), gate.pass()]).toEqual([true, false]);
    gate.stop();
  });

  test('outside of its window nothing passes, and it opens by itself', () => {
    const { clock, gate, changes } = setUp({ window: '12:02-12:04' });
    expect(gate.pass()).toBe(false);
    for (let minute = 0; minute < 2; minute++) {
      expect(gate.pass()).toBe(false);
      clock.advance(60_000);
    }
    expect([changes(), gate.pass()]).toEqual([2, true]);
    clock.advance(120_000);
    expect(gate.pass()).toBe(false);
    gate.stop();
    expect(clock.pending).toBe(0);
  });

  test('while it is paused nothing passes', () => {
    const { gate, changes } = setUp({});
    gate.pause();
    expect([gate.pass(), gate.isShut, gate.isPaused]).toEqual([false, true, true]);
    gate.resume();
    expect([changes(), gate.pass(), gate.isPaused]).toEqual([1, true, false]);
  });
});

describe('enough failures', () => {
  const counts = (bad: Partial<Record<'failed' | 'not_started' | 'unknown' | 'canceled', number>>, ok = 0) => ({
    ...{ ok, failed: 0, not_started: 0, unknown: 0, canceled: 0 },
    ...bad,
  });

  test('a number counts what is failed, not started and unknown, and nothing else', () => {
    const why = (bad: Parameters<typeof counts>[0]) => new Failures({ maxFailures: 3 }, 100, counts(bad, 9)).why();
    expect(why({ failed: 1, not_started: 1, canceled: 50 })).toBeUndefined();
    expect(why({ failed: 1, not_started: 1, unknown: 1 })).toBe('3 of 12 failed, and `maxFailures` is 3');
    expect(why({ unknown: 4 })).toBeDefined();
  });

  test('a share is of all, and of a few at least one', () => {
    const stops = (share: `${number}%`, total: number, failed: number) =>
      new Failures({ maxFailures: share }, total, counts({ failed }, 5)).why() !== undefined;
    expect([stops('7%', 100, 6), stops('7%', 100, 7)]).toEqual([false, true]);
    expect([stops('1%', 10, 0), stops('1%', 10, 1)]).toEqual([false, true]);
    expect([stops('2.5%', 1_000, 24), stops('2.5%', 1_000, 25)]).toEqual([false, true]);
  });

  test('where nobody knows how many there are, a share is of those that have ended, from 20 on', () => {
    const stops = (failed: number, ok: number) =>
      new Failures({ maxFailures: '10%' }, undefined, counts({ failed }, ok)).why() !== undefined;
    expect([stops(19, 0), stops(2, 18), stops(2, 19)]).toEqual([false, true, false]);
  });

  test('of the canary each must be ok, of the others not', () => {
    const failures = new Failures({ canary: 2 }, 10, counts({ failed: 1 }));
    expect(failures.whyOf(1, 'unknown')).toBe('the canary is not ok: request 1 is unknown');
    expect(failures.whyOf(1, 'ok')).toBeUndefined();
    expect(failures.whyOf(2, 'failed')).toBeUndefined();
  });
});
