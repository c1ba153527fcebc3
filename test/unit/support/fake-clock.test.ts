import { expect, test } from 'vitest';
import { FakeClock } from '../../support/fake-clock.js';

test('timers run in the order of their time, and of their setting where that is equal', () => {
  const clock = new FakeClock(1_000);
  const ran: string[] = [];
  clock.timer(20, () => ran.push(`late at ${clock.now()}`));
  clock.timer(10, () => ran.push(`first at ${clock.now()}`));
  clock.timer(10, () => ran.push(`second at ${clock.now()}`));
  clock.advance(9);
  expect(ran).toEqual([]);
  clock.advance(11);
  expect(ran).toEqual(['first at 1010', 'second at 1010', 'late at 1020']);
  expect(clock.pending).toBe(0);
});

test('a timer that a timer sets runs in the same advance if it is due', () => {
  const clock = new FakeClock();
  const ran: number[] = [];
  const again = () => {
    ran.push(clock.now());
    clock.timer(10, again);
  };
  clock.timer(10, again);
  clock.advance(35);
  expect(ran).toEqual([10, 20, 30]);
  expect([clock.now(), clock.pending, clock.nextAt]).toEqual([35, 1, 40]);
});

test('a canceled timer does not run, and canceling twice is harmless', () => {
  const clock = new FakeClock();
  const timer = clock.timer(5, () => expect.unreachable());
  timer.cancel();
  timer.cancel();
  expect(clock.pending).toBe(0);
  clock.advance(10);
});

test('advanceSettling lets what waits for a timer go on before the next one', async () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.timer(ms, resolve));
  const walk = async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(10);
      seen.push(clock.now());
    }
  };
  const done = walk();
  await clock.advanceSettling(30);
  await done;
  expect(seen).toEqual([10, 20, 30]);
});
