import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WORDS } from '../../src/server/openapi/words.ts';
import { TestService } from '../support/service.js';

type Json = Record<string, unknown>;
interface Operation {
  operationId: string;
  summary: string;
  tags?: string[];
  security?: unknown[];
  parameters?: { name: string; in: string; required?: boolean; schema: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
}
interface Document extends Json {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json>; securitySchemes: Json };
}

let at: TestService;
let document: Document;
beforeAll(async () => {
  at = await TestService.start();
  const answer = await at.call('GET', '/openapi.json', undefined, { authorization: '' });
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  document = (await answer.json()) as Document;
});
afterAll(() => at?.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('the document has every route of the router, and nothing else', () => {
  const told = operations().map(({ path, method }) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
  expect(told.sort()).toEqual(at.service.routes.map(({ method, path }) => `${method} ${path}`).sort());
});

test('each route is told of in words, and no words are left of routes that are gone', () => {
  const routes = at.service.routes.map(({ method, path }) => `${method} ${path}`);
  expect(Object.keys(WORDS).sort()).toEqual(routes.sort());
});

test('what needs a token says so, and what takes a body says what it takes', () => {
  for (const { method, path, needs, hasBody } of at.service.routes) {
    const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')]![method.toLowerCase()]!;
    expect([path, operation.security]).toEqual([path, needs === 'nothing' ? [] : undefined]);
    expect([path, '401' in operation.responses]).toEqual([path, needs !== 'nothing']);
    expect([path, operation.requestBody !== undefined]).toEqual([path, hasBody]);
  }
});

describe('as the specification of OpenAPI 3.1 has it', () => {
  test('it has its head, and each operation an id of its own, a summary and answers', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'keylane', version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(document.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } });
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operation } of operations()) {
      expect(operation.operationId).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(operation.summary).not.toBe('');
      expect(Object.keys(operation.responses).some((status) => /^2\d\d$/.test(status))).toBe(true);
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2345]\d\d$/);
        expect(description).not.toBe('');
        for (const type of Object.keys(content ?? {})) expect(type).toMatch(/^[\w*]+\/[\w*.+-]+$/);
      }
    }
  });

  test('the parameters of a path are those of its template, and none is told twice', () => {
    for (const { path, operation } of operations()) {
      const { parameters = [] } = operation;
      const inPath = parameters.filter((one) => one.in === 'path');
      expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(inPath.every(({ required }) => required === true)).toBe(true);
      expect(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size).toBe(parameters.length);
      expect(parameters.every(({ in: place }) => ['path', 'query', 'header'].includes(place))).toBe(true);
    }
  });

  test('each schema is JSON Schema, and each reference leads somewhere', () => {
    for (const schema of Object.values(document.components.schemas)) wellFormed(schema);
    for (const { operation } of operations()) {
      for (const { schema } of operation.parameters ?? []) wellFormed(schema);
      const contents = [operation.requestBody, ...Object.values(operation.responses)];
      for (const { schema } of contents.flatMap((one) => Object.values(one?.content ?? {}))) wellFormed(schema);
    }
  });
});

