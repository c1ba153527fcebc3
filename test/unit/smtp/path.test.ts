import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pathOf } from '../../../workers/drivers/smtp/path.js';
import { SEED } from '../../support/seed.js';

test.each([
  ['ana@example.com', { text: 'ana@example.com', utf8: false }],
  ['"a b"@example.com', { text: '"a b"@example.com', utf8: false }],
  ['a@[192.0.2.1]', { text: 'a@[192.0.2.1]', utf8: false }],
  ['a@[IPv6:2001:db8::1]', { text: 'a@[IPv6:2001:db8::1]', utf8: false }],
  ['ana@bücher.example', { text: 'ana@xn--bcher-kva.example', utf8: false }],
  ['jürgen@bücher.example', { text: 'jürgen@xn--bcher-kva.example', utf8: true }],
])('%s is said as %j', (address, path) => {
  expect(pathOf(address, 'to')).toEqual(path);
});

test.each([
  'a@b.test>\r\nRCPT TO:<c@d.test',
  'a@b.test\r\nDATA',
  'a@b.test> SIZE=1',
  'a@b\r',
  'a\n@b',
  'a b@c.test',
  '<a@b.test>',
  '"a\r\nb"@c.test',
  '"<"@c.test',
  '"\\>"@c.test',
  'a@b c',
  'a@',
  '@',
  ' ',
  'a\0@b.test',
  'a@b\u0085',
  'a\u2028@b.test',
  'ana@b.test, bob@b.test',
  `${'a'.repeat(1_000)}@b.test`,
])('%j is refused, and named', (address) => {
  expect(() => pathOf(address, 'smtp.to')).toThrow(/^smtp\.to: "/);
});

test('whatever is taken is within its angle brackets and on its line', () => {
  const signs = fc.constantFrom(
    'a',
    '@',
    '.',
    '<',
    '>',
    '"',
    '\\',
    '\r',
    '\n',
    ' ',
    '\t',
    '\0',
    'ü',
    'Ċ',
    '\u2028',
    '\u0085',
  );
  const property = fc.property(
    fc.array(signs).map((some) => some.join('')),
    (address) => {
      let text: string;
      try {
        ({ text } = pathOf(address, 'to'));
      } catch {
        return;
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for, byte by byte.
      expect(Buffer.from(text).toString('latin1')).not.toMatch(/[\x00-\x1f<>]/);
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 1_000 });
});
