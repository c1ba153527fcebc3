import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/cache/digest.ts';
import { SEED } from '../../support/seed.ts';

function digest(request: unknown, { operation = 'list', driver = 'echo', key = 'a', lane = 'a 0' } = {}): string {
  return digestOf(operation, driver, { key, lane, target: null, request });
}

describe('C12: an answer is remembered by a digest of what was asked', () => {
  test('which is the same in every process and version', () => {
    expect(digest({ b: [1, 'x', null], a: Buffer.from('ab') })).toBe(
      '9d1f4bfceed7febd1ecdc620578d99411d154e3b82270dec7aaa925c3dede055',
    );
  });

  test('the order of fields makes no difference, that of items does', () => {
    expect(digest({ a: 1, b: { c: 2, d: 3 } })).toBe(digest({ b: { d: 3, c: 2 }, a: 1 }));
    expect(digest([1, 2])).not.toBe(digest([2, 1]));
  });

  test('a Buffer counts by its bytes', () => {
    const pool = Buffer.from('xxabxx');
    expect(digest(pool.subarray(2, 4))).toBe(digest(Buffer.from('ab')));
    expect(digest(new Uint8Array([97, 98]))).toBe(digest(Buffer.from('ab')));
    expect(digest(new Uint16Array([97]))).not.toBe(digest(new Uint8Array([97, 0])));
  });

  test('operation, driver, key and lane are in it, and none runs into the next', () => {
    const different = [
      digest('x'),
      digest('x', { operation: 'status' }),
      digest('x', { driver: 'ssh' }),
      digest('x', { key: 'b' }),
      digest('x', { lane: 'b' }),
      digest('x', { key: 'a1', lane: ' 0' }),
      digest('x', { key: 'aa', lane: ' 0' }),
    ];
    expect(new Set(different).size).toBe(different.length);
  });

  test.each([
    ['1', 1],
    [null, undefined],
    [{}, []],
    [{ a: undefined }, {}],
    ['\ud800', '\ud801'],
    [
      ['ab', 'c'],
      ['a', 'bc'],
    ],
    [{ a: 'b' }, ['a', 'b']],
    [Buffer.from('a'), 'a'],
    [new Date(5), 5],
    [new Map([[1, 2]]), new Set([1, 2])],
    [1n, 1],
    [true, 'true'],
  ])('%o and %o are different requests', (one, other) => {
    expect(digest(one)).not.toBe(digest(other));
  });

  test('no two different requests of a thousand random ones meet, and each meets itself', () => {
    const seen = new Map<string, string>();
    const property = fc.property(fc.jsonValue(), (value) => {
      const text = fc.stringify(sorted(value));
      const found = digest(value);
      expect(digest(structuredClone(value))).toBe(found);
      expect(seen.get(found) ?? text).toBe(text);
      seen.set(found, text);
    });
    fc.assert(property, { seed: SEED, numRuns: 1_000 });
  });

  test.each([
    ['a function', { payload: () => {} }],
    ['an object of class URL', { payload: new URL('http://a') }],
    ['a cycle', cycle()],
  ])('%s in it is refused by name', (what, request) => {
    expect(() => digest(request)).toThrow(`the request holds ${what}`);
  });
});

function sorted(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => ({ name, inner: sorted(inner) }));
}

function cycle(): unknown {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}
