import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { CountedCall } from '../support/fake-thread.ts';

test('a call is settled once: what comes later changes nothing and is told to nobody', () => {
  const call = new CountedCall('a');
  call.settle('answer', undefined);
  call.settle(undefined, new KeylaneError('ERR_TIMEOUT'));
  expect(call).toMatchObject({ state: 'settled', response: 'answer', error: undefined });
  expect(call.settlements.count).toBe(1);
});

test('its caller sees it settled, with the error', () => {
  const seen: unknown[] = [];
  const call = new CountedCall('a', null, { settled: ({ state, error }) => seen.push(state, error?.code) });
  call.settle(undefined, new KeylaneError('ERR_CONNECT'));
  expect(seen).toEqual(['settled', 'ERR_CONNECT']);
});

test('a call that never waited was held for no time', () => {
  const call = new CountedCall('a');
  expect([call.hasQueued, call.isQueued, call.heldMs]).toEqual([false, false, 0]);
  call.leftQueueAt = 12;
  expect(call.heldMs).toBe(12);
});
