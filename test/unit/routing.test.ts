import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash, laneOf, PARTITIONS, partitionOf, shardOf } from '../../src/routing.ts';
import { SEED } from '../support/seed.ts';

/** Made once, from the first version of the code: they may only ever be added to. `shards[n]` is the shard of n + 1. */
interface Vector {
  key: string;
  hash: number;
  partition: number;
  shards: number[];
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('routing.vectors.json', import.meta.url), 'utf8'));
const KEYS = Array.from({ length: 10_000 }, (_, i) => `host-${i}.example:22`);

describe('where a key lives', () => {
  test('the hash, the partition and the shard of 100 keys are what they have always been', () => {
    expect(vectors).toHaveLength(100);
    const now = vectors.map(({ key, shards }) => ({
      key,
      hash: hash(key),
      partition: partitionOf(key),
      shards: shards.map((_, i) => shardOf(key, i + 1)),
    }));
    expect(now).toEqual(vectors);
  });

  test('every key has a hash of 32 bits, one of the shards and one of the partitions', () => {
    const property = fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 256 }), (key, shards) => {
      expect(hash(key)).toBe(hash(key) >>> 0);
      const places: [number, number][] = [
        [shardOf(key, shards), shards],
        [partitionOf(key), PARTITIONS],
      ];
      for (const [place, count] of places) {
        expect(Number.isInteger(place)).toBe(true);
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThan(count);
      }
    });
    fc.assert(property, { seed: SEED });
  });

  test('one shard more moves about its own part of the keys, and all of them to the new shard', () => {
    for (let shards = 1; shards <= 16; shards++) {
      const moved = KEYS.filter((key) => shardOf(key, shards) !== shardOf(key, shards + 1));
      expect(moved.length / KEYS.length, `${shards} → ${shards + 1}`).toBeLessThanOrEqual(1.3 / (shards + 1));
      expect(new Set(moved.map((key) => shardOf(key, shards + 1)))).toEqual(new Set([shards]));
    }
  });

  test('the step from 4 to 5 shards moves at most 26 % of the keys', () => {
    const moved = KEYS.filter((key) => shardOf(key, 4) !== shardOf(key, 5));
    expect(moved.length).toBeLessThanOrEqual(0.26 * KEYS.length);
  });

  test('short names that differ in a digit spread over the shards as evenly as any', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `web-${i}`);
    for (const shards of [2, 3, 4, 8]) {
      const sizes = count(names, shards, (key) => shardOf(key, shards));
      expect(Math.max(...sizes), `${shards} shards`).toBeLessThan((1.25 * names.length) / shards);
      expect(Math.min(...sizes), `${shards} shards`).toBeGreaterThan((0.75 * names.length) / shards);
    }
  });

  test('a partition says nothing about the shard: each has keys in every shard, in about equal shares', () => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const keys = KEYS.filter((key) => partitionOf(key) === partition);
      // 10,000 keys: 156 a partition are to be expected, 39 a cell. Five standard deviations to either side.
      expect(keys.length).toBeGreaterThan(94);
      expect(keys.length).toBeLessThan(219);
      const even = keys.length / 4;
      for (const size of count(keys, 4, (key) => shardOf(key, 4))) {
        expect(size).toBeGreaterThan(0);
        expect(Math.abs(size - even)).toBeLessThan(5 * Math.sqrt(even));
      }
    }
  });
});

describe('the lane of a target', () => {
  test('does not depend on the order of the members, at any depth', () => {
    const one = { user: 'a', jump: { host: 'b', port: 22 }, list: [{ x: 1, y: 2 }] };
    const other = { list: [{ y: 2, x: 1 }], jump: { port: 22, host: 'b' }, user: 'a' };
    expect(laneOf('k', one)).toBe(laneOf('k', other));
  });

  test('leaves out members that are undefined, and only those', () => {
    expect(laneOf('k', { user: 'a', identity: undefined })).toBe(laneOf('k', { user: 'a' }));
    for (const absent of [null, '', 0, false, []]) {
      expect(laneOf('k', { user: 'a', identity: absent })).not.toBe(laneOf('k', { user: 'a' }));
    }
  });

  test('keeps the order of a list, which may matter to the peer', () => {
    expect(laneOf('k', { ciphers: ['a', 'b'] })).not.toBe(laneOf('k', { ciphers: ['b', 'a'] }));
  });

  test('differs for any two targets that differ', () => {
    // Zero has two signs, which JSON and a peer do not tell apart.
    const target = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
    const property = fc.property(target, target, (a, b) => {
      expect(laneOf('k', a) === laneOf('k', b)).toBe(isDeepStrictEqual(a, b));
    });
    fc.assert(property, { seed: SEED, numRuns: 1_000 });
  });

  test('holds the whole target, so that it can be read back', () => {
    const property = fc.property(fc.jsonValue(), (target) => {
      const plain = JSON.parse(JSON.stringify(target));
      expect(JSON.parse(laneOf('k', target).slice(2))).toEqual(plain);
    });
    fc.assert(property, { seed: SEED });
  });

  test('cannot be forged by a name that looks like the end of another lane', () => {
    const crafted: [string, unknown][] = [
      ['h', { user: 'a', port: 1 }],
      ['h', { user: 'a","port":1' }],
      ['h', { user: 'a"', port: 1 }],
      ['h', { 'user":"a","port': 1 }],
      ['h', { user: 'a\\', port: 1 }],
      ['h', { user: 'a\\"', port: 1 }],
      ['h', { user: '{"a":1}' }],
      ['h', { user: { a: 1 } }],
      ['h', { user: '[1,2]' }],
      ['h', { user: [1, 2] }],
      ['h', { user: ['1,2'] }],
      ['h', { user: '1' }],
      ['h', { user: 1 }],
      ['h', { user: 'null' }],
      ['h', { user: null }],
      ['h', 'x {}'],
      ['h "x', {}],
      ['h {}', {}],
      ['h', '{} {}'],
      ['h ', {}],
      ['h', {}],
      ['h', []],
      ['h', [[]]],
      ['h', [[], []]],
    ];
    expect(new Set(crafted.map(([key, target]) => laneOf(key, target))).size).toBe(crafted.length);
  });

  test('is never that of another key, whatever the two keys and targets are', () => {
    // Few letters, so that a prefix of one is often the other.
    const text = fc.string({ unit: fc.constantFrom(' ', '{', '}', '"', '\\', '[', ']', ':', ',', '1'), maxLength: 6 });
    const target = fc.oneof(text, fc.array(text, { maxLength: 2 }), fc.dictionary(text, text, { maxKeys: 2 }));
    const property = fc.property(text, target, text, target, (key, a, other, b) => {
      fc.pre(key !== other);
      expect(laneOf(key, a)).not.toBe(laneOf(other, b));
    });
    fc.assert(property, { seed: SEED, numRuns: 2_000 });
  });
});

function count(keys: readonly string[], places: number, placeOf: (key: string) => number): number[] {
  const sizes = new Array<number>(places).fill(0);
  for (const key of keys) sizes[placeOf(key)] = (sizes[placeOf(key)] ?? 0) + 1;
  return sizes;
}
