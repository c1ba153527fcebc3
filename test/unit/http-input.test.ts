import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { HttpRequest } from '../../src/http-types.js';
import { resolveOptions } from '../../src/options.js';
import { makeHttpSpec } from '../../src/specs/http.js';
import { requestProblem } from '../../src/specs/request-check.js';

const spec = makeHttpSpec();
const parse = (request: object) => spec.parse(request as HttpRequest);

/** What parse says against it; fails where it says nothing. */
function problem(request: object, parsing = parse): string {
  try {
    parsing(request);
  } catch (error) {
    expect(error).toBeInstanceOf(KeylaneError);
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
    return (error as Error).message;
  }
  throw new Error(`nothing is wrong with ${JSON.stringify(request)}`);
}

const ORIGIN = 'https://api.example';

test.each([
  ['', 'absolute URL'],
  ['api.example/x', 'absolute URL'],
  ['//api.example/x', 'absolute URL'],
  ['ftp://api.example/', 'not ftp:'],
  ['unix:/var/run/docker.sock', 'not unix:'],
  ['file:///etc/passwd', 'not file:'],
  ['javascript:alert(1)', 'not javascript:'],
  ['http://unix:/var/run/docker.sock:/x', 'a port after the colon'],
  ['http:api.example/x', 'name of a host'],
  ['http:/api.example/x', 'name of a host'],
  ['http:///api.example/x', 'name of a host'],
  ['https://?x', 'name of a host'],
  ['https://user:hunter22@api.example/', 'no user or password'],
  ['https://user@api.example/', 'no user or password'],
  ['https://@api.example/', 'no user or password'],
  ['https://api.example@evil.example/', 'no user or password'],
  ['https://api.example\\@evil.example/', 'U+005C'],
  ['https://api.example\t/x', 'U+0009'],
  ['https://api.example/a\r\nx-evil: 1', 'U+000D'],
  ['https://api.example/a b', 'U+0020'],
  [' https://api.example/', 'absolute URL'],
  ['https://api.example/\0', 'U+0000'],
  ['https://api.example/\u007f', 'U+007F'],
  ['https://api.example/\ud800', 'half of a surrogate pair'],
  ['https://api.example:99999/', 'its host or its port is none'],
  ['https://api.example:0/', 'port 0'],
  ['https://[::1/', 'its host or its port is none'],
  ['https://exa%00mple/', 'its host or its port is none'],
  ['https://127.0.0.1"/', 'its host or its port is none'],
  ['https://a..example/', 'its host or its port is none'],
  ['https://300.1.1.1/', 'its host or its port is none'],
] as const)('the URL %j is refused', (url, says) => {
  const told = problem({ url });
  expect(told).toMatch(/^http\.url: /);
  expect(told).toContain(says);
  expect(told).not.toContain('hunter22');
  // A batch's line and a service's request are refused by the same.
  expect(requestProblem('http', { url })).toContain(says);
});

test.each([
  ['HTTP://API.Example', 'http://api.example', '/'],
  ['https://api.example:443/a', 'https://api.example', '/a'],
  ['https://api.example:8443/a?b#c', 'https://api.example:8443', '/a?b'],
  ['https://bücher.example/ü?q=ü', 'https://xn--bcher-kva.example', '/%C3%BC?q=%C3%BC'],
  ['http://0x7f.1/', 'http://127.0.0.1', '/'],
  ['http://[0:0::1]:8080/', 'http://[::1]:8080', '/'],
  ['https://api.example/a/../b/./c', 'https://api.example', '/b/c'],
  ['https://api.example/a/%2e%2E/b', 'https://api.example', '/b'],
  ['https://api.example/%00?%0d%0a', 'https://api.example', '/%00?%0d%0a'],
  ['https://api.example?x=1', 'https://api.example', '/?x=1'],
])('the key of %s is %s', (url, key, path) => {
  for (let i = 0; i < 2; i++) {
    const parsed = parse({ url });
    const found = [parsed.key, parsed.request.path, parsed.target];
    expect(found).toEqual([key, path, { origin: key }]);
  }
});

test.each([
  ['get', 'write GET'],
  ['Post', 'write POST'],
  ['GET /x HTTP/1.1\r\nx: y', 'expected a method'],
  ['', 'expected a method'],
  ['CONNECT', 'tunnel'],
] as const)('the method %j is refused', (method, says) => {
  expect(problem({ url: ORIGIN, method })).toContain(`http.method: `);
  expect(problem({ url: ORIGIN, method })).toContain(says);
});

