import { expect, test } from 'vitest';
import { lineOf } from '../../../src/batch/line.ts';
import { refusedResult, resultOf } from '../../../src/client/settled.ts';
import { KeylaneError } from '../../../src/errors.ts';
import type { Result } from '../../../src/types.ts';

const request = { host: 'web-17', command: 'uptime' };
const about = { index: 4, id: 'four', driver: 'ssh', request };
const result: Result = {
  index: 4,
  id: 'four',
  request,
  key: 'web-17:22',
  outcome: 'ok',
  response: { code: 0, signal: null, stdout: 'up\n', stderr: '', truncated: false },
  attempts: 2,
  shard: 1,
  reused: true,
  cache: 'stale',
  cached: { level: 'disk', ageMs: 12 },
  timing: { queuedMs: 1.5, openMs: 2, runMs: 3 },
  history: [{ outcome: 'not_started', code: 'ERR_CONNECT', message: 'no' }],
};
const over = (one: Result): unknown => JSON.parse(lineOf(one));

test('a result is the same after it was a line', () => {
  expect(resultOf(over(result), about)).toEqual(result);
});

test('an error is the same but for what a line does not hold', () => {
  const error = new KeylaneError('ERR_TIMEOUT', 'late', { outcome: 'unknown', key: 'web-17:22', stopped: 'killed' });
  const { response: _, ...rest } = result;
  const lost: Result = { ...rest, outcome: 'unknown', error };
  expect(resultOf(over(lost), about)).toEqual(lost);
});

test('bytes are bytes again, UTF-8 or not', () => {
  const asked = { ...about, request: { ...request, encoding: 'buffer' } };
  const stdout = Buffer.from([0xff, 0, 0x80]);
  const stderr = Buffer.from('\ufeffgrün');
  const bytes = { ...result, response: { code: 0, signal: null, stdout, stderr, truncated: false } };
  expect(resultOf(over(bytes), asked)?.response).toEqual(bytes.response);
});

test('a body that was asked for as bytes is bytes again', () => {
  const asked = { ...about, driver: 'http', request: { url: 'https://a.example', encoding: 'buffer' } };
  for (const body of [Buffer.from([0xff, 0, 0x80]), Buffer.from('grün'), Buffer.alloc(0)]) {
    const answered = { ...result, response: { status: 200, headers: {}, body, truncated: false, url: 'x' } };
    expect(resultOf(over(answered), asked)?.response).toEqual(answered.response);
  }
});

test('text stays text, where bytes were not asked for', () => {
  const line = { ...result, response: { code: 0, stdout: { base64: '/w==' }, stderr: 'no' } };
  expect(resultOf(line, about)?.response).toEqual({ code: 0, stdout: '\ufffd', stderr: 'no' });
  const echo = { ...about, driver: 'echo' };
  expect(resultOf({ ...result, response: { payload: { base64: 'mine' } } }, echo)?.response).toEqual({
    payload: { base64: 'mine' },
  });
});

test('what is no settled request is none', () => {
  for (const line of [null, 7, [], {}, { outcome: 'ok' }, { outcome: 'unknown', error: 'no' }, { outcome: 'gone' }])
    expect(resultOf(line, about)).toBeUndefined();
});

test('what never came to the service has a result, too', () => {
  const error = new KeylaneError('ERR_CONNECT', 'refused');
  const nothing = { attempts: 0, shard: -1, reused: false, cache: 'none', history: [] };
  expect(refusedResult(error, about)).toMatchObject({
    ...nothing,
    index: 4,
    id: 'four',
    outcome: 'not_started',
    error,
  });
});
