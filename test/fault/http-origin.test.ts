import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineSpy } from '../support/engine-spy.ts';
import { rawAnswer } from '../support/raw-request.ts';
import { TestService } from '../support/service.ts';

let own: TestService;
let spy: EngineSpy;
let port: number;
beforeAll(async () => {
  own = await TestService.start({
    host: '127.0.0.2',
    allowHosts: ['keylane.example', 'proxied.example:8443'],
    allowOrigins: ['https://ops.example'],
  });
  spy = new EngineSpy(own.service.engine);
  port = Number(new URL(own.service.url).port);
});
afterAll(() => own.stop());

/** Asks with these headers, `PORT` in them being the service's, and gives the status. */
async function status(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const text = await answer(method, path, headers);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}

function answer(method: string, path: string, headers: Record<string, string>): Promise<string> {
  const all = { Authorization: `Bearer ${own.service.token}`, Connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value.replaceAll('PORT', String(port))}`);
  return rawAnswer(own.service.url, `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, (text) =>
    text.includes('text/event-stream'),
  );
}

const OURS = 'localhost:PORT';

test.each([
  'localhost:PORT',
  'LOCALHOST:PORT',
  '127.0.0.1:PORT',
  '[::1]:PORT',
  '127.0.0.2:PORT',
  'keylane.example',
  'keylane.example:PORT',
  'keylane.example:443',
  'KeyLane.Example',
  'proxied.example:8443',
])('the service is called %s', async (host) => {
  expect(await status('GET', '/livez', { Host: host })).toBe(200);
});

test.each([
  '',
  'localhost',
  'localhost:1',
  'localhost:PORT0',
  'localhost.:PORT',
  'localhost.rebind.example:PORT',
  'localhost:PORT@rebind.example',
  'rebind.example',
  'rebind.example:PORT',
  'keylane.example.rebind.example',
  'notkeylane.example',
  'proxied.example',
  'proxied.example:PORT',
  '127.0.0.3:PORT',
  '127.1:PORT',
  '2130706433:PORT',
  '0x7f000001:PORT',
  '0.0.0.0:PORT',
  '[::]:PORT',
  '[::ffff:127.0.0.1]:PORT',
  '*',
  'null',
])('the service is not called "%s": 403 on each kind of route', async (host) => {
  for (const [method, path] of [
    ['GET', '/livez'],
    ['GET', '/v1/stats'],
    ['OPTIONS', '/v1/run'],
    ['POST', '/v1/run'],
    ['GET', '/no/such/path'],
  ] as const)
    expect(await status(method, path, { Host: host }), `${method} ${path}`).toBe(403);
  expect(await status('GET', '/v1/stats', { Host: host, Accept: 'text/event-stream' })).toBe(403);
  expect(spy.calls).toEqual([]);
});

test.each([
  'null',
  'http://rebind.example',
  'http://rebind.example:PORT',
  'http://localhost',
  'https://localhost:PORT',
  'http://localhost:PORT.rebind.example',
  'http://127.0.0.1:PORT',
  'https://ops.example:444',
  'https://sub.ops.example',
  'http://ops.example',
  'https://ops.example.rebind.example',
  'file://',
])('a page of %s may not use it: 403 on each kind of route, and no header that would let it', async (origin) => {
  for (const [method, path, accept] of [
    ['GET', '/livez', '*/*'],
    ['GET', '/v1/stats', 'text/event-stream'],
    ['OPTIONS', '/v1/run', '*/*'],
    ['POST', '/v1/run', '*/*'],
    ['DELETE', '/no/such/path', '*/*'],
  ] as const) {
    const text = await answer(method, path, {
      Host: OURS,
      Origin: origin,
      Accept: accept,
      'Access-Control-Request-Method': 'POST',
    });
    expect(text, `${method} ${path}`).toMatch(/^HTTP\/1\.1 403 /);
    expect(text).not.toMatch(/access-control/i);
  }
  expect(spy.calls).toEqual([]);
});

test('pages of its own may use it, and so may those that it was told of, which a browser asks about first', async () => {
  expect(await status('GET', '/v1/stats', { Host: OURS, Origin: `http://${OURS}` })).toBe(200);
  const asked = { Host: OURS, Origin: 'https://ops.example', Authorization: '' };
  const first = await answer('OPTIONS', '/v1/run', { ...asked, 'Access-Control-Request-Method': 'POST' });
  expect(first).toMatch(/^HTTP\/1\.1 204 /);
  expect(first).toMatch(/access-control-allow-origin: https:\/\/ops\.example\r\n/i);
  expect(first).toMatch(/access-control-allow-headers: authorization, content-type/i);
  expect(first).not.toMatch(/allow-credentials/i);
  const second = await answer('GET', '/v1/stats', { Host: OURS, Origin: 'https://ops.example' });
  expect(second).toMatch(/^HTTP\/1\.1 200 /);
  expect(second).toMatch(/access-control-allow-origin: https:\/\/ops\.example\r\n/i);
  // The answer to the question is no answer to anything else.
  expect(await status('OPTIONS', '/v1/run', asked)).toBe(401);
  expect(await status('POST', '/v1/run', asked)).toBe(401);
});

test('a plain answer has none of the headers that are about origins', async () => {
  expect(await answer('GET', '/livez', { Host: OURS })).not.toMatch(/access-control/i);
});
