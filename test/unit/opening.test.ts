import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { deferred } from '../../src/util/deferred.js';
import { Opening } from '../../src/util/opening.js';
import { FakeClock } from '../support/fake-clock.js';

const AWAITED = {
  preparation: 'no files',
  'look-up': 'no look-up',
  connect: 'no answer',
  greeting: ['no greeting', ' (is it asleep?)'],
} as const;
const never = new Promise<never>(() => undefined);

function begin(mostMs?: number) {
  const clock = new FakeClock();
  const controller = new AbortController();
  const opening = new Opening('web', AWAITED, { deadline: 1_025, signal: controller.signal }, clock, mostMs);
  return { clock, controller, opening };
}

test.each([
  ['preparation', { code: 'ERR_CONNECT', local: true, message: 'web: no files within 1000 ms' }],
  ['look-up', { code: 'ERR_DNS', local: true, message: 'web: no look-up within 1000 ms' }],
  ['connect', { code: 'ERR_CONNECT', local: undefined, message: 'web: no answer within 1000 ms' }],
  ['greeting', { code: 'ERR_CONNECT', local: undefined, message: 'web: no greeting within 1000 ms (is it asleep?)' }],
] as const)('an open that is late says what it waited for: %s', async (phase, says) => {
  const { clock, opening } = begin();
  opening.phase = phase;
  const step = opening.step(never).catch((error: KeylaneError) => error);
  clock.advance(999);
  expect(await Promise.race([step, Promise.resolve('waits')])).toBe('waits');
  clock.advance(1);
  const { code, local, message, key } = (await step) as KeylaneError;
  expect({ code, local, message }).toEqual(says);
  expect(key).toBe('web');
  await expect(opening.step(never)).rejects.toThrow(message);
});

test('an open ends before the pool’s own deadline, and sooner where it may take less', () => {
  expect(begin().opening.left).toBe(1_000);
  expect(begin(300).opening.left).toBe(300);
});

test('an open that is called off says why, before it began too', async () => {
  const { controller, opening } = begin();
  const reason = new KeylaneError('ERR_CLOSED');
  controller.abort(reason);
  await expect(opening.step(never)).rejects.toBe(reason);
  const { clock } = begin();
  const gone = new Opening('web', AWAITED, { deadline: 1_025, signal: AbortSignal.abort() }, clock);
  await expect(gone.step(never)).rejects.toMatchObject({ code: 'ERR_CANCELED' });
});

test('time stands still while a person is asked', async () => {
  const { clock, opening } = begin();
  clock.advance(400);
  const { promise, resolve } = deferred<string>();
  const asked = opening.pause(promise);
  clock.advance(100_000);
  resolve('yes');
  expect(await asked).toBe('yes');
  expect(opening.left).toBe(600);
  const late = expect(opening.step(never)).rejects.toThrow('within 1000 ms');
  clock.advance(600);
  await late;
});

test('an open that is over leaves no timer, even if a person is still asked', async () => {
  const { clock, opening } = begin();
  const { promise, resolve } = deferred<string>();
  const asked = opening.pause(promise);
  opening.end();
  resolve('yes');
  await asked;
  expect(clock.pending).toBe(0);
});
