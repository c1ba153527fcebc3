import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lines, visible } from '../../../../src/server/page/text.js';
import { SEED } from '../../../support/seed.js';

/** What may not be left in anything that is shown: controls but tab and line end, and marks that hide or turn text. */
const HARMFUL = /[^\P{Cc}\t\n]|[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

test('colours are dropped, and any other escape is there to be seen', () => {
  expect(visible('\u001b[1;31mred\u001b[0m')).toBe('red');
  expect(visible('\u001b[2J\u001b]0;title\u0007')).toBe('^[[2J^[]0;title^G');
  expect(visible('a\tb\rc\u007f\u009b31m')).toBe('a\tb^Mc^?\\x9b31m');
  expect(visible('user\u202egpj.exe\u200b')).toBe('user\\u202egpj.exe\\u200b');
  expect(visible('<b>größer</b> 日本 😀')).toBe('<b>größer</b> 日本 😀');
});

test('nothing that could hide or turn text is left of any text', () => {
  const any = fc.string({ unit: 'binary', maxLength: 200 });
  const property = fc.property(any, (text) => !HARMFUL.test(visible(text)));
  fc.assert(property, { seed: SEED });
});

test('lines are the same, wherever the pieces were cut', () => {
  const text = fc.array(fc.constantFrom('a', '\r\n', '\n', '\u001b[31m', '\u001b', 'é', '\t'), { maxLength: 40 });
  const property = fc.property(text, fc.array(fc.nat(100)), (parts, cuts) => {
    const whole = parts.join('');
    const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((one, other) => one - other);
    const pieces = [0, ...at].map((from, i) => whole.slice(from, at[i] ?? whole.length));
    const lines = new Lines();
    const read = [...pieces.flatMap((piece) => lines.push(piece)), ...lines.end()];
    const once = new Lines();
    expect(read).toEqual([...once.push(whole), ...once.end()]);
  });
  fc.assert(property, { seed: SEED });
});

test('what of a line has come is known before it ends', () => {
  const lines = new Lines();
  expect(lines.push('one\npass')).toEqual(['one']);
  lines.push('word: \u001b[2J');
  expect(lines.open).toBe('password: ^[[2J');
  expect(lines.push('\n')).toEqual(['password: ^[[2J']);
  expect(lines.open).toBe('');
  expect(lines.end()).toEqual([]);
});

test('a line of a megabyte is cut, says by how much, and is not kept whole', () => {
  const lines = new Lines();
  for (let i = 0; i < 1_000; i++) expect(lines.push('x'.repeat(1_000))).toEqual([]);
  const [line, ...more] = lines.push('\nnext\n');
  expect(line).toMatch(/^x{4000}… \(996,000 more characters\)$/);
  expect(more).toEqual(['next']);
});
