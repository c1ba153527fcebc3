import { expect, test } from 'vitest';
import { Bell } from '../../src/util/bell.ts';

test('one ring wakes all who wait', async () => {
  const bell = new Bell();
  const woken: string[] = [];
  const waits = ['first', 'second'].map((name) => bell.wait().then(() => woken.push(name)));
  bell.ring();
  await Promise.all(waits);
  expect(woken).toEqual(['first', 'second']);
});

test('a ring is heard by nobody who comes later', async () => {
  const bell = new Bell();
  bell.ring();
  let woken = false;
  const wait = bell.wait().then(() => {
    woken = true;
  });
  await Promise.resolve();
  expect(woken).toBe(false);
  bell.ring();
  await wait;
  expect(woken).toBe(true);
});