test.each([
  [{ 'x-a': 'b\r\nx-evil: 1' }, 'x-a: must hold no line break'],
  [{ 'x-a': 'b\nc' }, 'x-a: must hold no line break'],
  [{ 'x-a': ['fine', 'a\0'] }, 'x-a: must hold no line break and no NUL'],
  [{ 'x-a': 'a\u001b[2J' }, 'control character'],
  [{ 'x-a': 'grün€' }, 'ISO 8859-1'],
  [{ 'x-a': ' padded' }, 'white space'],
  [{ 'x a': 'b' }, 'no name of a header'],
  [{ 'x-a\r\nx-evil': 'b' }, 'no name of a header'],
  [{ '': 'b' }, 'no name of a header'],
  [{ ':path': '/x' }, 'no name of a header'],
  [{ Host: 'other.example' }, 'host may not be said'],
  [{ 'Content-Length': '5' }, 'counted from the body'],
  [{ 'transfer-encoding': 'chunked' }, 'where a body ends'],
  [{ Connection: 'close' }, 'the connection, which is shared'],
  [{ upgrade: 'websocket' }, 'the connection, which is shared'],
  [{ 'Proxy-Authorization': 'Basic secret' }, 'proxyPassword'],
  [{ 'x-a': '1', 'X-A': '2' }, 'x-a is there twice'],
  [Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'y'])), 'at most 256 headers'],
  [{ 'x-a': 'y'.repeat(70_000) }, 'at most 64 KiB'],
  [{ 'x-a': 1 }, 'expected a string'],
])('headers, number %#, are refused', (headers, says) => {
  expect(problem({ url: ORIGIN, headers })).toContain(says);
});

test('a value of a header, a body and a URL are in no message', () => {
  const secret = 'hunter22';
  for (const request of [
    { url: ORIGIN, headers: { authorization: `${secret}\n` } },
    { url: ORIGIN, headers: { authorization: [secret, 1] } },
    { url: `${ORIGIN}/?key=${secret} `, headers: {} },
    { url: ORIGIN, body: { [secret]: 1 } },
    { url: ORIGIN, bearer: secret },
    { url: ORIGIN, proxy: `http://u:${secret}@proxy.example` },
  ])
    expect(problem(request)).not.toContain(secret);
});

test.each([
  [{ body: 'a', json: {} }, 'http.json: expected `body` or `json`'],
  [{ method: 'GET', body: 'a' }, 'http.body: GET carries no body'],
  [{ method: 'HEAD', json: 1 }, 'http.json: HEAD carries no body'],
  [{ json: () => 1 }, 'nothing that JSON has'],
  [{ body: { base64: '?' } }, 'http.body: expected a string, bytes'],
  [{ body: { a: 1 } }, 'expected a string, bytes (Uint8Array)'],
  [{ body: 'x'.repeat((16 << 20) + 1) }, 'at most 16 MiB'],
  [{ bearer: 'secret' }, 'http.bearer: expected a reference'],
  [{ bearer: 'env:T', headers: { Authorization: 'x' } }, 'not both'],
  [{ redirects: 21 }, 'http.redirects'],
  [{ maxBodyBytes: -1 }, 'http.maxBodyBytes'],
  [{ encoding: 'base64' }, 'http.encoding'],
  [{ uri: 'x' }, 'http.uri: unknown field; did you mean `url`?'],
  [{ cert: '/c.pem' }, 'http.key: expected the private key'],
  [{ key: 'env:K' }, 'http.cert: expected the certificate'],
  [{ proxy: 'socks5://p.example' }, 'http.proxy: expected http://'],
  [{ proxy: 'http://p.example/x' }, 'nothing after its port'],
  [{ proxy: 'http://p.example', proxyPassword: 'env:P' }, 'names a user'],
])('a request, number %#, is refused', (more, says) => {
  expect(problem({ url: ORIGIN, ...more })).toContain(says);
});

test('what JSON cannot hold is refused', () => {
  expect(problem({ url: ORIGIN, json: 1n })).toContain('http.json: ');
});

test('what is asked crosses the wall as it is sent', () => {
  expect(parse({ url: ORIGIN }).request).toEqual({ method: 'GET', path: '/', maxBodyBytes: 1_048_576, redirects: 5 });
  const json = parse({ url: ORIGIN, json: { a: [1] }, redirects: 0, maxBodyBytes: 10, encoding: 'buffer' });
  expect(json.request).toEqual({
    ...{ method: 'POST', path: '/', maxBodyBytes: 10, binary: true, body: '{"a":[1]}' },
    headers: ['content-type', 'application/json'],
  });
  const own = parse({ url: ORIGIN, json: null, headers: { 'Content-Type': 'application/x-y+json' }, method: 'PUT' });
  expect(own.request).toMatchObject({ method: 'PUT', body: 'null', headers: ['content-type', 'application/x-y+json'] });
  const bytes = parse({ url: ORIGIN, body: { base64: 'AP8=' }, bearer: 'env:T', events: true });
  expect(bytes.request).toMatchObject({ method: 'POST', body: Buffer.from([0, 255]), bearer: 'env:T', events: true });
  const lists = parse({ url: ORIGIN, headers: { 'X-B': ['1', '2'], 'x-a': '0' } });
  expect(lists.request.headers).toEqual(['x-a', '0', 'x-b', '1', 'x-b', '2']);
});

