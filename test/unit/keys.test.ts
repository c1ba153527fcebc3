import { expect, test } from 'vitest';
import { Keys } from '../../workers/keys.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock(1_000_000);
  return { clock, keys: new Keys(clock) };
}

test('a key is the same for all who ask, and gone when its last lane is', () => {
  const { keys } = setUp();
  const key = keys.of('host');
  expect(keys.of('host')).toBe(key);
  key.lanes = 2;
  keys.left(key);
  expect(keys.size).toBe(1);
  keys.left(key);
  expect(keys.size).toBe(0);
});

test('one failure stops nobody, two in a row stop the key for 30 s and no other', () => {
  const { clock, keys } = setUp();
  const [key, other] = [keys.of('host'), keys.of('other')];
  keys.authFailed(key);
  expect(keys.refusal(key)).toBeUndefined();
  keys.authFailed(key);
  expect(keys.refusal(key)).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
  expect(keys.refusal(key)?.message).toContain('2 authentication failures in a row');
  expect(keys.refusal(other)).toBeUndefined();
  clock.advance(29_999);
  expect(keys.refusal(key)?.message).toContain('in 1 s');
  clock.advance(1);
  expect(keys.refusal(key)).toBeUndefined();
});

test('a success between two failures starts the count anew', () => {
  const { keys } = setUp();
  const key = keys.of('host');
  key.lanes = 1;
  keys.authFailed(key);
  keys.authSucceeded(key);
  keys.authFailed(key);
  expect(keys.refusal(key)).toBeUndefined();
});

test('failures are remembered after the last lane has left, and forgotten after 30 s', () => {
  const { clock, keys } = setUp();
  const key = keys.of('host');
  key.lanes = 1;
  keys.authFailed(key);
  keys.authFailed(key);
  keys.left(key);
  expect(keys.refusal(keys.of('host'))?.code).toBe('ERR_AUTH');
  clock.advance(30_020);
  expect([keys.size, clock.pending]).toEqual([0, 0]);
});

test('a failure that is remembered keeps no timer after the stop', () => {
  const { clock, keys } = setUp();
  keys.authFailed(keys.of('host'));
  keys.stop();
  expect(clock.pending).toBe(0);
});
