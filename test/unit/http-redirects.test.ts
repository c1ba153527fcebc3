import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { HttpOptions, HttpRequest, HttpResponse } from '../../src/http-types.js';
import type { HttpOrder, HttpTarget } from '../../src/specs/http.js';
import { makeHttpSpec } from '../../src/specs/http.js';
import type { Parsed } from '../../src/types.js';

const answer = (status: number, location?: string): HttpResponse => ({
  ...{ status, headers: location === undefined ? {} : { location }, body: '', truncated: false, url: '' },
});

/** What the request leads on to, one answer after another. */
function led(
  request: HttpRequest,
  options: HttpOptions,
  ...answers: [number, string?][]
): Parsed<HttpOrder> | undefined {
  const spec = makeHttpSpec(options);
  let parsed: Parsed<HttpOrder> | undefined = spec.parse(request);
  for (const [status, location] of answers) parsed = parsed && spec.follow?.(answer(status, location), parsed);
  return parsed;
}

function refusal(...args: Parameters<typeof led>): KeylaneError {
  try {
    led(...args);
  } catch (error) {
    if (error instanceof KeylaneError) return error;
    throw error;
  }
  throw new Error('it was followed');
}

const A = 'https://a.example';
const B = 'https://b.example';

test.each([
  [301, 'POST', 'GET'],
  [302, 'POST', 'GET'],
  [303, 'POST', 'GET'],
  [307, 'POST', 'POST'],
  [308, 'POST', 'POST'],
  [301, 'PUT', 'PUT'],
  [303, 'PUT', 'GET'],
  [303, 'DELETE', 'GET'],
  [301, 'HEAD', 'HEAD'],
  [303, 'HEAD', 'HEAD'],
  [302, 'GET', 'GET'],
])('after %i a %s is a %s', (status, method, becomes) => {
  const body = method === 'GET' || method === 'HEAD' ? {} : { body: 'x', headers: { 'content-type': 'text/plain' } };
  const next = led({ url: `${A}/1`, method, ...body }, {}, [status, '/2']);
  expect(next?.request.method).toBe(becomes);
  expect([next?.request.body, next?.request.headers]).toEqual(
    becomes === method && 'body' in body ? ['x', ['content-type', 'text/plain']] : [undefined, undefined],
  );
});

test('a place that is written in UTF-8 is that one, and what cannot be UTF-8 is latin1', () => {
  const asCame = (text: string) => Buffer.from(text).toString('latin1');
  expect(led({ url: A }, {}, [302, asCame('/é?ж')])?.request.path).toBe('/%C3%A9?%D0%B6');
  expect(led({ url: A }, {}, [302, '/caf\u00e9'])?.request.path).toBe('/caf%C3%A9');
});

test.each([200, 300, 304, 305, 306, 399, 401])('an answer %i leads nowhere', (status) => {
  expect(led({ url: A }, {}, [status, '/x'])).toBeUndefined();
});

test('without a location an answer leads nowhere, nor where no redirect is to be followed', () => {
  expect(led({ url: A }, {}, [302])).toBeUndefined();
  expect(led({ url: A, redirects: 0 }, {}, [302, '/x'])).toBeUndefined();
  expect(led({ url: A }, { redirects: 0 }, [302, '/x'])).toBeUndefined();
});

test.each([
  ['/x?y#z', `${A}`, '/x?y'],
  ['x', `${A}`, '/dir/x'],
  ['?q', `${A}`, '/dir/page?q'],
  ['../x', `${A}`, '/x'],
  ['//b.example/x', B, '/x'],
  [`${A}:8443/x`, `${A}:8443`, '/x'],
  [` ${B}/ü `, B, '/%C3%BC'],
])('from /dir/page, %s leads to %s%s', (location, key, path) => {
  const next = led({ url: `${A}/dir/page#old` }, {}, [302, location]);
  expect([next?.key, next?.request.path, (next?.target as HttpTarget | undefined)?.origin]).toEqual([key, path, key]);
});

