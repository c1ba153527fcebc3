import { createHash } from 'node:crypto';
import { systemClock } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { EngineSpy } from '../support/engine-spy.ts';
import { TestService } from '../support/service.ts';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const textOf = (name: string) => `token-of-${name}-for-the-tests`;
const token = (name: string, about: object) => ({ name, token: sha256(textOf(name)), ...about });

const TOKENS = [
  token('tenant', { hosts: ['a-*'] }),
  token('other', {}),
  token('hasty', { quota: { perSecond: 2 } }),
  token('single', { quota: { inFlight: 1, batches: 1 } }),
];

let own: TestService;
let spy: EngineSpy;
beforeAll(async () => {
  own = await TestService.start({ tokens: TOKENS });
  spy = new EngineSpy(own.service.engine);
});
afterAll(() => own.stop());

async function call(name: string, method: string, path: string, body?: unknown, more: Record<string, string> = {}) {
  const answer = await own.call(method, path, body, { authorization: `Bearer ${textOf(name)}`, ...more });
  const text = await answer.text();
  const type = answer.headers.get('content-type') ?? '';
  const said = (/json/.test(type) && !/ndjson/.test(type) ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status: answer.status, text, said, retryAfter: answer.headers.get('retry-after') };
}

const echo = (key: string, more: object = {}) => ({ driver: 'echo', request: { key, ...more } });

async function batch(name: string, query: string, jobs: readonly object[], idempotencyKey: string) {
  const answer = await fetch(`${own.service.url}/v1/batches${query}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${textOf(name)}`,
      'content-type': 'application/x-ndjson',
      'idempotency-key': idempotencyKey,
    },
    body: jobs.map((job) => `${JSON.stringify(job)}\n`).join(''),
  });
  return { status: answer.status, text: await answer.text() };
}

test('a token for some keys runs requests for these, and for no others, in each way that there is', async () => {
  expect((await call('tenant', 'POST', '/v1/run', echo('a-1'))).status).toBe(200);
  expect((await call('tenant', 'POST', '/v1/stream', echo('a-1'))).status).toBe(200);
  spy.calls.length = 0;
  for (const path of ['/v1/run', '/v1/stream']) {
    for (const [body, field] of [
      [echo('b-1'), 'request.key'],
      [{ driver: 'ssh', request: { host: 'b-1', command: 'id' } }, 'request.host'],
      [{ driver: 'ssh', request: { host: 'a-1', command: 'id', jump: 'b-1' } }, 'request.jump'],
      [{ driver: 'ssh', request: { account: 'b', command: 'id' } }, 'request.account'],
      [{ driver: 'ssh', request: { host: 'a-1', op: 'get', remote: 'x', local: '/tmp/x' } }, 'request.local'],
    ] as const) {
      const { status, said } = await call('tenant', 'POST', path, body);
      expect({ status, code: said.code, field: said.field }).toEqual({ status: 403, code: 'ERR_FORBIDDEN', field });
    }
  }
  const forgets = await call('tenant', 'POST', '/v1/run', { ...echo('a-1'), invalidates: ['key:b-1'] });
  expect(forgets).toMatchObject({ status: 403, said: { field: 'invalidates' } });
  expect(spy.calls).toEqual([]);
  expect((await call('tenant', 'POST', '/v1/run', { ...echo('a-1'), invalidates: ['key:a-1'] })).status).toBe(200);
});

