import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { EngineSpy } from '../support/engine-spy.ts';
import { rawAnswer, rawSocket } from '../support/raw-request.ts';
import { TestService } from '../support/service.ts';

let own: TestService;
let spy: EngineSpy;
beforeAll(async () => {
  own = await TestService.start();
  spy = new EngineSpy(own.service.engine);
});
afterAll(() => own.stop());
afterEach(() => {
  spy.calls.length = 0;
});

const MIB = 1_048_576;
const bodyOf = (bytes: number) => {
  const body = { driver: 'echo', request: { key: 'k', payload: '' } };
  body.request.payload = 'x'.repeat(bytes - JSON.stringify(body).length);
  return JSON.stringify(body);
};

function head(...lines: string[]): string {
  const { host } = new URL(own.service.url);
  const all = ['POST /v1/run HTTP/1.1', `Host: ${host}`, `Authorization: Bearer ${own.service.token}`, ...lines];
  return `${all.join('\r\n')}\r\n\r\n`;
}

async function refused(body: unknown, headers: Record<string, string> = {}, raw?: string | Buffer) {
  const answer = await fetch(`${own.service.url}/v1/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${own.service.token}`, 'content-type': 'application/json', ...headers },
    body: (raw ?? JSON.stringify(body)) as string,
  });
  expect(spy.calls).toEqual([]);
  return { status: answer.status, ...((await answer.json()) as { detail: string; field?: string; code: string }) };
}

test('a body of 1 MiB is taken, one byte more is 413', async () => {
  expect((await own.call('POST', '/v1/run', JSON.parse(bodyOf(MIB)))).status).toBe(200);
  spy.calls.length = 0;
  expect(await refused(undefined, {}, bodyOf(MIB + 1))).toMatchObject({ status: 413, code: 'ERR_INPUT' });
});

test('a body that says it is too large is refused before it comes', async () => {
  const said = await rawAnswer(
    own.service.url,
    head('Content-Type: application/json', 'Content-Length: 10000000000'),
    (text) => text.includes('ERR_INPUT'),
  );
  expect(said).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body that does not say how large it is is refused as soon as it is too large', async () => {
  const socket = rawSocket(own.service.url);
  const said = new Promise<string>((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    socket.once('error', reject);
  });
  socket.write(head('Content-Type: application/json', 'Transfer-Encoding: chunked'));
  const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  // No end is sent.
  for (let sent = 0; sent < 17; sent++) socket.write(piece);
  expect(await said).toMatch(/^HTTP\/1\.1 413 /);
  socket.destroy();
});

test('a head of more than 16 KiB is 431, and one a little shorter is answered', async () => {
  const asked = (bytes: number) =>
    rawAnswer(
      own.service.url,
      `GET /livez HTTP/1.1\r\nHost: ${new URL(own.service.url).host}\r\nX-Long: ${'x'.repeat(bytes)}\r\nConnection: close\r\n\r\n`,
    );
  expect(await asked(16_000)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await asked(17_000)).toMatch(/^HTTP\/1\.1 431 [\s\S]*application\/problem\+json[\s\S]*"status":431/);
  expect(await rawAnswer(own.service.url, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
});

test('a body that is compressed, or of another type than JSON, is 415', async () => {
  const body = { driver: 'echo', request: { key: 'k' } };
  for (const encoding of ['gzip', 'br', 'deflate', 'x-gzip', 'identity, gzip'])
    expect(await refused(body, { 'content-encoding': encoding }, gzipSync(JSON.stringify(body)))).toMatchObject({
      status: 415,
      field: 'headers.content-encoding',
    });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'x', ''])
    expect((await refused(body, { 'content-type': type })).status, type).toBe(415);
  expect((await own.call('POST', '/v1/run', body, { 'content-type': 'application/json; charset=utf-8' })).status).toBe(
    200,
  );
});

test('JSON that is too deep, has too many keys, or changes what all objects inherit is 400 that says so', async () => {
  const deep = `{"driver":"echo","request":{"key":"k","payload":${'['.repeat(63)}${']'.repeat(63)}}}`;
  const keys = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`k${index}`, 0]));
  for (const [text, says] of [
    [deep, 'body: nests deeper than 64'],
    [JSON.stringify({ driver: 'echo', request: { key: 'k', payload: keys } }), 'body: has more than 10,000 keys'],
    ['{"driver":"echo","__proto__":{"a":1},"request":{"key":"k"}}', 'body: has a key __proto__'],
    ['{"driver":"echo","request":{"key":"k","constructor":{"prototype":{}}}}', 'body: has a key constructor.prototype'],
    ['{"driver":"echo",', 'body: is not JSON (at character 17)'],
    ['', 'body: expected an object; it is missing'],
  ] as const)
    expect(await refused(undefined, {}, text)).toMatchObject({ status: 400, detail: says, field: 'body' });
});
