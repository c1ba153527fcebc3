import { expect, test } from 'vitest';
import { Slots } from '../../../src/batch/slots.js';
import { FakeClock } from '../../support/fake-clock.js';

test('When all places are given back no timer is left that would keep the process alive', async () => {
  const clock = new FakeClock();
  const slots = new Slots({ concurrency: 2, perKey: 1, most: 100 }, clock);
  const first = slots.take('a')!;
  const waits = slots.wait('a', 60_000);
  expect(clock.pending).toBe(1);
  slots.leave(first, undefined);
  expect(clock.pending).toBe(1);
  slots.grant();
  slots.leave(await waits, undefined);
  expect(clock.pending).toBe(0);
});

test('A deadline holds for who waits while nothing is in flight', async () => {
  const clock = new FakeClock();
  const slots = new Slots({ concurrency: 1, perKey: 1, most: 100 }, clock);
  const first = slots.take('a')!;
  const late = slots.wait('a', 1_000);
  slots.leave(first, undefined);
  clock.advance(1_100);
  await expect(late).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
});
