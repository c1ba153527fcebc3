import { expect, test } from 'vitest';
import { parseJson } from '../../../src/server/json.ts';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const keys = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":{}`).join()}}`;
const says = (text: string): string => {
  try {
    parseJson(text);
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
  return 'fine';
};

test('JSON may nest 64 deep and have 10,000 keys, in all, and no more', () => {
  expect(says(nested(64))).toBe('fine');
  expect(says(nested(65))).toBe('ERR_INPUT body: nests deeper than 64');
  expect(says(`{"a":${'{"b":'.repeat(63)}1${'}'.repeat(64)}`)).toBe('fine');
  expect(says(`{"a":${'{"b":'.repeat(64)}1${'}'.repeat(65)}`)).toContain('deeper');
  expect(says(nested(500_000))).toContain('deeper');
  expect(says('['.repeat(1_000_000))).toContain('is not JSON');
  expect(says(keys(10_000))).toBe('fine');
  expect(says(keys(10_001))).toBe('ERR_INPUT body: has more than 10,000 keys');
  expect(says(`[${Array.from({ length: 101 }, () => keys(100)).join()}]`)).toContain('more than 10,000 keys');
  expect(says(`[${'1,'.repeat(400_000)}1]`)).toBe('fine');
});

test('keys by which all objects could be changed are refused, however they are spelled', () => {
  for (const text of [
    '{"__proto__":{"isAdmin":true}}',
    '{"a":[{"__proto__":1}]}',
    '{"\\u005f_proto__":{}}',
    '{"__pr\\u006fto__":{}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"\\u0063onstructor":{"prototype":{}}}',
  ])
    expect(says(text), text).toContain('has a key');
  expect(says('{"constructor":"x","prototype":{},"text":"__proto__"}')).toBe('fine');
  expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
});

test('what is no JSON is told by its place, and nothing of it is shown', () => {
  for (const text of ['{"password":"canary-1"', 'canary-1', '{"a":canary-1}', '{"a":"canary-1"}}', '"canary-1\n"'])
    expect(says(text), text).toMatch(/^ERR_INPUT body: is not JSON( \(at character \d+\))?$/);
});
