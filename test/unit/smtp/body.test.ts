import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Body } from '../../../workers/drivers/smtp/body.js';
import { SEED } from '../../support/seed.js';

const END = '\r\n.\r\n';

/** What a server makes of it: the message, with its dots as they were. (RFC 5321, 4.5.2) */
function received(wire: string): string {
  const end = `\r\n${wire}`.indexOf(END);
  return `\r\n${wire}`.slice(2, Math.max(2, end)).replace(/^\./gm, '');
}

function sent(pieces: readonly string[]): string {
  const body = new Body();
  const out = pieces.map((piece, i) => Buffer.from(body.take(Buffer.from(piece, 'latin1'), i === pieces.length - 1)));
  return Buffer.concat(out).toString('latin1');
}

test.each([
  ['hello', 'hello\r\n.\r\n'],
  ['hello\r\n', 'hello\r\n.\r\n'],
  ['hello\n', 'hello\r\n.\r\n'],
  ['hello\r', 'hello\r\n.\r\n'],
  ['', '.\r\n'],
  ['.', '..\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['a\r\n.\r\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r.\rb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\n.\r\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r\n.\rb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r\r\n.\r\r\nb', 'a\r\n\r\n..\r\n\r\nb\r\n.\r\n'],
  ['a\n\r.\n\rb', 'a\r\n\r\n..\r\n\r\nb\r\n.\r\n'],
])('%j goes out as %j', (message, wire) => {
  expect(sent([message])).toBe(wire);
  // Whatever pieces it comes in.
  for (let at = 0; at <= message.length; at++) expect(sent([message.slice(0, at), message.slice(at)])).toBe(wire);
});

test('the wire holds the end of a message once, and no CR and no LF alone, and the message is what it was', () => {
  const sign = fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.\r\n', 'a', '\0', ' ', '\xff');
  const property = fc.property(
    fc.array(
      fc.array(sign).map((signs) => signs.join('')),
      { minLength: 1 },
    ),
    (pieces) => {
      const wire = sent(pieces);
      const before = `\r\n${wire}`;
      expect(before.indexOf(END)).toBe(before.length - END.length);
      expect(wire).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      const lines = pieces.join('').replace(/\r\n|\r|\n/g, '\r\n');
      expect(received(wire)).toBe(lines.replace(/\r\n$/, ''));
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 500 });
});

test('what is right already is not copied', () => {
  const right = Buffer.from('hello\r\n..\r\n');
  const body = new Body();
  expect(body.take(Buffer.from('a\r\n'), false).length).toBe(3);
  const plain = Buffer.from('hello\r\n');
  expect(body.take(plain, false)).toBe(plain);
  expect(body.take(right, false)).not.toBe(right);
});
