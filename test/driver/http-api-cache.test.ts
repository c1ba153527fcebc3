import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CacheOptions, createEngine, type Engine, type HttpRequest } from 'keylane';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TraceHead, TraceStep } from '../../load/traces/make.js';
import { until } from '../support/engine.js';

/** An API of machines: what it was asked, and how it answers. */
class Api {
  readonly calls: IncomingMessage[] = [];
  answer: (asked: IncomingMessage, answer: ServerResponse) => void = () => undefined;
  readonly server = createServer((asked, answer) => {
    this.calls.push(asked);
    this.answer(asked, answer);
  });

  url(path: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }
}

const api = new Api();
let engine: Engine;
beforeAll(async () => {
  await new Promise<void>((resolve) => api.server.listen(0, '127.0.0.1', resolve));
  process.env.KEYLANE_TEST_ONE = 'secret-one';
  process.env.KEYLANE_TEST_TWO = 'secret-two';
  engine = await createEngine({ shards: 2 });
});
afterAll(async () => {
  await engine.close();
  api.server.closeAllConnections();
  await new Promise((resolve) => api.server.close(resolve));
});
beforeEach(() => {
  api.calls.length = 0;
  api.answer = (asked, answer) => answer.end(`${asked.headers.authorization ?? 'nobody'} ${api.calls.length}`);
});

const ask = (request: Omit<HttpRequest, 'url'>, path: string, cache: true | CacheOptions = true) =>
  engine.result('http', { url: api.url(path), ...request }, { cache });

test('50 callers of one slow list cost one call', async () => {
  const held: ServerResponse[] = [];
  api.answer = (_, answer) => held.push(answer);
  const asked = Array.from({ length: 50 }, () => ask({ headers: { accept: 'application/json' } }, '/slow'));
  await until(() => held.length === 1);
  // Whoever else would ask has done so by now: all of them went over the wall in one frame.
  const more = ask({ headers: { Accept: 'application/json' } }, '/slow');
  held[0]?.end('[1,2,3]');
  const results = await Promise.all([...asked, more]);
  expect(new Set(results.map(({ response }) => response?.body))).toEqual(new Set(['[1,2,3]']));
  expect(results.filter(({ cache }) => cache === 'miss')).toHaveLength(1);
  expect(api.calls).toHaveLength(1);
});

test('an answer goes to nobody who is somebody else to the server, in whatever header it is said', async () => {
  api.answer = ({ headers }, answer) => {
    answer.setHeader('vary', 'accept-language');
    answer.end(
      JSON.stringify([headers.authorization, headers.cookie, headers['x-api-key'], headers['accept-language']]),
    );
  };
  const requests: Omit<HttpRequest, 'url'>[] = [
    {},
    { bearer: 'env:KEYLANE_TEST_ONE' },
    { bearer: 'env:KEYLANE_TEST_TWO' },
    { headers: { authorization: 'Bearer secret-three' } },
    { headers: { authorization: 'Bearer secret-four' } },
    { headers: { cookie: 'session=1' } },
    { headers: { cookie: 'session=2' } },
    { headers: { 'x-api-key': '1' } },
    { headers: { 'x-api-key': '2' } },
    { headers: { 'accept-language': 'de' } },
    { headers: { 'accept-language': 'fr' } },
  ];
  const told = async () => {
    const results = await Promise.all(requests.map((request) => ask(request, '/who')));
    return results.map(({ response }) => response?.body);
  };
  const first = await told();
  expect(new Set(first).size).toBe(requests.length);
  expect(first[1]).toContain('Bearer secret-one');
  expect(first[2]).toContain('Bearer secret-two');
  expect(await told()).toEqual(first);
  expect(api.calls).toHaveLength(requests.length);
});

test('an answer that holds still is not sent again: 304 is as good as a hit', async () => {
  api.answer = ({ headers }, answer) => {
    answer.setHeader('etag', '"v1"').setHeader('cache-control', 'no-cache');
    if (headers['if-none-match'] === '"v1"') answer.writeHead(304).end();
    else answer.end('a long list');
  };
  for (const sent of [undefined, '"v1"', '"v1"']) {
    const { response, outcome } = await ask({}, '/etag');
    expect({ outcome, status: response?.status, body: response?.body }).toEqual({
      ...{ outcome: 'ok', status: 200, body: 'a long list' },
    });
    expect(api.calls.at(-1)?.headers['if-none-match']).toBe(sent);
    // It is old at once, and a clock has to move for that.
    const at = performance.now();
    await until(() => performance.now() - at > 5);
  }
  const { shards } = await engine.stats();
  expect(shards.reduce((sum, { inside }) => sum + (inside?.cache.revalidated ?? 0), 0)).toBe(2);
});

