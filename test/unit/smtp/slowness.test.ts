import { expect, test } from 'vitest';
import type { SmtpResponse } from '../../../src/smtp-types.js';
import { Slowness } from '../../../workers/drivers/smtp/slowness.js';
import { FakeClock } from '../../support/fake-clock.js';

const no = (
  code: number,
  enhanced: string | undefined,
  step: NonNullable<SmtpResponse['step']> = 'DATA',
): SmtpResponse => ({
  code,
  ...(enhanced !== undefined && { enhanced }),
  message: 'no',
  step,
  accepted: [],
  rejected: [],
});
const YES: SmtpResponse = { code: 250, message: 'yes', accepted: ['a'], rejected: [] };

test('a server that says "not now" is let alone, twice as long each time in a row, until it takes a message', () => {
  const clock = new FakeClock();
  const slowness = new Slowness(clock);
  const told: (number | undefined)[] = [];
  for (let i = 0; i < 9; i++) {
    const ms = slowness.after('a', no(450, '4.3.2'));
    told.push(ms);
    clock.advance(ms as number);
  }
  expect(told).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  expect(slowness.after('b', no(421, undefined))).toBe(5_000);
  expect(slowness.after('a', YES)).toBeUndefined();
  expect(slowness.after('a', no(451, undefined))).toBe(5_000);
});

test('those that were in flight together count once', () => {
  const clock = new FakeClock();
  const slowness = new Slowness(clock);
  expect(slowness.after('a', no(450, '4.3.2'))).toBe(5_000);
  clock.advance(1_000);
  expect(slowness.after('a', no(450, '4.3.2'))).toBe(4_000);
  clock.advance(4_000);
  expect(slowness.after('a', no(450, '4.3.2'))).toBe(10_000);
});

test.each([
  ['a refusal for good', no(550, '5.7.1')],
  ['a full mailbox', no(452, '4.2.2', 'RCPT')],
  ['greylisting of a recipient', no(450, undefined, 'RCPT')],
  ['a mailbox that is moved, after the message', no(450, '4.2.1')],
  ['a message that was taken', YES],
])('%s asks for no rest', (_, response) => {
  expect(new Slowness(new FakeClock()).after('a', response)).toBeUndefined();
});

test.each([
  ['too many connections', no(432, '4.3.2', 'MAIL')],
  ['too much at a time', no(450, '4.4.2', 'RCPT')],
  ['a policy', no(451, '4.7.0')],
  ['a server that closes', no(421, undefined, 'RCPT')],
])('%s asks for it', (_, response) => {
  expect(new Slowness(new FakeClock()).after('a', response)).toBe(5_000);
});

test('what is kept of keys is bounded', () => {
  const slowness = new Slowness(new FakeClock());
  for (let i = 0; i < 10_001; i++) slowness.after(`key-${i}`, no(450, '4.3.2'));
  // The oldest begins anew, a later one does not.
  expect(slowness.after('key-0', no(450, '4.3.2'))).toBe(5_000);
  expect(slowness.after('key-10000', no(450, '4.3.2'))).toBe(5_000);
});
