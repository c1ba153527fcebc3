import { describe, expect, it } from 'vitest';
import { bytes, duration, reference, whole } from '../../../src/cli/values.ts';

describe('the values of flags', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['10', 10_000],
    ['1.5s', 1_500],
    ['0', 0],
    ['24h', 86_400_000],
  ])('read the duration %s as %i ms', (text, ms) => {
    expect(duration('--timeout')(text)).toBe(ms);
  });

  it.each(['', 'abc', '-1', '5d', '30 s', '25h', '1e3', 's', 'Infinity'])('refuse the duration %j', (text) => {
    expect(() => duration('--timeout')(text)).toThrow(`--timeout ${JSON.stringify(text)}: write a duration`);
  });

  it('refuse a duration below the least', () => {
    expect(() => duration('--connect-timeout', 1)('0')).toThrow('from 1ms');
  });

  it('read and bound sizes', () => {
    expect(['0', '65536', '64k', '16M'].map(bytes('--max-output', 2 ** 30))).toEqual([0, 65_536, 65_536, 16_777_216]);
    for (const text of ['', '-1', '1.5k', '2g', 'x'])
      expect(() => bytes('--max-output', 2 ** 30)(text)).toThrow('write bytes');
  });

  it('read and bound whole numbers', () => {
    expect(whole('-c', 1, 100)('7')).toBe(7);
    for (const text of ['0', '101', '1.0', '0x5', '', '99999999999']) {
      expect(() => whole('-c', 1, 100)(text)).toThrow('write a whole number from 1 to 100');
    }
  });

  it('refuse a secret in the place of its reference, without repeating it', () => {
    expect(reference('--password')('env:PW')).toBe('env:PW');
    expect(() => reference('--password')('hunter2')).toThrow(/^(?!.*hunter2).*env:NAME or file:PATH/);
  });
});
