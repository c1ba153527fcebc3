import { expect, test } from 'vitest';
import { printable } from '../../src/util/printable.js';

test('what a server writes cannot move the cursor of who reads it, hide text, or fill the screen', () => {
  expect(printable('bye\x1b[2J\r\nroot# \u202e \u2028 \x9b1m')).toBe('bye?[2J??root# ? ? ?1m');
  expect(printable('Größe, 値')).toBe('Größe, 値');
  expect(printable('x'.repeat(30_000))).toHaveLength(301);
});