test('what the server says of how long an answer holds is so, and a caller may want it younger', async () => {
  for (const [control, calls, cache] of [
    ['max-age=60', 1, true],
    ['no-store', 3, true],
    ['no-store', 3, { ttlMs: 60_000 }],
    ['max-age=0', 3, true],
    ['private, max-age=60', 1, true],
    ['max-age=60', 3, { ttlMs: 0.001 }],
  ] as const) {
    api.calls.length = 0;
    api.answer = (_, answer) => answer.setHeader('cache-control', control).end('x');
    const path = `/${encodeURIComponent(control)}/${JSON.stringify(cache).length}`;
    for (let i = 0; i < 3; i++) await ask({}, path, cache);
    expect(api.calls.length, `${control} ${JSON.stringify(cache)}`).toBe(calls);
  }
});

test('an answer no is not remembered, and a change forgets what it changes', async () => {
  api.answer = (_, answer) => answer.writeHead(503).end('no');
  for (let i = 0; i < 2; i++) expect((await ask({}, '/no')).outcome).toBe('failed');
  expect(api.calls).toHaveLength(2);
  api.answer = (_, answer) => answer.end(`${api.calls.length}`);
  const list = () => ask({}, '/list', { operation: 'list', tags: ['vms'] });
  expect((await list()).response?.body).toBe((await list()).response?.body);
  await engine.run('http', { url: api.url('/vms/1/start'), method: 'POST' }, { invalidates: ['vms'] });
  expect((await list()).cache).toBe('miss');
});

/**
 * The trace of an hour, so many times as fast. The times that answers hold are as much shorter. (In virtual time:
 * test/sim/vm-trace.test.ts)
 */
const SPEED = process.env.KEYLANE_LONG ? 600 : 1_800;

test('an hour of lists, states and changes of 50 machines costs at least 30 % fewer calls, and tells nothing from before a change', {
  timeout: 60_000,
}, async () => {
  const trace = readFileSync(new URL('../../load/traces/vm-hour.ndjson', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');
  const [head, ...steps] = trace.map((line) => JSON.parse(line)) as [TraceHead, ...TraceStep[]];
  const size = head.hosts / head.groups;
  const made = new Array<number>(head.hosts).fill(0);
  const told = new Array<number>(head.hosts).fill(0);
  api.answer = ({ url = '', method }, answer) => {
    const [, what, text] = url.split('/');
    const number = Number(text);
    if (method === 'POST') made[number] = (made[number] ?? 0) + 1;
    const from = what === 'groups' ? number * size : number;
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify(made.slice(from, from + (what === 'groups' ? size : 1))));
  };
  let reads = 0;
  const wrong: string[] = [];
  const step = async (what: string, number: number) => {
    if (what !== 'list' && what !== 'status') {
      const invalidates = ['vm_list:*', `vm-${number}`];
      const { body } = await engine.run('http', { url: api.url(`/vms/${number}`), method: 'POST' }, { invalidates });
      told[number] = Math.max(told[number] ?? 0, (JSON.parse(String(body)) as number[])[0] ?? 0);
      return;
    }
    reads++;
    const from = what === 'list' ? number * size : number;
    const before = told.slice(from, from + (what === 'list' ? size : 1));
    const operation = `vm_${what}` as const;
    const { body } = await engine.run(
      'http',
      { url: api.url(`/${what === 'list' ? 'groups' : 'vms'}/${number}`) },
      { cache: { operation, ttlMs: head.ttlMs[operation] / SPEED, tags: what === 'list' ? [] : [`vm-${number}`] } },
    );
    const changes = JSON.parse(String(body)) as number[];
    if (before.some((count, i) => (changes[i] ?? -1) < count)) wrong.push(`${operation} ${number}`);
  };
  const going = new Set<Promise<void>>();
  const [first] = steps[0] ?? [0];
  const start = performance.now();
  for (const [at, what, number] of steps) {
    // On a busy machine the hour takes longer.
    await until(() => (performance.now() - start) * SPEED >= at - first && going.size < 200);
    const one = step(what, number).finally(() => going.delete(one));
    going.add(one);
  }
  await Promise.all(going);
  expect(wrong).toEqual([]);
  const calls = api.calls.filter(({ method }) => method === 'GET').length;
  expect(reads).toBeGreaterThan(7_000);
  expect(calls / reads).toBeLessThan(0.7);
  // It is far fewer, and some must be made: all of them were not simply remembered for ever.
  expect(calls).toBeGreaterThan(head.groups);
});
