import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PUPPET } from '../support/drivers/own.js';
import { until } from '../support/engine.js';
import { TestService } from '../support/service.js';

let at: TestService;
beforeAll(async () => {
  at = await TestService.start({ engine: { drivers: [PUPPET], maxInFlight: 8, maxQueued: 2 } });
});
afterAll(() => at?.stop());

const run = (body: object, headers?: Record<string, string>) => at.call('POST', '/v1/run', body, headers);
const inFlight = async () => (await at.service.engine.stats()).inFlight;

test('what the peer answered is told as a line of a batch tells it', async () => {
  const answer = await run({ driver: 'echo', request: { key: 'a', payload: { base64: 'kept' } } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(await answer.json()).toEqual({
    index: 0,
    id: '0',
    key: 'a',
    outcome: 'ok',
    response: { payload: { base64: 'kept' } },
    attempts: 1,
    shard: 0,
    reused: false,
    cache: 'none',
    timing: { queuedMs: expect.any(Number), openMs: expect.any(Number), runMs: expect.any(Number) },
    history: [],
  });
});

test('a peer that says no has answered', async () => {
  const answer = await run({ driver: 'echo', request: { key: 'a', fault: 'failed' } });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ outcome: 'failed', response: { refused: true } });
});

test('where no answer came, a problem tells what is known of the request', async () => {
  const answer = await run({
    driver: 'echo',
    request: { key: 'a', fault: 'ERR_CONNECTION_LOST' },
    attempts: 2,
    idempotent: true,
  });
  expect(answer.status).toBe(502);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(await answer.json()).toMatchObject({
    status: 502,
    code: 'ERR_CONNECTION_LOST',
    outcome: 'unknown',
    retryable: false,
    key: 'a',
    attempts: 2,
    timing: { queuedMs: expect.any(Number) },
    history: [{ outcome: 'unknown', code: 'ERR_CONNECTION_LOST' }],
  });
});

test('a time-out is the time-out of the engine, and a 504', async () => {
  const answer = await run({ driver: 'echo', request: { key: 'a', fault: 'hang' }, timeoutMs: 100 });
  expect(answer.status).toBe(504);
  expect(await answer.json()).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'unknown', attempts: 1 });
});

test('the place in a trace is part of the result', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await run({ driver: 'echo', request: { key: 'a' } }, { traceparent });
  expect(await answer.json()).toMatchObject({ traceparent });
  expect(await (await run({ driver: 'echo', request: { key: 'a' } }, { traceparent: 'x' })).json()).not.toHaveProperty(
    'traceparent',
  );
});

test.each([
  [{ driver: 'echo', request: { key: '' } }, '`key`'],
  [{ driver: 'nothing', request: {} }, 'nothing'],
  [{ driver: 'echo', request: { key: 'a' }, timeoutMs: -1 }, 'timeoutMs'],
  [{ driver: 'echo', request: { key: 'a' }, timoutMs: 1 }, 'timoutMs'],
  [{ driver: 'echo' }, 'request'],
])('what is wrong is said, and nothing is run: %j', async (body, named) => {
  const answer = await run(body);
  expect(answer.status).toBe(400);
  const problem = (await answer.json()) as { detail: string };
  expect(problem).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(problem.detail).toContain(named);
});

test('past what may wait it is refused at once, and told when to come again', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => run({ driver: 'echo', request: { key: 'full', delayMs: 200 } })),
  );
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.length - refused.length).toBe(answers.filter(({ status }) => status === 200).length);
  expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await refused[0]?.json()).toMatchObject({ code: 'ERR_SATURATED', outcome: 'not_started', retryable: true });
});

test('a client that goes calls off what it asked for, on a connection that has served others', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (body: object) => {
    const headers = { authorization: `Bearer ${at.service.token}`, 'content-type': 'application/json' };
    const asked = request(`${at.service.url}/v1/run`, { method: 'POST', agent, headers });
    asked.on('error', () => {});
    asked.end(JSON.stringify(body));
    return asked;
  };
  for (let i = 0; i < 3; i++) {
    const asked = post({ driver: 'echo', request: { key: 'b' } });
    await new Promise<void>((resolve) => {
      asked.on('response', (response) => {
        response.resume();
        response.on('end', resolve);
      });
    });
  }
  const hanging = post({ driver: 'puppet', request: { key: 'b', run: 'hang' }, timeoutMs: 0 });
  await until(async () => (await inFlight()) === 1);
  hanging.destroy();
  await until(async () => (await inFlight()) === 0);
  agent.destroy();
});
