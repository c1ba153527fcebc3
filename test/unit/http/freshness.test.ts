import { expect, test } from 'vitest';
import { etagOf, freshFor } from '../../../workers/drivers/http/freshness.js';

const answer = (headers: Record<string, string | string[]>) => ({
  status: 200,
  headers,
  body: '',
  truncated: false,
  url: 'http://a/',
});
const NOW = 'Tue, 15 Nov 1994 12:00:00 GMT';
const LATER = 'Tue, 15 Nov 1994 12:05:00 GMT';

test.each<[headers: Record<string, string | string[]>, ms: number | undefined]>([
  [{}, undefined],
  [{ etag: '"a"' }, undefined],
  [{ 'cache-control': 'public' }, undefined],
  [{ 'cache-control': 'max-age=60' }, 60_000],
  [{ 'cache-control': 'Max-Age = "60"' }, 60_000],
  [{ 'cache-control': 'private, max-age=60, must-revalidate' }, 60_000],
  [{ 'cache-control': 's-maxage=5, max-age=60' }, 60_000],
  [{ 'cache-control': 's-maxage=5' }, undefined],
  [{ 'cache-control': ['max-age=60', 'no-store'] }, 0],
  [{ 'cache-control': 'max-age=60, no-store', etag: '"a"' }, 0],
  [{ 'cache-control': 'private="no-store, x", max-age=60' }, 60_000],
  [{ 'cache-control': 'max-age=60', age: '20' }, 40_000],
  [{ 'cache-control': 'max-age=60', age: '90' }, 0],
  [{ 'cache-control': 'max-age=60', age: '90', etag: '"a"' }, 1],
  [{ 'cache-control': 'max-age=0' }, 0],
  [{ 'cache-control': 'max-age=0', etag: '"a"' }, 1],
  [{ 'cache-control': 'max-age=soon' }, 0],
  [{ 'cache-control': 'max-age=99999999999999999999' }, 31_536_000_000],
  [{ 'cache-control': 'no-cache' }, 0],
  [{ 'cache-control': 'no-cache, max-age=60', etag: 'W/"a"' }, 1],
  [{ expires: LATER, date: NOW }, 300_000],
  [{ expires: LATER, date: NOW, age: '100' }, 200_000],
  [{ expires: NOW, date: LATER }, 0],
  [{ expires: '0' }, 0],
  [{ expires: LATER, date: NOW, 'cache-control': 'max-age=1' }, 1_000],
  [{ vary: '*', 'cache-control': 'max-age=60' }, 0],
  [{ vary: ['accept', 'a, *'], 'cache-control': 'max-age=60' }, 0],
  [{ vary: 'accept', 'cache-control': 'max-age=60' }, 60_000],
])('%j holds for %s ms', (headers, ms) => {
  expect(freshFor(answer(headers))).toBe(ms);
});

test('an etag is what the peer calls it, once', () => {
  expect(etagOf(answer({ etag: 'W/"a"' }))).toBe('W/"a"');
  expect(etagOf(answer({ etag: '' }))).toBeUndefined();
  expect(etagOf(answer({ etag: ['"a"', '"b"'] }))).toBeUndefined();
});

test('a 304 that comes through is of a version that somebody else has: it is no answer to remember', () => {
  expect(freshFor({ ...answer({ etag: '"a"', 'cache-control': 'max-age=60' }), status: 304 })).toBe(0);
});
