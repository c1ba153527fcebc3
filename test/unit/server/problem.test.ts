import { fastify } from 'fastify';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode, KeylaneError } from '../../../src/errors.ts';
import { FieldError } from '../../../src/server/field-error.ts';
import { errorHandler } from '../../../src/server/problem.ts';

const told: Record<string, unknown>[] = [];
const log = pino({ base: null, timestamp: false }, { write: (line: string) => void told.push(JSON.parse(line)) });

/** What a route that throws this answers, and what the log says of it. */
async function thrown(error: unknown) {
  const app = fastify({ logger: false });
  app.setErrorHandler(errorHandler(log));
  app.get('/throws', () => Promise.reject(error));
  const { statusCode, headers, body } = await app.inject('/throws');
  await app.close();
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  return { statusCode, headers, problem: JSON.parse(body) as Record<string, unknown>, logged: told.splice(0) };
}

test('a fault of the service is a 500 with a name that the log has too, and nothing of what it was', async () => {
  const fault = new TypeError('cannot read canary-of-the-fault');
  const { statusCode, problem, logged } = await thrown(fault);
  expect(statusCode).toBe(500);
  expect(problem).toMatchObject({ status: 500, instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/) });
  expect(JSON.stringify(problem)).not.toMatch(/canary|TypeError|\.ts|at /);
  expect(logged).toMatchObject([
    { level: 50, route: 'GET /throws', err: { stack: expect.stringContaining('canary') } },
  ]);
  expect(problem.instance).toBe(`urn:uuid:${logged[0]?.ref}`);
});

test('each code has a status that HTTP knows, a Retry-After where one may come again, and a name in the log where it is a fault', async () => {
  const statuses: Record<string, ErrorCode[]> = {};
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { statusCode, headers, problem, logged } = await thrown(new KeylaneError(code));
    statuses[statusCode] = [...(statuses[statusCode] ?? []), code];
    expect(problem).toMatchObject({ type: `urn:keylane:error:${code}`, title: code, status: statusCode, code });
    expect([code, headers['retry-after']]).toEqual([code, [429, 503].includes(statusCode) ? '1' : undefined]);
    expect([code, logged.filter(({ ref }) => ref).length]).toEqual([code, statusCode === 500 ? 1 : 0]);
  }
  expect(statuses).toMatchInlineSnapshot(`
    {
      "400": [
        "ERR_INPUT",
        "ERR_CONFIG_UNSUPPORTED",
      ],
      "401": [
        "ERR_UNAUTHENTICATED",
      ],
      "403": [
        "ERR_DENIED",
        "ERR_FORBIDDEN",
      ],
      "404": [
        "ERR_NOT_FOUND",
      ],
      "409": [
        "ERR_EXISTS",
        "ERR_STOPPED",
      ],
      "413": [
        "ERR_TOO_LARGE",
      ],
      "429": [
        "ERR_QUOTA",
      ],
      "499": [
        "ERR_CANCELED",
      ],
      "500": [
        "ERR_CONFIG",
        "ERR_STORE_CORRUPT",
      ],
      "502": [
        "ERR_INTERRUPTED",
        "ERR_DNS",
        "ERR_CONNECT",
        "ERR_AUTH",
        "ERR_AUTH_EXPIRED",
        "ERR_TOKEN",
        "ERR_HOST_KEY",
        "ERR_TLS",
        "ERR_SPAWN",
        "ERR_CONNECTION_LOST",
        "ERR_PROTOCOL",
        "ERR_PASSPHRASE",
        "ERR_SUDO",
        "ERR_SHARD_DIED",
      ],
      "503": [
        "ERR_SATURATED",
        "ERR_CLOSED",
        "ERR_BREAKER_OPEN",
        "ERR_QUARANTINED",
        "ERR_SHARD_UNAVAILABLE",
        "ERR_STORE_BUSY",
        "ERR_STORE_FULL",
      ],
      "504": [
        "ERR_TIMEOUT",
      ],
    }
  `);
  const { headers } = await thrown(new KeylaneError('ERR_BREAKER_OPEN', undefined, { retryAfterMs: 2_001 }));
  expect(headers['retry-after']).toBe('3');
});

test('what is known of the fields, the lines and the key goes with it', async () => {
  const fields = [
    { field: 'request.port', detail: 'expected a port' },
    { field: 'query.x', detail: 'unknown field' },
  ];
  const { problem } = await thrown(new FieldError('ERR_INPUT', fields, 422));
  expect(problem).toMatchObject({ status: 422, field: 'request.port', errors: fields });
  expect(problem.detail).toBe('request.port: expected a port; query.x: unknown field');
  const errors = Array.from({ length: 1_000 }, (_, line) => ({ line, detail: 'bad' }));
  const many = await thrown(new KeylaneError('ERR_INPUT', 'many lines', { errors }));
  expect(many.problem.errors).toHaveLength(100);
  expect((await thrown(new KeylaneError('ERR_CONNECT', 'no', { key: 'web-1:22' }))).problem.key).toBe('web-1:22');
});

test('a full disk is no fault of the service, and what Fastify refuses is none either', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  expect(await thrown(full)).toMatchObject({ statusCode: 503, problem: { code: 'ERR_STORE_FULL' }, logged: [] });
  const refused = Object.assign(new Error('Body is too large'), { statusCode: 413 });
  expect(await thrown(refused)).toMatchObject({
    ...{ statusCode: 413, logged: [] },
    problem: { code: 'ERR_INPUT', detail: 'body is too large', status: 413 },
  });
});

test('where lines of an input are told of, no field is guessed from what is said of them', async () => {
  const errors = [{ line: 1, detail: 'has a field `__proto__`' }];
  const { problem } = await thrown(new KeylaneError('ERR_INPUT', 'body:1: has a field `__proto__`', { errors }));
  expect(problem).toMatchObject({ errors });
  expect(problem).not.toHaveProperty('field');
});
