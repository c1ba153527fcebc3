import { createServer, type Server } from 'node:net';
import { createEngine } from 'keylane';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePort } from '../support/ports.js';
import { TestService } from '../support/service.js';
import { SSRF_URLS } from '../support/ssrf-corpus.js';

/** On one port of the addresses that most of the URLs mean. It answers whoever comes, so that it would be seen. */
let port = 0;
let came = 0;
const listeners: Server[] = [];
const URLS = () => SSRF_URLS.map((url) => url.replaceAll('{port}', `${port}`));

beforeAll(async () => {
  port = await freePort(['127.0.0.1', '::1']);
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer((socket) => {
      came++;
      socket.on('error', () => undefined).resume();
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret');
    });
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    listeners.push(server);
  }
});
afterAll(() => Promise.all(listeners.map((server) => new Promise((resolve) => server.close(resolve)))));
beforeEach(() => {
  came = 0;
});

/** What became of each request, by its code or its outcome. */
async function codesOf(service: TestService, requests: readonly object[]): Promise<string[]> {
  const asked = requests.map(async (request) => {
    const answer = await service.call('POST', '/v1/run', { driver: 'http', request });
    const said = (await answer.json()) as { code?: string; outcome: string };
    return said.code ?? said.outcome;
  });
  return Promise.all(asked);
}

test('no caller of a service gets anything from where only its machine may go, by any of 150 URLs', async () => {
  const service = await TestService.start();
  try {
    const urls = URLS();
    const codes = await codesOf(
      service,
      urls.map((url) => ({ url })),
    );
    // What has no address is looked up, and that fails.
    for (const [i, code] of codes.entries()) expect(['ERR_INPUT', 'ERR_DENIED', 'ERR_DNS'], urls[i]).toContain(code);
    expect(codes.filter((code) => code === 'ERR_DENIED').length).toBeGreaterThan(90);
    // By a batch and as a stream they go the same way.
    const denied = urls.filter((_, i) => codes[i] === 'ERR_DENIED');
    const lines = denied.map((url) => `${JSON.stringify({ request: { url } })}\n`).join('');
    const batch = await fetch(`${service.service.url}/v1/batches?driver=http&journal=false`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service.service.token}`, 'content-type': 'application/x-ndjson' },
      body: lines,
    });
    expect((await batch.text()).match(/ERR_DENIED/g)?.length).toBe(denied.length);
    const streamed = await service.call('POST', '/v1/stream', {
      driver: 'http',
      request: { url: `http://127.1:${port}/` },
    });
    expect(await streamed.text()).toContain('ERR_DENIED');
    expect(came).toBe(0);
  } finally {
    await service.stop();
  }
});

test('a service reaches an origin of its configuration and a network that is allowed, and what else is there stays closed', async () => {
  const http = { allow: ['::1'], origins: { [`http://127.0.0.1:${port}`]: {} } };
  const service = await TestService.start({ engine: { http } });
  try {
    const hosts = ['127.0.0.1', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.2', '[::7f00:1]'];
    const codes = await codesOf(
      service,
      hosts.map((host) => ({ url: `http://${host}:${port}/` })),
    );
    expect(codes).toEqual(['ok', 'ok', 'ok', 'ERR_DENIED', 'ERR_DENIED', 'ERR_DENIED']);
    expect(came).toBe(3);
  } finally {
    await service.stop();
  }
});

test('a program is not a service: it asks whom it names, unless it says otherwise', async () => {
  const engine = await createEngine({ shards: 1 });
  const wary = await createEngine({ shards: 1, http: { deny: 'private' } });
  try {
    expect(await engine.run('http', { url: `http://127.0.0.1:${port}/` })).toMatchObject({
      status: 200,
      body: 'secret',
    });
    await expect(wary.run('http', { url: `http://localhost:${port}/` })).rejects.toMatchObject({
      ...{ code: 'ERR_DENIED', outcome: 'not_started', retryable: false, key: `http://localhost:${port}` },
    });
    expect(came).toBe(1);
  } finally {
    await Promise.all([engine.close(), wary.close()]);
  }
});
