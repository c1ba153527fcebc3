import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineOf, shortLineOf } from '../../../src/batch/line.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Result } from '../../../src/types.ts';
import { SEED } from '../../support/seed.ts';

const RESULT: Result = {
  ...{ index: 7, id: 'seven', request: { host: 'web-17' }, key: 'web-17:22', outcome: 'ok' },
  response: { code: 0, signal: null, stdout: 'a\n', stderr: '', truncated: false },
  ...{ attempts: 1, shard: 0, reused: true, cache: 'none', history: [] },
  timing: { queuedMs: 0.12345, openMs: 12, runMs: 3 },
};

const read = (result: Result) => JSON.parse(lineOf(result)) as Record<string, unknown>;

describe('the line of a result', () => {
  test('has the members of DESIGN in their order, times rounded to microseconds', () => {
    expect(lineOf({ ...RESULT, driver: 'ssh', cache: 'stale', cached: { level: 'disk', ageMs: 5 } })).toBe(
      '{"index":7,"id":"seven","driver":"ssh","host":"web-17","key":"web-17:22","outcome":"ok",' +
        '"response":{"code":0,"signal":null,"stdout":"a\\n","stderr":"","truncated":false},"attempts":1,"shard":0,' +
        '"reused":true,"cache":"stale","cached":{"level":"disk","ageMs":5},' +
        '"timing":{"queuedMs":0.123,"openMs":12,"runMs":3},"history":[]}',
    );
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(lineOf({ ...RESULT, traceparent })).toMatch(
      /"history":\[\],"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"\}$/,
    );
    const { response: _, ...unanswered } = RESULT;
    const error = new KeylaneError('ERR_TIMEOUT', 'said "no"\n', { stopped: 'killed' });
    const history = [{ outcome: 'not_started' as const, code: 'ERR_CONNECT', message: 'refused' }];
    expect(read({ ...unanswered, outcome: 'unknown', error, history, request: 5 })).toEqual({
      ...{ index: 7, id: 'seven', key: 'web-17:22', outcome: 'unknown', attempts: 1, shard: 0, reused: true },
      ...{ cache: 'none', timing: { queuedMs: 0.123, openMs: 12, runMs: 3 }, history },
      error: { code: 'ERR_TIMEOUT', message: 'said "no"\n', stopped: 'killed' },
    });
  });

  test('is one line of JSON that says the same, whatever is in it', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 80 });
    fc.assert(
      fc.property(texts, texts, texts, fc.jsonValue(), (id, key, host, payload) => {
        const line = lineOf({ ...RESULT, id, key, request: { host }, response: { payload } });
        expect(line).not.toContain('\n');
        const expected = JSON.parse(JSON.stringify({ id, key, host, response: { payload } })) as object;
        expect(JSON.parse(Buffer.from(line).toString())).toMatchObject(expected);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test('has bytes as text where they are UTF-8 and as base64 else, at any depth, and numbers that JSON lacks as text', () => {
    const utf8 = Buffer.from('grün');
    const other = new Uint8Array([0xff, 0]);
    const response = {
      stdout: utf8,
      stderr: other,
      deep: [{ more: other, same: 'x' }],
      big: 2n ** 60n,
      map: new Map([['a', other]]),
    };
    expect(read({ ...RESULT, response }).response).toEqual({
      ...{ stdout: 'grün', stderr: { base64: '/wA=' }, big: '1152921504606846976', map: { a: { base64: '/wA=' } } },
      deep: [{ more: { base64: '/wA=' }, same: 'x' }],
    });
    // What was answered is left as it is.
    expect(response.deep[0]!.more).toBe(other);
    expect(read({ ...RESULT, response: utf8 }).response).toBe('grün');
    expect(read({ ...RESULT, response: undefined }).response).toBe(null);
  });

  test('is there for a response that is no JSON at all', () => {
    const round: { self?: unknown } = {};
    round.self = round;
    const throwing = {
      toJSON() {
        throw new Error('no');
      },
    };
    for (const response of [round, throwing])
      expect(read({ ...RESULT, response })).toMatchObject({ response: null, dropped: true });
  });

  test('is short of what was said at length where it must be, and says so', () => {
    const response = { code: 3, stdout: 'x'.repeat(300), stderr: 'short', nested: { a: 1 }, bytes: Buffer.alloc(9) };
    expect(JSON.parse(shortLineOf({ ...RESULT, response }, 99_999))).toMatchObject({
      response: { code: 3, stderr: 'short' },
      dropped: 99_999,
    });
    const history = Array.from({ length: 5_000 }, () => ({
      outcome: 'failed' as const,
      code: 'E',
      message: 'm'.repeat(90),
    }));
    const error = new KeylaneError('ERR_PROTOCOL', 'm'.repeat(1e6));
    expect(shortLineOf({ ...RESULT, error, history }, 1e6).length).toBeLessThan(20_000);
  });
});
