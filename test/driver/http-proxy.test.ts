import { createServer, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../support/certificates.js';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.js';
import { HttpHarness, startRawOrigin, thrown } from '../support/http-harness.js';
import { freePort, portOf } from '../support/ports.js';

const http = new HttpHarness();
const authority = new Authority();
const servers: { close(call: () => void): unknown; closeAllConnections(): void }[] = [];
let proxy: ConnectProxy;
let guarded: ConnectProxy;
let plain: string;
let secure: string;

beforeAll(async () => {
  const { key, cert } = authority.issue('web', ['DNS:web.example']);
  const answer: Parameters<typeof createServer>[1] = (asked, says) => {
    says.end(JSON.stringify([asked.method, asked.url, asked.headers.host, asked.headers['proxy-authorization']]));
  };
  const listen = async (server: Server | ReturnType<typeof createHttps>) => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return portOf(server);
  };
  const plainPort = await listen(createServer(answer));
  const securePort = await listen(createHttps({ key, cert }, answer));
  plain = `http://web.example:${plainPort}`;
  secure = `https://web.example:${securePort}`;
  const nowhere = await freePort(['127.0.0.1']);
  const to = (host: string) => ({ host: '127.0.0.1', port: host === 'nowhere.example' ? nowhere : 0 });
  const places = (host: string) => (host === 'web.example' ? undefined : to(host));
  proxy = await startConnectProxy({ to: (host) => places(host) ?? { host: '127.0.0.1', port: securePort } });
  guarded = await startConnectProxy({ user: 'ann:s3cret', to: () => ({ host: '127.0.0.1', port: plainPort }) });
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await proxy.stop();
  await guarded.stop();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(resolve));
  }
  authority.remove();
});

const through = (port: number, more = {}) => ({ proxy: { host: '127.0.0.1', port, ...more } });
const secret = { secret: (name: string) => (name === 'env:PW' ? 's3cret' : 'wrong') };

test('https goes through a tunnel; the proxy looks the name up, and TLS is with the origin', async () => {
  const { run, context } = await http.open({ origin: secure, ca: authority.ca.certPath, ...through(proxy.port) });
  const { body, url } = await run({ path: '/a?b' });
  expect(JSON.parse(body as string)).toEqual(['GET', '/a?b', secure.slice(8), null]);
  expect(url).toBe(`${secure}/a?b`);
  expect(proxy.asked.at(-1)).toBe(`CONNECT ${secure.slice(8)}`);
  expect(context.asked).toEqual([]);
});

test('http is passed on by the proxy, which is told who asks; the origin is not', async () => {
  const target = { origin: plain, ...through(guarded.port, { user: 'ann', password: 'env:PW' }) };
  const { run } = await http.open(target, secret);
  for (const path of ['/a', '/b']) {
    const { body, url } = await run({ path, headers: ['x', 'y'] });
    expect(JSON.parse(body as string)).toEqual(['GET', path, plain.slice(7), null]);
    expect(url).toBe(plain + path);
  }
  expect(guarded.asked.at(-1)).toBe(`GET ${plain}/b Basic ${Buffer.from('ann:s3cret').toString('base64')}`);
});

test('a proxy that does not know us is ERR_AUTH, and names itself', async () => {
  const wrong = through(guarded.port, { user: 'ann', password: 'env:OTHER' });
  const key = `127.0.0.1:${guarded.port}`;
  const refused = {
    code: 'ERR_AUTH',
    outcome: 'not_started',
    key,
    message: expect.stringMatching(/refused who we are \(407\).*`proxyPassword`/),
  };
  expect(await thrown(http.open({ origin: secure, ...wrong }, secret))).toMatchObject(refused);
  const { run } = await http.open({ origin: plain, ...wrong }, secret);
  expect(await thrown(run())).toMatchObject(refused);
});

test('a proxy that cannot reach the origin says so, printably', async () => {
  const error = await thrown(http.open({ origin: 'https://nowhere.example', ...through(proxy.port) }));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', key: `127.0.0.1:${proxy.port}` });
  expect(error.message).toBe(
    `https://nowhere.example: proxy 127.0.0.1:${proxy.port}: no tunnel: it said 502 Bad? Gateway`,
  );
});

test('a proxy’s own address, and an address that it would be asked for, are held to the policy', async () => {
  const before = proxy.asked.length;
  const denied = { code: 'ERR_DENIED', outcome: 'not_started' };
  expect(await thrown(http.open({ origin: secure, ...through(proxy.port), deny: 'private' }))).toMatchObject(denied);
  const inner = {
    origin: 'https://169.254.169.254',
    ...through(proxy.port),
    deny: 'private',
    allow: ['127.0.0.1/32'],
  } as const;
  expect(await thrown(http.open(inner))).toMatchObject(denied);
  expect(proxy.asked).toHaveLength(before);
});

test.each([
  ['closes', undefined, /closed the connection in place of an answer/],
  ['speaks something else', 'SSH-2.0-x\r\n\r\n', /does not speak HTTP/],
  ['does not end its answer', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(4_000)}`, /more than 16384 bytes and no end/],
  ['speaks for the origin', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK', /says more than that the tunnel is open/],
])('a proxy that %s is none', async (_what, says, expected) => {
  const peer = await startRawOrigin((socket) => (says === undefined ? socket.destroy() : socket.write(says)));
  try {
    expect(await thrown(http.open({ origin: secure, ...through(peer.port) }))).toMatchObject({
      code: 'ERR_CONNECT',
      outcome: 'not_started',
      message: expect.stringMatching(expected),
    });
  } finally {
    await peer.stop();
  }
});

test('a proxy that says nothing is not waited for beyond the deadline', async () => {
  const peer = await startRawOrigin(() => {});
  try {
    const opening = http.open({ origin: secure, ...through(peer.port) }, {}, 300);
    expect(await thrown(opening)).toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringMatching(/the proxy did not open a tunnel within/),
    });
  } finally {
    await peer.stop();
  }
});
