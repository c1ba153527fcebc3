import { expect, test } from 'vitest';
import { Credit, WINDOW_BYTES } from '../../src/wire/credit.ts';
import { settled } from '../support/fake-clock.ts';

/** Whether a promise has settled by the end of this turn. */
async function isOpen(gate: Promise<void>): Promise<boolean> {
  let open = false;
  void gate.then(() => {
    open = true;
  });
  await settled();
  return open;
}

test('the sender goes on while a byte of the window is left', () => {
  const credit = new Credit();
  expect(credit.take(WINDOW_BYTES - 1)).toBeUndefined();
});

test('the sender waits when the window is used up, until the reader has taken some', async () => {
  const credit = new Credit();
  const room = credit.take(WINDOW_BYTES);
  expect(room).toBeInstanceOf(Promise);
  expect(await isOpen(room!)).toBe(false);
  credit.give(1);
  expect(await isOpen(room!)).toBe(true);
  expect(credit.take(0)).toBeUndefined();
});

test('what was sent beyond the window is paid back first', async () => {
  const credit = new Credit();
  const room = credit.take(WINDOW_BYTES + 100);
  credit.give(100);
  expect(await isOpen(room!)).toBe(false);
  credit.give(1);
  expect(await isOpen(room!)).toBe(true);
});

test('the window is never more than what was given back', () => {
  const credit = new Credit();
  for (let round = 0; round < 5; round++) {
    expect(credit.take(WINDOW_BYTES - 1)).toBeUndefined();
    credit.give(WINDOW_BYTES - 1);
  }
  expect(credit.take(WINDOW_BYTES)).toBeInstanceOf(Promise);
});

test('everybody who waits goes on when there is room', async () => {
  const credit = new Credit();
  const rooms = [credit.take(WINDOW_BYTES), credit.take(10), credit.take(10)];
  credit.give(20);
  expect(await Promise.all(rooms.map((room) => isOpen(room!)))).toEqual([false, false, false]);
  credit.give(1);
  expect(await Promise.all(rooms.map((room) => isOpen(room!)))).toEqual([true, true, true]);
});

test('the end of the stream lets the sender go on without room', async () => {
  const credit = new Credit();
  const room = credit.take(2 * WINDOW_BYTES);
  credit.release();
  expect(await isOpen(room!)).toBe(true);
});