test('on the same origin a redirect keeps the lane, the credentials and the rest', () => {
  const first = makeHttpSpec().parse({
    url: `${A}/1`,
    headers: { cookie: 'c', 'x-key': 'k' },
    bearer: 'env:T',
    ca: '/ca',
  });
  const next = led(
    { url: `${A}/1`, headers: { cookie: 'c', 'x-key': 'k' }, bearer: 'env:T', ca: '/ca' },
    {},
    ...[[302, '/2'] as [number, string]],
  );
  expect([next?.lane, next?.target]).toEqual([first.lane, first.target]);
  expect(next?.request).toEqual({
    ...{ method: 'GET', path: '/2', headers: ['cookie', 'c', 'x-key', 'k'], bearer: 'env:T', maxBodyBytes: 1_048_576 },
    ...{ redirects: 4, redirected: [`${A}/1`] },
  });
});

test.each([
  ['another host', B],
  ['another port', `${A}:8443`],
  ['another scheme', A],
])('credentials do not go to %s, nor back again from there', (_, other) => {
  const url = other === A ? 'http://a.example/' : `${A}/`;
  const headers = {
    ...{ authorization: 'a', cookie: 'c', 'x-api-key': 'k', 'private-token': 'p', referer: 'r', origin: 'o' },
    ...{ accept: 'text/plain', 'user-agent': 'me', 'content-type': 'text/plain' },
  };
  const request = { url, method: 'POST', body: 'b', headers };
  const safe = ['accept', 'text/plain', 'content-type', 'text/plain', 'user-agent', 'me'];
  const there = led(request, {}, [307, `${other}/x`]);
  expect(there?.request).toMatchObject({ method: 'POST', body: 'b', headers: safe });
  const back = other === A ? there : led(request, {}, [307, `${other}/x`], [307, url]);
  expect(back?.request.headers).toEqual(safe);
  const bearer = led({ url, bearer: 'env:T' }, {}, [302, `${other}/x`]);
  expect(bearer?.request.bearer).toBeUndefined();
});

test('of how it was reached, only what is no credential goes along to another origin', () => {
  const request = {
    ...{ url: A, proxy: 'http://me@proxy.example:3128', proxyPassword: 'env:P', ca: '/ca', http2: true },
    ...{ cert: '/c', key: 'env:K', passphrase: 'env:Q', servername: 'other' },
  };
  const proxy = { host: 'proxy.example', port: 3128, user: 'me', password: 'env:P' };
  expect(led(request, {}, [302, B])?.target).toEqual({ origin: B, proxy, ca: '/ca', http2: true });
});

test("a configured origin's access is for it alone, and another's is used when it is led to", () => {
  const origins = { [A]: { cert: '/a', key: 'env:A', ca: '/ca-a', proxy: 'http://p.example' }, [B]: { ca: '/ca-b' } };
  expect(led({ url: A }, { origins }, [302, 'https://c.example'])?.target).toEqual({ origin: 'https://c.example' });
  expect(led({ url: A }, { origins }, [302, B])?.target).toEqual({ origin: B, ca: '/ca-b' });
  const to = led({ url: 'https://c.example', ca: '/mine' }, { origins }, [302, A])?.target;
  expect(to).toEqual({
    ...{ origin: A, cert: '/a', key: 'env:A', ca: '/ca-a', proxy: { host: 'p.example', port: 80 } },
  });
});

test('each hop is held to the networks that are denied', () => {
  const options: HttpOptions = { deny: 'private', origins: { 'http://10.0.0.1': {}, 'http://10.0.0.2': {} } };
  for (const to of ['http://127.0.0.1/', 'http://[::ffff:a9fe:a9fe]/', '//0x7f000001/', 'http://10.0.0.1/']) {
    const error = refusal({ url: 'http://c.example/' }, options, [302, 'http://d.example/'], [302, to]);
    expect(error).toMatchObject({ code: 'ERR_DENIED', outcome: 'not_started', retryable: false });
    expect(error.message).toMatch(/^http:\/\/c\.example\/ → http:\/\/d\.example\/ leads to .* lies in .* \(private\)/);
  }
  expect(led({ url: 'http://c.example/' }, options, [302, 'http://d.example/'])?.target).toMatchObject({
    deny: 'private',
  });
  // The configuration frees its origins for those who name them, and for one another.
  expect(led({ url: 'http://10.0.0.1/' }, options, [302, 'http://10.0.0.2/'])?.target).toEqual({
    origin: 'http://10.0.0.2',
  });
  expect(refusal({ url: 'http://10.0.0.1/' }, options, [302, 'http://10.0.0.3/']).code).toBe('ERR_DENIED');
  const out = led({ url: 'http://10.0.0.1/' }, options, [302, 'http://c.example/']);
  expect(out?.target).toMatchObject({ deny: 'private' });
});

