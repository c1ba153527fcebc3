import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEngine, type Engine, type HttpRequest } from 'keylane';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { failure } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { SSRF_URLS } from '../support/ssrf-corpus.js';

/** A server that notes what it was asked, with the body. */
class Peer {
  readonly asked: {
    method: string | undefined;
    url: string | undefined;
    headers: IncomingMessage['headers'];
    body: string;
  }[] = [];
  answer: (asked: IncomingMessage, answer: ServerResponse) => void = (_, answer) => answer.end('here');
  readonly server = createServer(async (asked, answer) => {
    let body = '';
    for await (const piece of asked) body += piece;
    const { method, url, headers } = asked;
    this.asked.push({ method, url, headers, body });
    this.answer(asked, answer);
  });

  async listen(host: string, port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, host, resolve));
  }

  get origin(): string {
    const { address, port } = this.server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const [a, b] = [new Peer(), new Peer()];
let engine: Engine;
beforeAll(async () => {
  process.env.KEYLANE_TEST_TOKEN = 'hunter22';
  await Promise.all([a.listen('127.0.0.2'), b.listen('127.0.0.3')]);
  engine = await createEngine({ shards: 2 });
});
afterAll(() => Promise.all([engine.close(), a.stop(), b.stop()]));
beforeEach(() => {
  for (const peer of [a, b]) {
    peer.asked.length = 0;
    peer.answer = (_, answer) => answer.end('here');
  }
});

/** Answers that lead on, by path; what is not there is answered. */
function leads(peer: Peer, ways: Record<string, [status: number, location: string]>): void {
  peer.answer = ({ url = '' }, answer) => {
    const [status, location] = ways[url] ?? [200, undefined];
    answer.writeHead(status, location === undefined ? {} : { location }).end(`${status} of ${url}`);
  };
}

const run = (request: HttpRequest) => engine.result('http', request);

test('a redirect is followed on its own origin and to another, and the response says the way', async () => {
  leads(a, { '/1': [302, '/2?x'], '/2?x': [301, `${b.origin}/3#part`] });
  const { response, outcome } = await run({ url: `${a.origin}/1` });
  expect({ outcome, ...response, headers: undefined }).toEqual({
    ...{ outcome: 'ok', status: 200, body: 'here', truncated: false, headers: undefined },
    ...{ url: `${b.origin}/3`, redirected: [`${a.origin}/1`, `${a.origin}/2?x`] },
  });
  expect([a.asked.map(({ url }) => url), b.asked.map(({ url }) => url)]).toEqual([['/1', '/2?x'], ['/3']]);
});

test('after 303 it is asked for by GET; after 307 sent again as it was, to another origin without credentials', async () => {
  leads(a, { '/see': [303, '/result'], '/same': [307, '/there'], '/other': [308, `${b.origin}/there`] });
  const headers = { 'content-type': 'text/x', authorization: 'me', cookie: 'c=1', 'x-api-key': 'k', accept: 'text/y' };
  const post = (path: string) => run({ url: a.origin + path, body: 'data', headers });
  expect((await post('/see')).response?.body).toBe('200 of /result');
  expect(a.asked[1]).toMatchObject({ method: 'GET', url: '/result', body: '' });
  expect(a.asked[1]?.headers['content-type']).toBeUndefined();
  await post('/same');
  expect(a.asked[3]).toMatchObject({ method: 'POST', url: '/there', body: 'data', headers });
  await post('/other');
  expect(b.asked[0]).toMatchObject({
    method: 'POST',
    body: 'data',
    headers: { accept: 'text/y', 'content-type': 'text/x' },
  });
  for (const name of ['authorization', 'cookie', 'x-api-key']) expect(b.asked[0]?.headers[name]).toBeUndefined();
});

test('a bearer stays with its origin', async () => {
  leads(a, { '/1': [302, '/2'], '/2': [302, `${b.origin}/3`] });
  leads(b, { '/3': [302, `${a.origin}/4`] });
  await run({ url: `${a.origin}/1`, bearer: 'env:KEYLANE_TEST_TOKEN' });
  const shown = [...a.asked, ...b.asked].map(({ url, headers }) => [url, headers.authorization]);
  expect(shown).toEqual([
    ['/1', 'Bearer hunter22'],
    ['/2', 'Bearer hunter22'],
    ['/4', undefined],
    ['/3', undefined],
  ]);
});

test('a loop ends where it may go no further, with the way in the error', async () => {
  leads(a, { '/x': [302, '/y'], '/y': [302, '/x'] });
  const error = await failure(engine.run('http', { url: `${a.origin}/x`, redirects: 3 }));
  expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'not_started', retryable: false });
  const [x, y] = [`${a.origin}/x`, `${a.origin}/y`];
  expect(error.message).toBe(`${x} → ${y} → ${x} → ${y} leads on, after 3 redirects`);
  expect(a.asked).toHaveLength(4);
  const first = await run({ url: `${a.origin}/x`, redirects: 0 });
  expect(first).toMatchObject({ outcome: 'failed', response: { status: 302, headers: { location: '/y' } } });
});

