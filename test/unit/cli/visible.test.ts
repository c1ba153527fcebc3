import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { visible } from '../../../src/cli/visible.ts';

describe('visible', () => {
  it.each([
    ['plain tab\tand é 漢字', 'plain tab\tand é 漢字'],
    ['\u001b[1;31mred\u001b[0m', 'red'],
    ['\u001b]0;owned\u0007', '^[]0;owned^G'],
    ['\u001b[2J\u001b[H', '^[[2J^[[H'],
    ['progress\r50 %', 'progress^M50 %'],
    ['\u009b2J\u007f', '\\x9b2J^?'],
    ['a\u202egpj.exe', 'a\\u202egpj.exe'],
  ])('shows %j as %j', (line, shown) => {
    expect(visible(line)).toBe(shown);
  });

  it('leaves no control character but the tab, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: fc.constantFrom('\u001b', '[', '3', 'm', ';') }),
        (a, b) => {
          expect(visible(b + a + b)).toMatch(/^[\P{Cc}\t]*$/u);
        },
      ),
    );
  });
});
