import { expect, test } from 'vitest';
import { idOf } from '../../../workers/drivers/stdio/messages.js';

test('an id is a number or a short text: what a server has asked is kept by it until it is answered', () => {
  expect([idOf(1), idOf('1'), idOf('x'.repeat(1_024))]).toEqual(['1', '"1"', expect.any(String)]);
  expect([idOf('x'.repeat(1_025)), idOf(null), idOf({}), idOf(undefined)]).toEqual(Array(4).fill(undefined));
});
