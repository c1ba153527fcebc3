import { expect, test } from 'vitest';
import { z } from 'zod';
import { check } from '../../src/util/check.js';

const schema = z.strictObject({
  shards: z.int().min(1).max(64).optional(),
  limits: z.strictObject({ perLane: z.int().min(1) }).optional(),
  token: z.string().max(3).optional(),
  drivers: z.array(z.string()).optional(),
});
const message = (value: unknown, what = 'options') => {
  try {
    check(schema, value, what, 'ERR_CONFIG');
  } catch (error) {
    expect(error).toMatchObject({ name: 'KeylaneError', code: 'ERR_CONFIG' });
    return (error as Error).message;
  }
  throw new Error('not refused');
};

test('a good value comes back', () => {
  expect(check(schema, { shards: 2 }, 'options', 'ERR_CONFIG')).toEqual({ shards: 2 });
});

test.each<[unknown, string]>([
  [{ shards: 0 }, 'options.shards: expected at least 1; got 0'],
  [{ shards: 65 }, 'options.shards: expected at most 64; got 65'],
  [{ shards: 1.5 }, 'options.shards: expected a whole number; got 1.5'],
  [{ shards: 'two' }, 'options.shards: expected a number; got "two"'],
  [{ limits: { perLane: 0 } }, 'options.limits.perLane: expected at least 1; got 0'],
  [{ limits: {} }, 'options.limits.perLane: expected a number; it is missing'],
  [{ limits: { perlane: 1, perLane: 1 } }, 'options.limits.perlane: unknown field; did you mean `perLane`?'],
  [{ shard: 1 }, 'options.shard: unknown field; did you mean `shards`?'],
  [{ colour: 1 }, 'options.colour: unknown field; known are shards, limits, token, drivers'],
  [{ token: 'secret' }, 'options.token: expected at most 3 characters; got a string of 6 characters'],
  [{ drivers: ['a', 2] }, 'options.drivers[1]: expected a string; got 2'],
  [[], 'options: expected an object; got an array of 0'],
  [undefined, 'options: expected an object; it is missing'],
])('%j is told as it is', (value, says) => {
  expect(message(value)).toBe(says);
});

test('without a name of the whole, a path begins with the field', () => {
  expect(message({ shards: 0 }, '')).toBe('shards: expected at least 1; got 0');
});
