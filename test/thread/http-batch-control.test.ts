import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { answered, echoLines, resultsOf, shown, submit } from '../support/http-batches.js';
import { TestService } from '../support/service.js';

let at: TestService;
beforeAll(async () => {
  at = await TestService.start();
});
afterAll(() => at.stop());

const post = async (path: string, headers: Record<string, string> = {}) =>
  answered(await at.call('POST', `/v1/batches/${path}`, undefined, headers));
const ended = async (id: string) => {
  await until(async () => (await shown(at, id)).state !== 'running');
  return shown(at, id);
};

test('a batch that is canceled ends within a second, and all of it has an outcome', async () => {
  const { body } = await submit(
    at,
    'to cancel',
    echoLines(50, () => ({ delayMs: 60_000 })),
    {
      query: '?concurrency=10',
    },
  );
  await until(async () => (await at.service.engine.stats()).inFlight === 10);
  const before = performance.now();
  const canceled = await post(`${body.id}/cancel`);
  // The promise is a second; this machine has other work.
  expect(performance.now() - before).toBeLessThan(5_000);
  expect([canceled.status, canceled.body.state]).toEqual([200, 'canceled']);
  const results = await resultsOf(at, body.id, '');
  expect(results).toHaveLength(50);
  expect(results.filter(({ outcome }) => outcome === 'ok' || outcome === 'failed')).toEqual([]);
  expect(results.filter(({ outcome }) => outcome === 'not_started').length).toBeGreaterThanOrEqual(40);
  // Once more is no harm, and changes nothing.
  expect((await post(`${body.id}/cancel`)).body.state).toBe('canceled');
});

test('a batch that is paused starts nothing more until it is resumed', async () => {
  const { body } = await submit(
    at,
    'to pause',
    echoLines(150, () => ({ delayMs: 5 })),
    { query: '?concurrency=2' },
  );
  const paused = await post(`${body.id}/pause`);
  expect([paused.status, paused.body.paused, paused.body.here]).toEqual([200, true, true]);
  // What had left before comes back.
  let settled = -1;
  await until(async () => {
    const now = (await shown(at, body.id)).settled;
    const isStill = now === settled;
    settled = now;
    return isStill;
  });
  expect(settled).toBeLessThan(150);
  expect((await post(`${body.id}/resume`)).body.paused).toBe(false);
  expect(await resultsOf(at, body.id)).toHaveLength(150);
  const late = await post(`${body.id}/pause`);
  expect([late.status, late.body.code]).toEqual([409, 'ERR_INPUT']);
});

test('a retry runs what failed or never started again, what is unknown only if it is named, and is made once', async () => {
  const faults = ['failed', 'ERR_CONNECT', 'ERR_CONNECTION_LOST', undefined];
  const lines = echoLines(40, (index) => {
    const fault = faults[index % 4];
    return { key: `r${index % 4}`, ...(fault !== undefined && { fault }) };
  });
  const { body } = await submit(at, 'mixed', lines, { query: '?attempts=1&labels=a' });
  await ended(body.id);
  const { counts } = await shown(at, body.id);
  expect(counts).toMatchObject({ ok: 10, failed: 10, not_started: 10, unknown: 10 });
  expect((await post(`${body.id}/retry`)).status).toBe(400);
  const again = await post(`${body.id}/retry?attempts=2`, { 'idempotency-key': 'again' });
  expect(again.status).toBe(201);
  expect(again.body).toMatchObject({
    total: 20,
    options: { attempts: 2, labels: ['a'] },
    retryOf: { id: body.id, outcomes: ['failed', 'not_started'] },
  });
  const ids = (await resultsOf(at, again.body.id)).map(({ id }) => Number(id) % 4);
  expect([...new Set(ids)].sort()).toEqual([0, 1]);
  await ended(again.body.id);
  const replay = await post(`${body.id}/retry?attempts=2`, { 'idempotency-key': 'again' });
  expect([replay.status, replay.body.id]).toEqual([200, again.body.id]);
  expect((await post(`${body.id}/retry`, { 'idempotency-key': 'again' })).status).toBe(422);
  const unknown = await post(`${body.id}/retry?outcomes=unknown`, { 'idempotency-key': 'unknown' });
  expect([unknown.status, unknown.body.total]).toEqual([201, 10]);
  const none = await post(`${body.id}/retry?outcomes=canceled`, { 'idempotency-key': 'none' });
  expect([none.status, none.body.code]).toEqual([409, 'ERR_INPUT']);
  const wrong = await post(`${body.id}/retry?outcomes=ok`, { 'idempotency-key': 'wrong' });
  expect([wrong.status, wrong.body.code]).toEqual([400, 'ERR_INPUT']);
});

test('a batch that runs is not removed; one that has ended is, and its key is free again', async () => {
  const { body } = await submit(
    at,
    'to remove',
    echoLines(1, () => ({ delayMs: 60_000 })),
  );
  const remove = async () => answered(await at.call('DELETE', `/v1/batches/${body.id}`));
  const busy = await remove();
  expect([busy.status, busy.body.code]).toEqual([409, 'ERR_STORE_BUSY']);
  expect((await post(`${body.id}/retry`, { 'idempotency-key': 'too early' })).status).toBe(409);
  await post(`${body.id}/cancel`);
  await until(async () => (await remove()).status === 204);
  expect((await shown(at, body.id)) as object).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' });
  expect((await submit(at, 'to remove', echoLines(2))).status).toBe(201);
});

test('the report of a batch has its figures', async () => {
  const { body } = await submit(
    at,
    'to report',
    echoLines(10, (index) => (index < 3 ? { fault: 'failed' } : {})),
  );
  await ended(body.id);
  const report = (await (await at.call('GET', `/v1/batches/${body.id}/report`)).json()) as Record<string, unknown>;
  expect(report).toMatchObject({ id: body.id, state: 'done', outcomes: { ok: 7, failed: 3 } });
});
