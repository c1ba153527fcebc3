import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { TestService } from '../support/service.ts';

const file = join(tmpdir(), `keylane-audit-${process.pid}.ndjson`);
let own: TestService;
beforeAll(async () => {
  own = await TestService.start({ audit: file });
});
afterAll(async () => {
  await own.stop();
  rmSync(file, { force: true });
});

const lines = () =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const { time: _, ms: __, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return rest;
    });

/** Without those whose request was so bad that it has no key. */
const ran = () => lines().filter(({ key }) => key !== '');

test('whatever ran something has a line: who, whom, what became of it, and nothing of what was run', async () => {
  const who = { principal: 'admin', address: '127.0.0.1' };
  const request = { key: 'k', payload: 'canary-of-the-payload' };
  await own.call('POST', '/v1/run', { driver: 'echo', request });
  await own.call('POST', '/v1/run', { driver: 'echo', request: { ...request, fault: 'ERR_CONNECT' } });
  await (await own.call('POST', '/v1/stream', { driver: 'echo', request })).text();
  await own.call('PUT', '/v1/log-level', { level: 'silent' });
  await own.call('DELETE', '/v1/cache?pattern=canary-of-a-tag');
  // Nothing was run.
  await own.call('GET', '/v1/stats');
  await own.call('POST', '/v1/run', { driver: 'echo', request: { kee: 'canary-of-a-field' } });
  await own.call('POST', '/v1/run', { driver: 'echo', request }, { authorization: 'Bearer canary-of-a-token' });
  await own.call('PUT', '/v1/log-level', { level: 'silent' }, { authorization: 'Bearer canary-of-a-token' });
  await until(() => ran().length >= 5);
  const run = { ...who, route: 'POST /v1/run', driver: 'echo' };
  expect(ran()).toEqual([
    { ...run, key: 'k', outcome: 'ok' },
    { ...run, key: 'k', outcome: 'not_started', code: 'ERR_CONNECT' },
    { ...run, route: 'POST /v1/stream', key: 'k', outcome: 'ok' },
    { ...who, route: 'PUT /v1/log-level', outcome: '200' },
    { ...who, route: 'DELETE /v1/cache', outcome: '200' },
  ]);
  expect(readFileSync(file, 'utf8')).not.toContain('canary');
});
