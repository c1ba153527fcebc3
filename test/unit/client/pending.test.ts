import { expect, test } from 'vitest';
import { Pending } from '../../../src/client/pending.ts';
import { Places } from '../../../src/client/places.ts';
import { KeylaneError } from '../../../src/errors.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'taken',
    (error: KeylaneError) => error.code,
  );

test('places are given in turn, and one that was called off is passed over', async () => {
  const places = new Places(1);
  expect(places.takeNow()).toBe(true);
  expect(places.takeNow()).toBe(false);
  const cuts: ((error: KeylaneError) => void)[] = [];
  const waiting = [1, 2, 3].map(() => codeOf(places.take((cut) => void cuts.push(cut))));
  cuts[1]!(new KeylaneError('ERR_CANCELED'));
  places.give();
  places.give();
  expect(await Promise.all(waiting)).toEqual(['taken', 'ERR_CANCELED', 'taken']);
  expect(places.takeNow()).toBe(false);
  places.give();
  expect(places.takeNow()).toBe(true);
});

test('a place that is given to one who is called off then is not lost', async () => {
  const places = new Places(1);
  places.takeNow();
  let cut: ((error: KeylaneError) => void) | undefined;
  const waiting = codeOf(places.take((call) => (cut = call)));
  places.give();
  cut!(new KeylaneError('ERR_CANCELED'));
  expect(await waiting).toBe('taken');
});

test('no more wait than may', async () => {
  const places = new Places(0, 2);
  void places.take(() => {});
  void places.take(() => {});
  expect(await codeOf(places.take(() => {}))).toBe('ERR_SATURATED');
});

test('a call ends by its time, told to what it waits for then, once', async () => {
  const clock = new FakeClock();
  const pending = new Pending(clock, 100, undefined);
  const heard: string[] = [];
  pending.onEnd(() => heard.push('first'));
  pending.onEnd(({ code }) => heard.push(code));
  clock.advance(101);
  await settled();
  pending.end(new KeylaneError('ERR_CLOSED'));
  expect(heard).toEqual(['ERR_TIMEOUT']);
  expect(() => pending.check()).toThrow(/deadline/);
  pending.onEnd(({ code }) => heard.push(`late ${code}`));
  expect(heard).toEqual(['ERR_TIMEOUT', 'late ERR_TIMEOUT']);
});

test('calls that share a signal are all ended by it, and leave nothing at it', () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { signal } = controller;
  const all = Array.from({ length: 30 }, () => new Pending(clock, 0, signal));
  for (const pending of all.slice(0, 10)) pending.settle();
  let ended = 0;
  for (const pending of all) pending.onEnd(({ outcome }) => void (outcome === 'canceled' && ended++));
  controller.abort();
  expect(ended).toBe(20);
  const late = new Pending(clock, 0, signal);
  expect(() => late.check()).toThrow(/canceled/);
});