test('where the next one cannot be reached, its own failure is told, and that something was asked before', async () => {
  const closed = `http://127.0.0.4:${await freePort(['127.0.0.4'])}`;
  leads(a, { '/1': [307, `${closed}/2`] });
  expect(await failure(engine.run('http', { url: `${a.origin}/1` }))).toMatchObject({
    ...{ code: 'ERR_CONNECT', outcome: 'not_started', key: closed },
  });
  const post = await failure(engine.run('http', { url: `${a.origin}/1`, method: 'POST', body: 'x' }));
  expect(post).toMatchObject({ code: 'ERR_CONNECT', outcome: 'unknown', retryable: false });
});

test('a stream hands out nothing of the answers that led to the last one', async () => {
  leads(a, { '/1': [302, `${b.origin}/2`] });
  b.answer = (_, answer) => answer.end('the end');
  const stream = engine.stream('http', { url: `${a.origin}/1` });
  let text = '';
  for await (const { data } of stream) text += data;
  expect(text).toBe('the end');
  expect(await stream.response).toMatchObject({ status: 200, body: '', url: `${b.origin}/2` });
});

test('what was written to a stream is sent to nobody else, and the stream says so', async () => {
  leads(a, { '/1': [307, `${b.origin}/2`], '/3': [303, `${b.origin}/4`] });
  const written = async (path: string) => {
    const stream = engine.stream('http', { url: a.origin + path, method: 'POST' });
    const over = stream.response;
    await stream.write('data');
    stream.end();
    return over;
  };
  expect(await failure(written('/1'))).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown', key: a.origin });
  expect(b.asked).toEqual([]);
  expect(await written('/3')).toMatchObject({ status: 200, url: `${b.origin}/4` });
  expect(a.asked.at(-1)?.body).toBe('data');
});

test('an answer is remembered by what was asked, wherever it led', async () => {
  leads(a, { '/list': [302, `${b.origin}/list`] });
  const ask = () => engine.result('http', { url: `${a.origin}/list` }, { cache: { ttlMs: 60_000 } });
  const [first, second] = [await ask(), await ask()];
  expect(second.response?.body).toBe(first.response?.body);
  expect(b.asked).toHaveLength(1);
});

test('"not now" is heard: what may be sent twice is sent again when the server says, and nothing else is', async () => {
  for (const [method, times] of [
    ['GET', 2],
    ['PUT', 2],
    ['POST', 1],
  ] as const) {
    a.asked.length = 0;
    a.answer = (_, answer) => {
      if (a.asked.length === 1) answer.writeHead(503, { 'retry-after': '0' }).end();
      else answer.end('now');
    };
    const body = method === 'GET' ? {} : { body: 'x' };
    const { outcome, attempts } = await engine.result(
      'http',
      { url: `${a.origin}/${method}`, method, ...body },
      { attempts: 3 },
    );
    expect([method, a.asked.length, attempts, outcome]).toEqual([method, times, times, times === 2 ? 'ok' : 'failed']);
  }
});

test('no redirect leads to a network that is denied, by any of 150 URLs, whatever hop it is', async () => {
  const inside = new Peer();
  const port = await freePort(['127.0.0.1']);
  await inside.listen('127.0.0.1', port);
  let to = '';
  a.answer = ({ url }, answer) => answer.writeHead(302, { location: url === '/1' ? '/2' : to }).end();
  const wary = await createEngine({ shards: 1, http: { deny: 'private', allow: ['127.0.0.2'] } });
  try {
    for (const url of SSRF_URLS) {
      to = url.replaceAll('{port}', `${port}`);
      // No header holds anything else.
      if (!/^[\x20-\x7e]*$/.test(to)) continue;
      const { error, response, outcome } = await wary.result('http', { url: `${a.origin}/1` });
      // Relative to the allowed one it is one of its own pages, which leads on for ever.
      const code = error?.code ?? `${outcome} ${response?.status}`;
      expect(['ERR_DENIED', 'ERR_PROTOCOL', 'ERR_DNS', 'ERR_INPUT'], to).toContain(code);
    }
    expect(inside.asked).toEqual([]);
    // It would have been seen.
    to = `http://127.0.0.1:${port}/`;
    expect((await run({ url: `${a.origin}/1` })).response).toMatchObject({ status: 200, url: to });
    expect(inside.asked).toHaveLength(1);
  } finally {
    await wary.close();
    await inside.stop();
  }
});