test('of a batch each job is looked at, whoever says the driver; nothing of it is run where one is refused', async () => {
  spy.calls.length = 0;
  const jobs = [{ request: { key: 'a-1' } }, { request: { key: 'b-1' } }];
  const kept = await batch('tenant', '?driver=echo', jobs, 'scope-1');
  expect(kept.status).toBe(400);
  expect(kept.text).toContain('request.key: the token tenant is not for this key');
  const named = await batch('tenant', '?driver=ssh', [{ driver: 'echo', request: { key: 'b-1' } }], 'scope-2');
  expect(named.text).toContain('request.key: the token tenant is not for this key');
  const plain = await batch('tenant', '', [{ request: { host: 'b-1', command: 'id' } }], 'scope-3');
  expect(plain.text).toContain('request.host: the token tenant is not for b-1');
  expect(spy.calls.filter((one) => one.endsWith('.run'))).toEqual([]);
  const live = await batch('tenant', '?journal=false&driver=echo', [{ request: { key: 'b-1' } }], 'scope-4');
  expect(live.text).toContain('is not for this key');
  expect(live.text).not.toContain('"outcome":"ok"');
});

test('what a token may not run any more it may not retry either', async () => {
  const narrowed = (about: object) => own.service.reload({ tokens: [...TOKENS, token('narrowed', about)] });
  narrowed({});
  const made = await batch('narrowed', '?driver=echo', [{ request: { key: 'b-1', fault: 'failed' } }], 'narrow-1');
  const { id } = JSON.parse(made.text) as { id: string };
  await until(async () => (await call('narrowed', 'GET', `/v1/batches/${id}`)).said.state === 'done');
  narrowed({ hosts: ['a-*'] });
  const retry = () => call('narrowed', 'POST', `/v1/batches/${id}/retry`, undefined, { 'idempotency-key': 'narrow-2' });
  expect(await retry()).toMatchObject({ status: 403, said: { field: 'request.key' } });
  expect((await call('narrowed', 'GET', '/v1/batches')).said.total).toBe(1);
  narrowed({});
  expect((await retry()).status).toBe(201);
});

test('what is of other keys is not shown to a token for some', async () => {
  await call('other', 'POST', '/v1/run', echo('secret-name'));
  await call('tenant', 'POST', '/v1/run', echo('a-1'));
  for (const path of [
    '/v1/stats',
    '/v1/stats/history',
    '/v1/hosts',
    '/v1/cache',
    '/v1/cache/entries',
    '/v1/batches',
    '/v1/accounts',
    '/metrics',
  ])
    expect((await call('tenant', 'GET', path)).text, path).not.toContain('secret-name');
  expect((await call('tenant', 'GET', '/v1/hosts')).text).toContain('a-1');
});

test('more requests in a second than a token may have are 429, which tells when to come again', async () => {
  const statuses = [];
  for (let sent = 0; sent < 4; sent++) statuses.push(await call('hasty', 'POST', '/v1/run', echo('k')));
  const refused = statuses.filter(({ status }) => status === 429);
  expect(statuses.map(({ status }) => status).slice(0, 2)).toEqual([200, 200]);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]).toMatchObject({ retryAfter: '1', said: { code: 'ERR_QUOTA', retryable: true } });
  const later = systemClock.now() + 1_000;
  await until(() => systemClock.now() >= later);
  expect((await call('hasty', 'POST', '/v1/run', echo('k'))).status).toBe(200);
});

test('what a token may have in flight is given back, whatever became of it', async () => {
  const free = async () => (await call('single', 'POST', '/v1/run', echo('k'))).status === 200;
  const busy = async () => !(await free());
  const going = new AbortController();
  const slow = fetch(`${own.service.url}/v1/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${textOf('single')}`, 'content-type': 'application/json' },
    body: JSON.stringify(echo('slow', { delayMs: 60_000 })),
    signal: going.signal,
  });
  await until(busy);
  expect((await call('single', 'POST', '/v1/stream', echo('k'))).status).toBe(429);
  // Another bearer is not kept waiting.
  expect((await call('other', 'POST', '/v1/run', echo('k'))).status).toBe(200);
  going.abort();
  await expect(slow).rejects.toThrow();
  await until(free);
  for (const body of [echo('k', { fault: 'ERR_CONNECT' }), echo('k', { fault: 'failed' }), echo('')])
    for (const path of ['/v1/run', '/v1/stream']) {
      expect((await call('single', 'POST', path, body)).status, path).not.toBe(429);
      await until(free);
    }
});
