import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import { Cancellations } from '../../src/cancellations.ts';

function callOf(key: string): Call {
  const how = { mode: 'once' as const, priority: 0, deadline: Number.POSITIVE_INFINITY, now: 0 };
  return new Call('echo', { key, lane: key, target: null, request: null }, how, { settled() {} });
}

test('a signal calls off every call that shares it, through one listener', () => {
  const canceled: string[] = [];
  const cancellations = new Cancellations((call) => canceled.push(call.key));
  const controller = new AbortController();
  for (const key of ['a', 'b', 'c']) cancellations.watch(controller.signal, callOf(key));
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  controller.abort();
  expect(canceled).toEqual(['a', 'b', 'c']);
});

test('a settled call is not called off, and the last one takes the listener along', () => {
  const canceled: string[] = [];
  const cancellations = new Cancellations((call) => canceled.push(call.key));
  const controller = new AbortController();
  const [first, second] = [callOf('first'), callOf('second')];
  cancellations.watch(controller.signal, first);
  cancellations.watch(controller.signal, second);
  first.settle('done', undefined);
  second.settle('done', undefined);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  controller.abort();
  expect(canceled).toEqual([]);
});

test('a call may cancel others of its signal while the signal aborts', () => {
  const calls = ['a', 'b'].map(callOf);
  const cancellations = new Cancellations((call) => call.settle(undefined, undefined));
  const controller = new AbortController();
  for (const call of calls) cancellations.watch(controller.signal, call);
  controller.abort();
  expect(calls.map(({ state }) => state)).toEqual(['settled', 'settled']);
});