describe('what the service answers is what the document says', () => {
  const echo = { driver: 'echo', request: { key: 'a', payload: 1 } };
  test.each([
    ['POST', '/v1/run', 200, echo],
    ['POST', '/v1/run', 502, { ...echo, request: { key: 'b', fault: 'ERR_CONNECT' }, attempts: 1 }],
    ['POST', '/v1/run', 400, { ...echo, nope: 1 }],
    ['GET', '/v1/principal', 200, undefined],
    ['GET', '/v1/log-level', 200, undefined],
    ['PUT', '/v1/log-level', 200, { level: 'warn' }],
    ['PUT', '/v1/log-level', 400, { level: 'loud' }],
    ['GET', '/v1/batches', 200, undefined],
    ['GET', '/v1/stats/history', 200, undefined],
    ['GET', '/v1/cache/entries', 200, undefined],
    ['GET', '/v1/accounts', 200, undefined],
  ])('%s %s: %i', async (method, path, status, body) => {
    const answer = await at.call(method, path, body);
    expect(answer.status).toBe(status);
    const type = answer.headers.get('content-type')!.split(';')[0]!;
    const told = document.paths[path]![method.toLowerCase()]!.responses[status]!.content!;
    expect(Object.keys(told)).toContain(type);
    expect(misfits(told[type]!.schema, await answer.json(), '$')).toEqual([]);
  });

  test('a batch', async () => {
    const body = '{"driver":"echo","request":{"key":"a"}}\n';
    const headers = { 'idempotency-key': 'k', 'content-type': 'application/x-ndjson' };
    const authorization = `Bearer ${at.service.token}`;
    const url = `${at.service.url}/v1/batches`;
    const answer = await fetch(url, { method: 'POST', body, headers: { ...headers, authorization } });
    expect(answer.status).toBe(201);
    expect(misfits({ $ref: '#/components/schemas/Batch' }, await answer.json(), '$')).toEqual([]);
  });
});

test('the page of the API needs no token, loads nothing from elsewhere, and runs no inline script', async () => {
  const answer = await at.call('GET', '/docs', undefined, { authorization: '' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/);
  const text = await answer.text();
  const linked = [...text.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, link]) => link!);
  expect(linked).toContain('/page/docs.js');
  for (const link of linked) expect([link, (await at.call('GET', link)).status]).toEqual([link, 200]);
  expect(text).not.toMatch(/<script(?![^>]*src=)|\son\w+=|style=/);
});

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'];

function wellFormed(schema: unknown): void {
  expect(schema).toBeTypeOf('object');
  const { $ref, type, properties, items, anyOf, required, enum: choices } = schema as Json;
  if ($ref !== undefined) expect(document.components.schemas).toHaveProperty([String($ref).split('/').at(-1)!]);
  for (const one of [type ?? []].flat()) expect(TYPES).toContain(one);
  for (const inner of Object.values((properties ?? {}) as Json)) wellFormed(inner);
  for (const inner of (anyOf ?? []) as unknown[]) wellFormed(inner);
  if (items !== undefined) wellFormed(items);
  if (choices !== undefined) expect(choices).toBeInstanceOf(Array);
  for (const name of (required ?? []) as string[]) expect(properties).toHaveProperty([name]);
}

/** Where a value is not what a schema says, as far as our own schemas go. */
function misfits(schema: Json, value: unknown, path: string): string[] {
  const { $ref, type, properties, items, anyOf, required, enum: choices } = schema;
  if ($ref !== undefined) return misfits(document.components.schemas[String($ref).split('/').at(-1)!]!, value, path);
  if (anyOf !== undefined)
    return (anyOf as Json[]).some((one) => misfits(one, value, path).length === 0) ? [] : [`${path}: fits none`];
  if (choices !== undefined && !(choices as unknown[]).includes(value)) return [`${path}: ${String(value)}`];
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const kinds = [type ?? kind].flat().map((one) => (one === 'integer' ? 'number' : one));
  if (!kinds.includes(kind)) return [`${path}: is ${kind}, not ${kinds.join()}`];
  if (kind === 'array')
    return (value as unknown[]).flatMap((one, at) => misfits((items ?? {}) as Json, one, `${path}[${at}]`));
  if (kind !== 'object') return [];
  const held = value as Json;
  const missing = ((required ?? []) as string[])
    .filter((name) => !(name in held))
    .map((name) => `${path}.${name}: missing`);
  const known = (properties ?? {}) as Record<string, Json>;
  const unknown = Object.keys(held).filter((name) => properties !== undefined && !(name in known));
  return [
    ...missing,
    ...unknown.map((name) => `${path}.${name}: is not told of`),
    ...Object.entries(known).flatMap(([name, one]) =>
      name in held ? misfits(one, held[name], `${path}.${name}`) : [],
    ),
  ];
}
