import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Replies, type Reply, replyOf, told, wordsOf } from '../../../workers/drivers/smtp/reply.js';
import { SEED } from '../../support/seed.js';

function read(...chunks: string[]): { replies: Reply[]; broken: string[] } {
  const replies: Reply[] = [];
  const broken: string[] = [];
  const reader = new Replies(
    (reply) => replies.push(reply),
    (why) => broken.push(why),
  );
  for (const chunk of chunks) reader.push(Buffer.from(chunk, 'latin1'));
  return { replies, broken };
}

test('replies are the same whatever pieces they come in', () => {
  const text = '250-one\r\n250 two\r\n354 go on\n550 5.1.1 no\r\n250\r\n';
  const whole = read(text);
  expect(whole.replies.map(({ code, lines }) => [code, ...lines])).toEqual([
    [250, 'one', 'two'],
    [354, 'go on'],
    [550, '5.1.1 no'],
    [250, ''],
  ]);
  const property = fc.property(fc.array(fc.nat(text.length)), (cuts) => {
    const at = [0, ...cuts.sort((a, b) => a - b), text.length];
    expect(read(...at.map((from, i) => text.slice(from, at[i + 1] ?? text.length)))).toEqual(whole);
  });
  fc.assert(property, { seed: SEED });
});

test.each([
  ['220-a\r\n221 b\r\n', /begins with 220 and goes on with 221/],
  ['hello\r\n', /which is no reply of SMTP/],
  ['25\r\n', /which is no reply of SMTP/],
  ['2500 a\r\n', /which is no reply of SMTP/],
  ['120 a\r\n', /which is no reply of SMTP/],
  ['650 a\r\n', /which is no reply of SMTP/],
  ['\r\n', /which is no reply of SMTP/],
  [`250 ${'a'.repeat(5_000)}`, /a line of a reply is longer than 4096 bytes/],
  [`250 ${'a'.repeat(5_000)}\r\n`, /a line of a reply is longer than 4096 bytes/],
  ['250-\r\n'.repeat(10_000), /a reply is longer than 65536 bytes/],
])('%j is no reply, and what comes after it is not read', (text, why) => {
  const { replies, broken } = read(text, '250 ok\r\n');
  expect(replies).toEqual([]);
  expect(broken).toEqual([expect.stringMatching(why)]);
});

test('anything at all is taken apart, or refused once', () => {
  const signs = fc.constantFrom('2', '5', '0', '-', ' ', '\r', '\n', '\r\n', '250 ', '250-', 'x');
  const property = fc.property(fc.array(fc.array(signs).map((some) => some.join(''))), (chunks) => {
    expect(read(...chunks).broken.length).toBeLessThan(2);
  });
  fc.assert(property, { seed: SEED });
});

test.each([
  ['250 2.1.5 ok', { code: 250, enhanced: '2.1.5', message: 'ok' }],
  ['550-5.7.1 not\r\n550 5.7.1 you', { code: 550, enhanced: '5.7.1', message: 'not you' }],
  ['550 5.7.26 no', { code: 550, enhanced: '5.7.26', message: 'no' }],
  ['250 5.7.1 odd', { code: 250, message: '5.7.1 odd' }],
  ['250 2.0.0', { code: 250, enhanced: '2.0.0', message: '' }],
  ['250 2.0 two', { code: 250, message: '2.0 two' }],
  ['250 gr\xc3\xbcn', { code: 250, message: 'grün' }],
  ['250 \x1b[2J\x07', { code: 250, message: '?[2J?' }],
])('the words of %j', (text, words) => {
  expect(wordsOf(read(`${text}\r\n`).replies[0] as Reply)).toEqual(words);
});

test('what is told of a reply is on one line, and bounded', () => {
  expect(told(replyOf('550-5.1.1 a\r\n550 5.1.1 b') as Reply)).toBe('550 5.1.1 a b');
  expect(told({ code: 550, lines: ['x'.repeat(4_000)] })).toHaveLength(305);
  expect(wordsOf({ code: 550, lines: ['x'.repeat(4_000), 'y'] }).message).toHaveLength(1_001);
});
