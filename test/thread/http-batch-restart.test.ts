import { createHash } from 'node:crypto';
import { createService, type Service, type ServiceOptions } from 'keylane/server';
import { afterAll, afterEach, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { answered, echoLines, NDJSON, type ToldBatch } from '../support/http-batches.js';
import { newDataDir } from '../support/service.js';

const ALICE = 'a'.repeat(40);
const alice = { name: 'alice', token: `sha256:${createHash('sha256').update(ALICE).digest('hex')}` };

let running: Service | undefined;
const { dataDir, remove } = newDataDir();
afterEach(async () => {
  await running?.destroy('the test is over');
  running = undefined;
});
afterAll(remove);

/** One service after the other over the same data directory; what it logs. */
async function start(options: ServiceOptions = {}): Promise<{ service: Service; log: string[] }> {
  const log: string[] = [];
  const service = await createService({
    port: 0,
    log: { level: 'info', write: (line) => log.push(line) },
    ...options,
    engine: { shards: 1, dataDir },
  });
  running = service;
  return { service, log };
}

async function stop(): Promise<void> {
  await running?.close();
  running = undefined;
}

const call = async (service: Service, method: string, path: string, body?: string, more: object = {}) =>
  answered(
    await fetch(`${service.url}/v1/batches${path}`, {
      method,
      headers: { authorization: `Bearer ${service.token}`, ...more },
      ...(body !== undefined && { body }),
    }),
  );

const submit = (service: Service, key: string, body: string) =>
  call(service, 'POST', '?concurrency=2', body, {
    authorization: `Bearer ${ALICE}`,
    'content-type': NDJSON,
    'idempotency-key': key,
  });

const shown = async (service: Service, id: string): Promise<ToldBatch> => (await call(service, 'GET', `/${id}`)).body;

/** A batch that has begun, and is left by its service. */
async function left(key: string): Promise<string> {
  const { service } = await start({ tokens: [alice] });
  const { status, body } = await submit(
    service,
    key,
    echoLines(40, () => ({ delayMs: 20 })),
  );
  expect(status).toBe(201);
  await until(async () => (await shown(service, body.id)).settled > 0);
  await stop();
  return body.id;
}

test('a batch whose token is gone is left as it is, and told; an admin may go on with it', async () => {
  const id = await left('token gone');
  const { service, log } = await start();
  await until(() => log.some((line) => line.includes('is left as it is') && line.includes(id)));
  const before = await shown(service, id);
  expect(before).toMatchObject({ state: 'interrupted', principal: 'alice', here: false });
  expect((await call(service, 'POST', `/${id}/resume`)).status).toBe(200);
  await until(async () => (await shown(service, id)).state === 'done');
  expect(await shown(service, id)).toMatchObject({ settled: 40, counts: { ok: 40 }, principal: 'alice' });
  const again = await call(service, 'POST', `/${id}/resume`);
  expect([again.status, again.body.code]).toEqual([409, 'ERR_INPUT']);
});

test('a batch whose token may not run all of it any more is left, too', async () => {
  const id = await left('token narrowed');
  const { service, log } = await start({ tokens: [{ ...alice, hosts: ['k1', 'k2'] }] });
  await until(() => log.some((line) => line.includes('is left as it is') && line.includes('ERR_FORBIDDEN')));
  expect((await shown(service, id)).state).toBe('interrupted');
});

test('a service that is told not to goes on with none; one that may run one at a time goes on with all in turn', async () => {
  const ids = [await left('in turn 1')];
  {
    const { service } = await start({ tokens: [alice], resume: false });
    const { body } = await submit(
      service,
      'in turn 2',
      echoLines(40, () => ({ delayMs: 20 })),
    );
    ids.push(body.id);
    await until(async () => (await shown(service, body.id)).settled > 0);
    expect((await shown(service, ids[0]!)).state).toBe('interrupted');
    await stop();
  }
  const { service } = await start({ tokens: [alice], maxBatches: 1 });
  let most = 0;
  await until(async () => {
    const all = await Promise.all(ids.map((id) => shown(service, id)));
    most = Math.max(most, all.filter(({ here }) => here).length);
    return all.every(({ state }) => state === 'done');
  });
  expect(most).toBe(1);
});
