import { expect, test } from 'vitest';
import { Restarts } from '../../../workers/drivers/stdio/restarts.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

const { signal } = new AbortController();

test('the first start and the first one after an end are at once, the next ones after longer and longer pauses', async () => {
  const clock = new FakeClock(1_000);
  const restarts = new Restarts(clock);
  await restarts.turn('a', 100, signal);
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    restarts.ended('a', () => 'exit code 1');
    const begun = clock.now();
    const turn = restarts.turn('a', 100, signal);
    await settled();
    if (clock.pending > 0) clock.advance((clock.nextAt as number) - clock.now());
    await turn;
    pauses.push(clock.now() - begun);
  }
  expect(pauses).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test('an answer ends the row of ends', async () => {
  const clock = new FakeClock(1_000);
  const restarts = new Restarts(clock);
  for (let i = 0; i < 3; i++) {
    restarts.ended('a', () => 'x');
    restarts.served('a');
    await restarts.turn('a', 100, signal);
  }
  expect(clock.now()).toBe(1_000);
});

test('in any minute it is started anew so often and no more, and who is refused hears why and until when', async () => {
  const clock = new FakeClock(1_000);
  const restarts = new Restarts(clock);
  for (let i = 0; i < 5; i++) {
    restarts.ended('a', () => 'exit code 1');
    restarts.served('a');
    await restarts.turn('a', 5, signal);
    clock.advance(1_000);
  }
  restarts.ended('a', () => 'exit code 7; stderr: no database');
  const refused = await restarts.turn('a', 5, signal).catch((error) => error);
  expect(refused).toMatchObject({ code: 'ERR_SPAWN', outcome: 'not_started', key: 'a', retryAfterMs: 55_000 });
  expect(refused.message).toBe(
    'a: started anew 5 times in a minute; the next time in 55 s. The last time: exit code 7; stderr: no database',
  );
  // Another server is another matter, and so is one more lane of this one where none is missing.
  await restarts.turn('b', 5, signal);
  clock.advance(54_999);
  await expect(restarts.turn('a', 5, signal)).rejects.toMatchObject({ retryAfterMs: 1 });
  clock.advance(1);
  await restarts.turn('a', 5, signal);
});

test('a process more, where none has ended, is no restart', async () => {
  const restarts = new Restarts(new FakeClock());
  for (let i = 0; i < 100; i++) await restarts.turn('a', 1, signal);
});

test('whoever is called off while it waits leaves at once', async () => {
  const clock = new FakeClock(0);
  const restarts = new Restarts(clock);
  restarts.ended('a', () => 'x');
  restarts.ended('a', () => 'x');
  const controller = new AbortController();
  const turn = restarts.turn('a', 5, controller.signal);
  controller.abort(new Error('called off'));
  await expect(turn).rejects.toThrow('called off');
  expect(clock.pending).toBe(0);
});