test('from https nothing leads to http', () => {
  const error = refusal({ url: `${A}/x?secret` }, {}, [302, 'http://a.example/y?secret']);
  expect(error).toMatchObject({ code: 'ERR_DENIED', outcome: 'not_started', retryable: false });
  expect(error.message).toBe(
    'https://a.example/x leads from https to http://a.example/y: ask for that itself if it is meant',
  );
  expect(led({ url: 'http://a.example' }, {}, [301, A])?.key).toBe(A);
});

test.each([
  'ftp://x/',
  'file:///etc/passwd',
  'unix:/x',
  'http://',
  'https://u:hunter22@b.example/',
  '//u@b.example/',
  'https://b.example:0/',
])('a redirect to %s is refused', (to) => {
  const error = refusal({ url: A }, {}, [302, to]);
  expect(error).toMatchObject({ code: 'ERR_PROTOCOL', retryable: false, key: A });
  expect(error.message).toMatch(/^https:\/\/a\.example\/ leads to a place that cannot be asked for: /);
  expect(error.message).not.toContain('hunter22');
});

test('past the limit the error shows the way', () => {
  const hops = [1, 2, 3].map((i): [number, string] => [302, `/${i}?token=hunter22`]);
  const { message, code, outcome } = refusal({ url: `${A}/0`, redirects: 2 }, {}, ...hops);
  expect({ message, code, outcome }).toEqual({
    message: `${A}/0 → ${A}/1 → ${A}/2 leads on, after 2 redirects`,
    ...{ code: 'ERR_PROTOCOL', outcome: 'not_started' },
  });
});

test('what may have changed something is unknown where it leads astray, and is not sent twice', () => {
  const post = { url: A, method: 'POST', body: 'x' };
  expect(refusal(post, {}, [307, 'ftp://x/']).outcome).toBe('unknown');
  expect(refusal(post, {}, [303, '/done'], [302, 'ftp://x/']).outcome).toBe('unknown');
  expect(led(post, {}, [303, '/done'])?.idempotent).toBe(false);
  expect(led({ url: A }, {}, [302, '/x'])?.idempotent).toBe(true);
});

test.each([
  ['GET', 429, { 'retry-after': '7' }, 7_000],
  ['PUT', 503, { 'retry-after': '0' }, 0],
  ['GET', 503, { 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT', date: 'Sun, 06 Nov 1994 08:49:07 GMT' }, 30_000],
  ['GET', 503, { 'retry-after': 'Sunday, 06-Nov-94 08:49:37 GMT', date: 'Sun, 06 Nov 1994 08:49:07 GMT' }, 30_000],
  ['GET', 503, { 'retry-after': 'Sun Nov  6 08:49:37 1994', date: 'Sun Nov  6 08:49:38 1994' }, 0],
  ['GET', 503, { 'retry-after': ['5', '6'] }, 5_000],
  ['GET', 503, {}, undefined],
  ['GET', 503, { 'retry-after': '-1' }, undefined],
  ['GET', 503, { 'retry-after': 'soon' }, undefined],
  ['GET', 500, { 'retry-after': '7' }, undefined],
  ['POST', 429, { 'retry-after': '7' }, undefined],
  ['PATCH', 503, { 'retry-after': '7' }, undefined],
] as const)('%s answered %i with %j may be sent again after %s ms', (method, status, headers, ms) => {
  const spec = makeHttpSpec();
  const parsed = spec.parse({ url: A, method });
  expect(parsed.idempotent).toBe(method !== 'POST' && method !== 'PATCH');
  expect(spec.again?.({ ...answer(status), headers } as HttpResponse, parsed)).toBe(ms);
});
