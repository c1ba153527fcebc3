import { expect, test } from 'vitest';
import type { EchoRequest } from '../../src/echo-types.ts';
import { echoSpec } from '../../src/specs/echo.ts';

test('a request is taken apart into key, lane, target and order', () => {
  const payload = { any: ['thing'] };
  expect(echoSpec.parse({ key: 'k', payload, openMs: 3, delayMs: 5 })).toEqual({
    ...{ key: 'k', lane: 'k 3', target: { openMs: 3, fault: undefined } },
    request: { payload, delayMs: 5, fault: undefined },
  });
});

test('the lane covers all that the target holds, and nothing of the request', () => {
  const lane = (input: EchoRequest) => echoSpec.parse(input).lane;
  const same: EchoRequest[] = [{ key: 'k' }, { key: 'k', payload: 1, delayMs: 9 }, { key: 'k', fault: 'failed' }];
  expect(new Set(same.map(lane)).size).toBe(1);
  const different: EchoRequest[] = [
    { key: 'k' },
    { key: 'l' },
    { key: 'k', openMs: 1 },
    { key: 'k', fault: 'ERR_AUTH' },
  ];
  expect(new Set(different.map(lane)).size).toBe(4);
});

test('a fault of opening belongs to the target, one of running to the request', () => {
  const opening = echoSpec.parse({ key: 'k', fault: 'ERR_CONNECT' });
  expect([opening.target, opening.request.fault]).toEqual([{ openMs: 0, fault: 'ERR_CONNECT' }, undefined]);
  const running = echoSpec.parse({ key: 'k', fault: 'hang' });
  expect([running.target, running.request.fault]).toEqual([{ openMs: 0, fault: undefined }, 'hang']);
});

test.each([
  [null, '`key`'],
  ['web-1', '`key`'],
  [{}, '`key`'],
  [{ key: '' }, '`key`'],
  [{ key: 'k'.repeat(1_025) }, '`key`'],
  [{ key: 'k', delay: 5 }, '`delay`'],
  [{ key: 'k', openMs: -1 }, '`openMs`'],
  [{ key: 'k', openMs: '5' }, '`openMs`'],
  [{ key: 'k', delayMs: Number.NaN }, '`delayMs`'],
  [{ key: 'k', delayMs: Number.POSITIVE_INFINITY }, '`delayMs`'],
  [{ key: 'k', fault: 'ERR_NONSENSE' }, '`fault`'],
])('%j is refused by the name of what is wrong: %s', (input, named) => {
  const refused = expect.objectContaining({ code: 'ERR_INPUT', message: expect.stringContaining(named) });
  expect(() => echoSpec.parse(input as EchoRequest)).toThrow(refused);
});

test('only a peer that said no makes it `failed`', () => {
  expect([echoSpec.ok({ payload: false }), echoSpec.ok({ payload: 1, refused: true })]).toEqual([true, false]);
});
