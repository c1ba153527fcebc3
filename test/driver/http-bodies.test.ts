import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import { NOT_MODIFIED } from '../../src/types.js';
import { FakeExecute } from '../support/driver-context.js';
import { HttpHarness, startRawOrigin, thrown } from '../support/http-harness.js';
import { portOf } from '../support/ports.js';

const MIB = 1 << 20;
const http = new HttpHarness();
let server: Server;
let origin: string;
/** What the next requests are answered with. */
let answers: (asked: IncomingMessage, answer: ServerResponse) => void;
let opened: Awaited<ReturnType<HttpHarness['open']>>;

beforeAll(async () => {
  server = createServer((asked, answer) => answers(asked, answer));
  // Five seconds would pass while a busy machine makes a bomb, in this very thread.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${portOf(server)}`;
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A connection that is used again for as long as it lives, as the pool does it. */
async function run(...args: Parameters<typeof opened.run>) {
  if (!opened?.connection.alive) opened = await http.open(origin);
  return opened.run(...args);
}
const says = (body: Buffer | string, headers: Record<string, string> = {}) => {
  answers = (_asked, answer) => answer.writeHead(200, headers).end(body);
};

test('an answer has its status, its headers in lower case, its body and where it came from', async () => {
  answers = (_asked, answer) => {
    answer.writeHead(404, { 'X-One': 'a', 'Set-Cookie': ['b=1', 'c=2'], 'content-type': 'text/plain' });
    answer.end('grüß');
  };
  const answer = await run({ path: '/a?b=c', redirected: ['http://before/'] });
  expect(answer).toMatchObject({
    status: 404,
    headers: { 'x-one': 'a', 'set-cookie': ['b=1', 'c=2'], 'content-type': 'text/plain' },
    body: 'grüß',
    truncated: false,
    url: `${origin}/a?b=c`,
    redirected: ['http://before/'],
  });
  const binary = await run({ path: '/', binary: true });
  expect(binary.body).toEqual(Buffer.from('grüß'));
  expect(binary).not.toHaveProperty('redirected');
});

test('what is sent is what was asked for, and what everybody sends', async () => {
  const seen: { method: string | undefined; headers: IncomingMessage['headers']; raw: string[]; body: string }[] = [];
  answers = async (asked, answer) => {
    let body = '';
    for await (const piece of asked) body += piece;
    seen.push({ method: asked.method, headers: asked.headers, raw: asked.rawHeaders, body });
    answer.end();
  };
  await run();
  const headers = ['X-A', '1', 'x-a', '2', 'Accept-Encoding', 'identity', 'User-Agent', 'me', 'Host', 'other.example'];
  await run({ method: 'PUT', headers, body: 'hello' });
  await run({ method: 'POST', body: Buffer.from([1, 2, 3]) });
  await run({ method: 'DELETE' });
  const [bare, own, bytes, removal] = seen;
  expect(bare).toMatchObject({
    method: 'GET',
    headers: { host: origin.slice(7), 'user-agent': 'keylane', 'accept-encoding': 'gzip, deflate, br' },
  });
  expect(bare?.headers).not.toHaveProperty('content-length');
  expect(own).toMatchObject({
    method: 'PUT',
    headers: {
      host: 'other.example',
      'x-a': '1, 2',
      'accept-encoding': 'identity',
      'user-agent': 'me',
      'content-length': '5',
    },
    body: 'hello',
  });
  expect(own?.raw.filter((name) => name.toLowerCase() === 'host')).toHaveLength(1);
  expect(bytes).toMatchObject({ headers: { 'content-length': '3' }, body: '\x01\x02\x03' });
  expect(removal).toMatchObject({ method: 'DELETE', body: '' });
});

test('one connection serves one request after the other', async () => {
  says('x');
  const { run, connection } = await http.open(origin);
  const before = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  for (let i = 0; i < 5; i++) expect((await run()).body).toBe('x');
  expect(connection.alive).toBe(true);
  const after = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  expect(after).toBe(before);
});

test.each([
  ['HEAD', 200],
  ['GET', 204],
  ['GET', 304],
])('%s answered with %d has no body, whatever its headers say', async (method, status) => {
  answers = (_asked, answer) => {
    answer
      .writeHead(status, { 'content-encoding': 'gzip', ...(method === 'HEAD' && { 'content-length': '1000' }) })
      .end();
  };
  expect(await run({ method })).toMatchObject({ status, body: '', truncated: false });
});

test.each([
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['br', brotliCompressSync],
  ['GZip', gzipSync],
  ['deflate, gzip', (text: string) => gzipSync(deflateSync(text))],
  ['identity', (text: string) => Buffer.from(text)],
  ['martian', (text: string) => Buffer.from(text)],
])('a body in %s is read', async (coding, encode) => {
  const text = 'keylane '.repeat(10_000);
  says(encode(text), { 'content-encoding': coding });
  expect((await run()).body).toBe(text);
  expect(opened.connection.alive).toBe(true);
});

test('a connection whose answer came before all of the request had left takes no other', async () => {
  const early = await startRawOrigin((socket) => {
    socket.pause();
    socket.write('HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno');
  });
  const { run: ask, connection } = await http.open(early.origin);
  expect(await ask({ method: 'POST', body: 'x'.repeat(32 * MIB) })).toMatchObject({ status: 413, body: 'no' });
  expect(connection.alive).toBe(false);
  await early.stop();
});

test('an empty body needs no coding', async () => {
  says('', { 'content-encoding': 'gzip' });
  expect(await run()).toMatchObject({ status: 200, body: '' });
});

test('a body that is not what it says it is, is the peer’s fault', async () => {
  says('this is no gzip', { 'content-encoding': 'gzip' });
  expect(await thrown(run())).toMatchObject({
    code: 'ERR_PROTOCOL',
    message: expect.stringContaining('content-encoding'),
  });
  says(gzipSync('keylane '.repeat(10_000)).subarray(0, 50), { 'content-encoding': 'gzip' });
  expect(await thrown(run())).toMatchObject({ code: 'ERR_PROTOCOL', message: expect.stringContaining(origin) });
});

test('of a body that is too long the beginning is kept, and the rest is not waited for', async () => {
  let open = 0;
  answers = (_asked, answer) => {
    open++;
    answer.on('close', () => open--);
    const more = () => {
      while (answer.write(Buffer.alloc(10_000, 'x')));
      answer.once('drain', more);
    };
    more();
  };
  const answer = await run({ maxBodyBytes: 100_000 });
  expect(answer).toMatchObject({ status: 200, truncated: true });
  expect(answer.body).toBe('x'.repeat(100_000));
  expect(opened.connection.alive).toBe(false);
  await expect.poll(() => open).toBe(0);
});

test('of a text that is cut in a character, the character is left out; one of exactly the limit is whole', async () => {
  says('ab€', { 'content-length': '5' });
  expect(await run({ maxBodyBytes: 4 })).toMatchObject({ body: 'ab', truncated: true });
  expect(await run({ maxBodyBytes: 5 })).toMatchObject({ body: 'ab€', truncated: false });
  const { connection } = opened;
  expect(await run({ maxBodyBytes: 0 })).toMatchObject({ body: '', truncated: true });
  // So little was left that the connection was worth reading it.
  expect(connection.alive).toBe(true);
});

test('a bomb costs no more than what is kept of it', async () => {
  const zeros = Buffer.alloc(128 * MIB);
  for (const [coding, bomb] of [
    ['gzip', gzipSync(zeros, { level: 1 })],
    ['gzip, gzip', gzipSync(gzipSync(zeros, { level: 1 }))],
  ] as const) {
    says(bomb, { 'content-encoding': coding });
    const before = process.memoryUsage();
    const answer = await run({ maxBodyBytes: MIB, binary: true });
    const after = process.memoryUsage();
    expect(answer).toMatchObject({ status: 200, truncated: true });
    expect(answer.body).toHaveLength(MIB);
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(64 * MIB);
  }
});

test('a body of very many small pieces does not cost a Buffer for each', async () => {
  answers = (_asked, answer) => {
    let left = 30_000;
    const more = () => {
      while (left-- > 0) if (!answer.write('x')) break;
      if (left > 0) answer.once('drain', more);
      else answer.end();
    };
    more();
  };
  expect((await run()).body).toHaveLength(30_000);
});

test('the cache asks whether its version holds still; a caller’s own question is his own', async () => {
  const told: (string | undefined)[] = [];
  answers = (asked, answer) => {
    told.push(asked.headers['if-none-match']);
    answer.writeHead(asked.headers['if-none-match'] ? 304 : 200, { etag: '"v1"' }).end();
  };
  const cached = Object.assign(new FakeExecute(), { etag: '"v1"' });
  expect(await opened.execute({}, cached)).toBe(NOT_MODIFIED);
  expect(
    await run({ headers: ['If-None-Match', '"v0"'] }, Object.assign(new FakeExecute(), { etag: '"v1"' })),
  ).toMatchObject({ status: 304 });
  expect(await run()).toMatchObject({ status: 200, headers: { etag: '"v1"' } });
  expect(told).toEqual(['"v1"', '"v0"', undefined]);
});

test.each([304, 204])('%i has no body, whatever length its head tells', async (status) => {
  const peer = await startRawOrigin((socket) => socket.write(`HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\n`));
  const { run: ask, execute, connection } = await http.open(peer.origin);
  if (status === 304) expect(await execute({}, Object.assign(new FakeExecute(), { etag: '"v1"' }))).toBe(NOT_MODIFIED);
  else expect(await ask()).toMatchObject({ status, body: '' });
  expect(connection.alive).toBe(false);
  await peer.stop();
});

/** By the server's own clock. */
const NOW = Date.UTC(2026, 1, 3);

test.each([
  [429, '7', [7_000]],
  [503, new Date(NOW + 3_600_000).toUTCString(), [3_600_000]],
  [503, 'soon', []],
  [500, '7', []],
  [200, '7', []],
])('%d with Retry-After: %s', async (status, after, pauses) => {
  answers = (_asked, answer) =>
    answer.writeHead(status, { date: new Date(NOW).toUTCString(), 'retry-after': after }).end();
  const context = new FakeExecute();
  await run({}, context);
  expect(context.pauses).toEqual(pauses);
});

test('a bearer token is sent, and is in no error', async () => {
  let sent: string | undefined;
  answers = (asked, answer) => {
    sent = asked.headers.authorization;
    answer.end();
  };
  const context = new FakeExecute();
  context.secrets = { 'env:TOKEN': 's3cret', 'env:BAD': 'bad\r\nx-evil: s3cret' };
  await run({ bearer: 'env:TOKEN' }, context);
  expect(sent).toBe('Bearer s3cret');
  const error = await thrown(run({ bearer: 'env:BAD' }, context));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(`${error.message} ${(error.cause as Error).message}`).not.toContain('s3cret');
});

test.each([
  [{ headers: ['x', 'a\r\ny: b'] }],
  [{ headers: ['x y', 'a'] }],
  [{ headers: ['transfer-encoding', 'chunked'] }],
  [{ headers: ['expect', '100-continue'] }],
  [{ path: '/a b' }],
  [{ path: '/a\r\nx: y' }],
  [{ method: 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET' }],
])('%j never leaves', async (order) => {
  says('x');
  const context = new FakeExecute();
  const error = await thrown(run(order, context));
  expect(error).toBeInstanceOf(KeylaneError);
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', message: expect.stringContaining(origin) });
  expect(context.sents).toBe(0);
  // And the connection is good for the next one.
  expect(opened.connection.alive).toBe(true);
});
