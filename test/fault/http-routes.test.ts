import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceRoute } from 'keylane/server';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { until } from '../support/engine.ts';
import { EngineSpy } from '../support/engine-spy.ts';
import { TestService } from '../support/service.ts';

/*
 * Walks the router's own table: a route that is new is asked everything here without a word about it in this file, and a
 * route that answers otherwise than all others fails.
 */

const TENANT = 'token-of-a-tenant-of-the-tests';
const READER = 'token-of-a-reader-of-the-tests';
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

const own = await TestService.start({
  tokens: [
    { name: 'tenant', token: sha256(TENANT) },
    { name: 'reader', token: sha256(READER), readOnly: true },
  ],
});
const { routes } = own.service;
/** A batch of somebody else. */
const foreign = await batchOfAdmin();
const spy = new EngineSpy(own.service.engine);

let before: string[];
beforeAll(() => {
  before = listing();
});
/** Nothing that is refused has done anything. */
afterEach(() => {
  const calls = spy.calls.splice(0);
  expect(calls).toEqual([]);
  expect(listing()).toEqual(before);
});
afterAll(() => own.stop());

const name = ({ method, path }: ServiceRoute) => `${method} ${path}`;
const guarded = routes.filter(({ needs }) => needs !== 'nothing');
const schemaOf = (route: ServiceRoute, part: 'body' | 'querystring') =>
  (route.schema[part] as z.ZodObject | undefined)?.shape as Record<string, z.ZodType> | undefined;
/** With the id of a batch that is there, where there is an id. */
const pathOf = (route: ServiceRoute, id = foreign) => route.path.replace(/:[a-z]+/gi, id);

interface Answer {
  status: number;
  type: string;
  headers: Headers;
  problem: { status: number; code: string; detail: string; field?: string; errors?: { field: string }[] };
}

interface Asking {
  query?: string;
  headers?: Record<string, string>;
  body?: string;
  method?: string;
}

async function ask(route: ServiceRoute, { query = '', headers = {}, body, method = route.method }: Asking = {}) {
  const hasBody = body !== undefined && method !== 'GET' && method !== 'HEAD';
  const answer = await fetch(`${own.service.url}${pathOf(route)}${query}`, {
    method,
    headers: { authorization: `Bearer ${own.service.token}`, ...headers },
    ...(hasBody && { body }),
  });
  const type = answer.headers.get('content-type') ?? '';
  const text = await answer.text();
  const problem = (
    type.startsWith('application/problem+json') && text !== '' ? JSON.parse(text) : {}
  ) as Answer['problem'];
  return { status: answer.status, type, headers: answer.headers, problem };
}

/** A problem of this status, which says so itself. */
function expectProblem(answer: Answer, status: number, code: string, field?: string): void {
  expect(answer).toMatchObject({ status, problem: { status, code } });
  if (field === undefined) return;
  const named = (answer.problem.errors ?? []).map((one) => one.field);
  expect(named.some((one) => one === field || one.startsWith(`${field}.`) || one.startsWith(`${field}[`))).toBe(true);
}

const json = { 'content-type': 'application/json' };

test('no answer is kept by anybody, or taken for another type than it says', async () => {
  const quiet = ['/livez', '/openapi.json', '/v1/principal'];
  const heads = [
    ...(await Promise.all(routes.map((route) => ask(route, { headers: { authorization: 'Bearer none' } })))),
    ...(await Promise.all(routes.filter(({ path }) => quiet.includes(path)).map((route) => ask(route)))),
  ];
  expect(new Set(heads.map(({ headers }) => headers.get('x-content-type-options')))).toEqual(new Set(['nosniff']));
  // The dashboard's own files are asked for each time, and hold nothing of anybody.
  const kept = heads.filter(({ headers, status }) => headers.get('cache-control') !== 'no-store' && status !== 404);
  expect(kept.map(({ headers }) => headers.get('cache-control'))).toEqual(['no-cache', 'no-cache']);
});

