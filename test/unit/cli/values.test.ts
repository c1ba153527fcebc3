import { describe, expect, it } from 'vitest';
import {
  bytes,
  duration,
  limit,
  outFile,
  positive,
  priority,
  reference,
  share,
  whole,
  window,
} from '../../../src/cli/values.ts';

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

  it('refuse - as a file for results, which go to stdout anyway', () => {
    expect(() => outFile('-')).toThrow('--out -: stdout is where it goes without --out');
    expect(outFile('./-')).toBe('./-');
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

  it('read the bounds of a batch, and refuse what is none', () => {
    expect(['1', '20', '5%', '0.5%', '100%'].map(share('--max-failures'))).toEqual([1, 20, '5%', '0.5%', '100%']);
    for (const text of ['0', '0%', '101%', '-1', '5 %', 'x', '1.5'])
      expect(() => share('--max-failures')(text)).toThrow('as 20, or a share of all, as 5%');
    expect(['22:00-06:30', '00:00-23:59'].map(window('--window'))).toEqual(['22:00-06:30', '00:00-23:59']);
    for (const text of ['24:00-01:00', '9:00-10:00', '10:00', '10:00-10:00', '10:00-11:00-12:00', ''])
      expect(() => window('--window')(text)).toThrow('two times of day');
    expect(limit('--limit')('b=2', limit('--limit')('a=x=1'))).toEqual({ 'a=x': 1, b: 2 });
    for (const text of ['web', '=3', 'web=0', 'web=-1', 'web=1.5', 'web=1000001'])
      expect(() => limit('--limit')(text)).toThrow('as web=20');
    expect(['0.5', '10'].map(positive('--rate', 100))).toEqual([0.5, 10]);
    for (const text of ['0', '-1', '101', '1e3', '']) expect(() => positive('--rate', 100)(text)).toThrow('above 0');
    expect(['-10', '0', '10'].map(priority)).toEqual([-10, 0, 10]);
    for (const text of ['-11', '11', '1.5', '']) expect(() => priority(text)).toThrow('from -10 to 10');
  });

  it('refuse a secret in the place of its reference, without repeating it', () => {
    expect(reference('--password')('env:PW')).toBe('env:PW');
    expect(() => reference('--password')('hunter2')).toThrow(/^(?!.*hunter2).*env:NAME or file:PATH/);
  });
});
