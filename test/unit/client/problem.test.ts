import { expect, test } from 'vitest';
import { errorOf, errorOfAnswer, problemOf } from '../../../src/client/problem.ts';
import { ERRORS, type ErrorCode } from '../../../src/errors.ts';

test('every code that this client knows comes back as it was', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { outcome } = ERRORS[code];
    const told = { code, outcome, retryable: true, key: 'web-17', stopped: 'killed' };
    const error = errorOfAnswer(502, undefined, { ...told, detail: 'says' }, '');
    expect(error).toMatchObject({ ...told, message: 'says' });
  }
});

test('a code of a newer service is told by its outcome, in its words', () => {
  const error = errorOf({ code: 'ERR_NEW', outcome: 'canceled', retryable: false, message: 'it is so' });
  expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'canceled', message: 'ERR_NEW: it is so' });
  expect(errorOf({ code: 'toString', message: 'no' })).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
});

test('an outcome that is none, or says that the peer answered, is not believed', () => {
  for (const outcome of ['ok', 'failed', 'fine', 7, null])
    expect(errorOf({ code: 'ERR_CONNECTION_LOST', outcome }).outcome).toBe('unknown');
});

test('what has no code of ours is told by its status', () => {
  const codes = [400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504, 302].map((status) => {
    const { code, outcome } = errorOfAnswer(status, undefined, undefined, '<html>');
    return [status, code, outcome];
  });
  expect(codes).toEqual([
    [400, 'ERR_INPUT', 'not_started'],
    [401, 'ERR_UNAUTHENTICATED', 'not_started'],
    [403, 'ERR_FORBIDDEN', 'not_started'],
    [404, 'ERR_NOT_FOUND', 'not_started'],
    [409, 'ERR_EXISTS', 'not_started'],
    [413, 'ERR_INPUT', 'not_started'],
    [429, 'ERR_QUOTA', 'not_started'],
    [500, 'ERR_PROTOCOL', 'unknown'],
    [502, 'ERR_PROTOCOL', 'unknown'],
    [503, 'ERR_SATURATED', 'not_started'],
    [504, 'ERR_PROTOCOL', 'unknown'],
    [302, 'ERR_PROTOCOL', 'unknown'],
  ]);
});

test('how long to wait is taken from the problem, else from the header', () => {
  const body = { code: 'ERR_SATURATED', outcome: 'not_started', retryable: true };
  expect(errorOfAnswer(503, '2', body, '').retryAfterMs).toBe(2_000);
  expect(errorOfAnswer(503, '2', { ...body, retryAfterMs: 150 }, '').retryAfterMs).toBe(150);
  expect(errorOfAnswer(503, 'Wed, 21 Oct 2026 07:28:00 GMT', body, '').retryAfterMs).toBeUndefined();
  expect(errorOfAnswer(503, '2', undefined, 'busy')).toMatchObject({ code: 'ERR_SATURATED', retryAfterMs: 2_000 });
});

test('a long text of somebody on the way is shown in part, as text', () => {
  const { message } = errorOfAnswer(502, undefined, undefined, `\u001b[31m${'x'.repeat(5_000)}`);
  expect(message.length).toBeLessThan(500);
  expect(message).toContain('\\u001b[31m');
});

test('what else a problem said is kept beside its error', () => {
  const body = { code: 'ERR_CONNECT', outcome: 'not_started', attempts: 3 };
  expect(problemOf(errorOfAnswer(502, undefined, body, ''))).toMatchObject({ attempts: 3 });
});