test('the table has the routes that everybody knows', () => {
  expect(routes.map(name)).toEqual(expect.arrayContaining(['POST /v1/run', 'GET /livez', 'GET /v1/batches/:id']));
  expect(routes.length).toBeGreaterThan(20);
});

describe.each(guarded.map((route) => [name(route), route] as const))('%s', (_name, route) => {
  test.each([
    ['no token', {}],
    ['an empty one', { authorization: '' }],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['a wrong one', { authorization: `Bearer klt_${'x'.repeat(43)}` }],
    ['the right one, cut', { authorization: `Bearer ${own.service.token.slice(0, -1)}` }],
    ['another scheme', { authorization: `Basic ${btoa(`admin:${own.service.token}`)}` }],
    ['the token without a scheme', { authorization: own.service.token }],
  ])('%s: 401', async (_what, headers) => {
    const answer = await fetch(`${own.service.url}${pathOf(route)}?token=${own.service.token}`, {
      method: route.method,
      headers: { ...headers, cookie: `token=${own.service.token}`, 'x-api-key': own.service.token },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="keylane"/);
    expect(await answer.json()).toMatchObject({ status: 401, code: 'ERR_UNAUTHENTICATED' });
  });

  if (route.needs !== 'read')
    test('a token that may only look: 403', async () => {
      const answer = await ask(route, { headers: { authorization: `Bearer ${READER}` } });
      expectProblem(answer, 403, 'ERR_FORBIDDEN');
    });

  if (route.needs === 'admin')
    test('a token that is not for the whole service: 403', async () => {
      const answer = await ask(route, { headers: { authorization: `Bearer ${TENANT}` } });
      expectProblem(answer, 403, 'ERR_FORBIDDEN');
    });

  if (route.path.includes('/:id'))
    test("another one's id: 404, as one that is not there, and one that cannot be", async () => {
      const headers = { authorization: `Bearer ${TENANT}`, 'idempotency-key': 'k' };
      const theirs = await ask(route, { headers });
      expectProblem(theirs, 404, 'ERR_NOT_FOUND');
      const nobodys = await ask({ ...route, path: route.path.replace(':id', 'nobodys') }, { headers });
      expectProblem(nobodys, 404, 'ERR_NOT_FOUND');
      expect(nobodys.problem.detail.replace('nobodys', foreign)).toBe(theirs.problem.detail);
      for (const id of ['..%2f..', '%00', 'a'.repeat(300), '%ff']) {
        const odd = await ask({ ...route, path: route.path.replace(':id', id) }, { headers });
        expect([400, 404, 414], id).toContain(odd.status);
      }
    });

  test('a field in the query that it does not know: 400 that names it', async () => {
    const answer = await ask(route, {
      query: '?nosuchfield=1',
      ...(route.schema.body ? { body: '{}', headers: json } : {}),
    });
    expectProblem(answer, 400, 'ERR_INPUT', 'query.nosuchfield');
  });

  const query = schemaOf(route, 'querystring') ?? {};
  for (const [field, schema] of Object.entries(query)) {
    const wrong = ['', 'no such value\u0000', '-1', 'x'.repeat(5_000)].filter(
      (value) => !schema.safeParse(value).success,
    );
    if (wrong.length > 0)
      test(`${field} of the query, of a wrong type: 400 that names it`, async () => {
        for (const value of wrong) {
          const answer = await ask(route, { query: `?${field}=${encodeURIComponent(value)}` });
          expectProblem(answer, 400, 'ERR_INPUT', `query.${field}`);
        }
      });
    if (!schema.safeParse(undefined).success)
      test(`without ${field} in the query: 400 that names it`, async () => {
        expectProblem(await ask(route), 400, 'ERR_INPUT', `query.${field}`);
      });
  }

  const body = schemaOf(route, 'body');
  if (body === undefined) return;
  test('no JSON: 400', async () => {
    for (const text of ['{', '', 'null', '[]', '"text"', '{"a":1}x'])
      expectProblem(await ask(route, { headers: json, body: text }), 400, 'ERR_INPUT', 'body');
  });
  test('another type than JSON, or a compressed one: 415', async () => {
    for (const headers of [{ 'content-type': 'text/plain' }, { ...json, 'content-encoding': 'gzip' }])
      expectProblem(await ask(route, { headers: headers as never, body: '{}' }), 415, 'ERR_INPUT');
  });
  test('a body that is too large: 413', async () => {
    const answer = await ask(route, { headers: json, body: JSON.stringify({ x: 'x'.repeat(1_048_576) }) });
    expectProblem(answer, 413, 'ERR_INPUT');
  });
  test('a field that it does not know: 400 that names it', async () => {
    const answer = await ask(route, { headers: json, body: '{"nosuchfield":1}' });
    expectProblem(answer, 400, 'ERR_INPUT', 'nosuchfield');
  });
  for (const [field, schema] of Object.entries(body)) {
    if (!schema.safeParse(undefined).success)
      test(`without ${field}: 400 that names it`, async () => {
        expectProblem(await ask(route, { headers: json, body: '{}' }), 400, 'ERR_INPUT', field);
      });
    const wrong = [null, 'x', -1, 1.5, true, [], {}, [null], { a: {} }].filter((one) => !schema.safeParse(one).success);
    test(`${field}, of a wrong type: 400 that names it`, async () => {
      expect(wrong.length).toBeGreaterThan(0);
      for (const value of wrong) {
        const answer = await ask(route, { headers: json, body: JSON.stringify({ [field]: value }) });
        expectProblem(answer, 400, 'ERR_INPUT', field);
      }
    });
  }
});

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

test.each([...new Set(routes.map(({ path }) => path))])(
  '%s by a method that it has not: 405, and which it has',
  async (path) => {
    const of = routes.filter((route) => route.path === path);
    const route = of[0]!;
    for (const method of methods.filter((one) => of.every((known) => known.method !== one))) {
      const answer = await ask(route, { method });
      expect(answer.status, method).toBe(405);
      expect(answer.headers.get('allow')?.split(', ').sort()).toEqual([...new Set(of.map((one) => one.method))].sort());
      if (method !== 'HEAD') expect(answer.problem.code).toBe('ERR_INPUT');
    }
  },
);

test('a path that is not there is 404 to whoever has a token, and 401 to anybody else', async () => {
  const nowhere = { ...routes[0]!, path: '/no/such/path' };
  for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
    expectProblem(await ask(nowhere, { method }), 404, 'ERR_NOT_FOUND');
    expectProblem(await ask(nowhere, { method, headers: { authorization: `Bearer ${TENANT}` } }), 404, 'ERR_NOT_FOUND');
    expectProblem(await ask(nowhere, { method, headers: { authorization: '' } }), 401, 'ERR_UNAUTHENTICATED');
  }
});

/** Names and sizes of all that is in the data directory. */
function listing(): string[] {
  const names = readdirSync(own.dataDir, { recursive: true }) as string[];
  return names.sort().map((file) => `${file} ${statSync(join(own.dataDir, file)).size}`);
}

/** Of one job; resolves when it has ended, so that nothing changes any more. */
async function batchOfAdmin(): Promise<string> {
  const made = await fetch(`${own.service.url}/v1/batches`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${own.service.token}`,
      'content-type': 'application/x-ndjson',
      'idempotency-key': 'walk',
    },
    body: '{"driver":"echo","request":{"key":"k"}}\n',
  });
  expect(made.status).toBe(201);
  const { id } = (await made.json()) as { id: string };
  await until(async () => {
    const answer = await own.call('GET', `/v1/batches/${id}`);
    return ((await answer.json()) as { state: string }).state === 'done';
  });
  return id;
}