test('a proxy and credentials are a part of the lane, and the key stays the origin', () => {
  const more = { proxy: 'http://me%40x@[::1]:3128', proxyPassword: 'env:P', ca: '/ca.pem', http2: true };
  const { key, lane, target } = parse({ url: ORIGIN, ...more, cert: '/c.pem', key: 'file:/k', servername: 'other' });
  expect(key).toBe(ORIGIN);
  expect(target).toEqual({
    ...{ origin: ORIGIN, ca: '/ca.pem', http2: true, cert: '/c.pem', key: 'file:/k', servername: 'other' },
    proxy: { host: '::1', port: 3128, user: 'me@x', password: 'env:P' },
  });
  const lanes = new Set([lane, parse({ url: ORIGIN }).lane, parse({ url: ORIGIN, ...more }).lane]);
  expect(lanes.size).toBe(3);
  // What is about encryption has no place where there is none.
  const plain = parse({ url: 'http://api.example', ca: '/ca.pem', http2: true });
  expect(plain.target).toEqual({ origin: 'http://api.example' });
});

test('a secret goes with what it is for: a request that names its own proxy gets no password of another', () => {
  const options = {
    proxy: 'http://me@corp.example:3128',
    proxyPassword: 'env:P',
    cert: '/c',
    key: 'env:K',
    passphrase: 'env:Q',
  };
  const own = makeHttpSpec(options);
  expect(own.parse({ url: ORIGIN }).target).toMatchObject({ proxy: { password: 'env:P' }, passphrase: 'env:Q' });
  const { target } = own.parse({ url: ORIGIN, proxy: 'http://me@evil.example', cert: '/d', key: 'env:L' });
  expect(target).toEqual({
    ...{ origin: ORIGIN, cert: '/d', key: 'env:L' },
    proxy: { host: 'evil.example', port: 80, user: 'me' },
  });
});

test('a configured origin is reached as the configuration says, and no request says another thing', () => {
  const own = makeHttpSpec({ connections: 4, origins: { [ORIGIN]: { cert: '/c', key: 'env:K', connections: 7 } } });
  expect(own.parse({ url: `${ORIGIN}/x` }).target).toEqual({
    origin: ORIGIN,
    cert: '/c',
    key: 'env:K',
    connections: 7,
  });
  expect(own.parse({ url: 'https://api.example:8443/x' }).target).toEqual({
    origin: 'https://api.example:8443',
    connections: 4,
  });
  expect(problem({ url: `${ORIGIN}/x`, proxy: 'http://evil.example' }, (request) => own.parse(request as never))).toBe(
    `http.proxy: how ${ORIGIN} is reached is configured (http.origins); leave the field out`,
  );
});

test.each([
  [{ origins: { 'https://api.example/': {} } }, 'https://api.example'],
  [{ origins: { 'api.example': {} } }, 'absolute URL'],
  [{ origins: { 'https://API.example': {} } }, 'nothing else: https://api.example'],
  [{ origins: { [ORIGIN]: { key: 'env:K' } } }, 'expected the certificate'],
  [{ deny: ['10.0.0.1/8'] }, '10.0.0.0/8'],
  [{ deny: 'public' }, 'private'],
  [{ allow: ['private'] }, 'expected a network'],
  [{ deny: Array.from({ length: 300 }, (_, i) => `10.0.${i % 256}.0/24`) }, 'at most 256'],
])('the option http, number %#, is refused', (http, says) => {
  expect(() => resolveOptions({ http } as never)).toThrow(says);
});

test('networks are denied before anything is connected to, where the URL says an address', () => {
  const own = makeHttpSpec({ deny: 'private', allow: ['10.1.0.0/16'], origins: { 'http://127.0.0.1:81': {} } });
  for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '017700000001', '[::1]', '[::ffff:7f00:1]', '10.2.0.1'])
    expect(() => own.parse({ url: `http://${host}/` })).toThrow(expect.objectContaining({ code: 'ERR_DENIED' }));
  expect(own.parse({ url: 'http://127.0.0.1:81/' }).target).toEqual({ origin: 'http://127.0.0.1:81' });
  const policy = { deny: 'private', allow: ['10.1.0.0/16'] };
  expect(own.parse({ url: 'http://10.1.2.3/' }).target).toMatchObject(policy);
  expect(own.parse({ url: 'http://localhost/' }).target).toMatchObject(policy);
  // Named by the request, a proxy is what is connected to; of the configuration, it may be where it likes.
  expect(own.parse({ url: ORIGIN, proxy: 'http://proxy.example' }).target).toMatchObject(policy);
  const behind = makeHttpSpec({ deny: 'private', proxy: 'http://10.9.9.9:3128' });
  expect(behind.parse({ url: ORIGIN }).target).toEqual({ origin: ORIGIN, proxy: { host: '10.9.9.9', port: 3128 } });
  expect(() => behind.parse({ url: 'http://127.0.0.1' })).toThrow(/127\.0\.0\.0\/8 \(private\)/);
});
