import { expect, test } from 'vitest';
import { amount, count, duration, percent, span } from '../../../../src/server/page/figures.js';

test('figures have three digits that mean something, and their unit', () => {
  expect([0, 0.3, 9.99, 12.34, 99.9, 12_400].map(amount)).toEqual(['0', '0.30', '9.99', '12.3', '99.9', '12,400']);
  expect([0, 0.42, 8.2, 42, 998, 3_240, 125_000].map(duration)).toEqual([
    '0 ms',
    '0.42 ms',
    '8.20 ms',
    '42.0 ms',
    '998 ms',
    '3.24 s',
    '2 min 5 s',
  ]);
  expect([4_000, 3_600_000, 367_200_000].map(span)).toEqual(['4 s', '1 h 0 min', '4 d 6 h']);
  expect(count(1_234_567)).toBe('1,234,567');
});

test('a share that is not nothing never reads as nothing', () => {
  expect([0, 0.000_01, 0.000_4, 0.031, 0.5, 1].map(percent)).toEqual([
    '0 %',
    '< 0.01 %',
    '0.04 %',
    '3.1 %',
    '50 %',
    '100 %',
  ]);
});

test('what is not known is a dash, not a 0', () => {
  for (const figure of [amount, count, duration, percent, span]) {
    expect(figure(undefined)).toBe('–');
    expect(figure(Number.NaN)).toBe('–');
  }
});
