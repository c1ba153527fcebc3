import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'keylane/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestService } from '../support/service.js';

const SECRET = 'a-token-of-a-tenant';
const token = `sha256:${createHash('sha256').update(SECRET).digest('hex')}`;
const tenant = { authorization: `Bearer ${SECRET}` };

/** Answers with what it was asked: the method, what is on the request, and the bytes of the body. */
const peer = createServer(async (asked, answer) => {
  const pieces: Buffer[] = [];
  for await (const piece of asked) pieces.push(piece as Buffer);
  if (asked.url === '/away') answer.setHeader('location', 'http://127.0.0.9:1/').statusCode = 302;
  answer.setHeader('x-seen', `${asked.method} ${asked.headers.authorization ?? '-'}`);
  answer.end(pieces.length > 0 ? Buffer.concat(pieces) : 'nothing');
});
let at: TestService;
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
  const { port } = peer.address() as AddressInfo;
  url = `http://127.0.0.1:${port}`;
  process.env.KEYLANE_TEST_TOKEN = 'hunter22';
  at = await TestService.start({
    engine: { http: { origins: { [url]: {} } } },
    tokens: [{ name: 'tenant', token, drivers: ['http'], hosts: [`127.0.0.1:${port}`] }],
  });
});
afterAll(async () => {
  await at?.stop();
  peer.closeAllConnections();
  peer.close();
});

const run = async (request: object, headers: Record<string, string> = {}) => {
  const answer = await at.call('POST', '/v1/run', { driver: 'http', request }, headers);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

test('a web server is asked over HTTP, and its answer is a line as any; bytes go as base64, there and back', async () => {
  const { status, body } = await run({ url: `${url}/x`, body: { base64: '/wCA' }, encoding: 'buffer' });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    ...{ key: url, outcome: 'ok' },
    response: { status: 200, body: { base64: '/wCA' }, truncated: false, url: `${url}/x` },
  });
  const text = await run({ url: `${url}/x`, json: { a: 'ä' } });
  expect(text.body).toMatchObject({ response: { body: '{"a":"ä"}' } });
});

test('to a client of the service bytes are bytes', async () => {
  const client = await connect({ url: at.service.url, token: at.service.token });
  try {
    const bytes = Buffer.from([0xff, 0, 0x80]);
    expect((await client.run('http', { url, body: bytes, encoding: 'buffer' })).body).toEqual(bytes);
    const stream = client.stream('http', { url, method: 'PUT' });
    await stream.write(bytes);
    stream.end();
    const pieces: Buffer[] = [];
    for await (const { data } of stream) pieces.push(data);
    expect(Buffer.concat(pieces)).toEqual(bytes);
    expect(await stream.response).toMatchObject({ status: 200, headers: { 'x-seen': 'PUT -' } });
  } finally {
    await client.close();
  }
});

test('a token asks the hosts that it names, follows nothing, and gets no secret of the machine sent', async () => {
  const refusal = async (request: object) => {
    const { status, body } = await run(request, tenant);
    return [status, body.code, body.field];
  };
  expect((await run({ url, redirects: 0 }, tenant)).body).toMatchObject({ outcome: 'ok' });
  expect(await refusal({ url: 'http://127.0.0.2/', redirects: 0 })).toEqual([403, 'ERR_FORBIDDEN', 'request.url']);
  expect(await refusal({ url: 'http://127.0.0.1/', redirects: 0 })).toEqual([403, 'ERR_FORBIDDEN', 'request.url']);
  expect(await refusal({ url })).toEqual([403, 'ERR_FORBIDDEN', 'request.redirects']);
  for (const field of ['bearer', 'proxyPassword', 'key', 'passphrase'])
    expect(await refusal({ url, redirects: 0, [field]: 'env:KEYLANE_TEST_TOKEN' })).toEqual([
      ...[403, 'ERR_FORBIDDEN', `request.${field}`],
    ]);
  expect((await run({ url: `${url}/away`, redirects: 0 }, tenant)).body).toMatchObject({ response: { status: 302 } });
  // The token of the first start may do everything, and a redirect leads it nowhere that is denied.
  expect((await run({ url, bearer: 'env:KEYLANE_TEST_TOKEN' })).body).toMatchObject({
    response: { headers: { 'x-seen': 'GET Bearer hunter22' } },
  });
  expect((await run({ url: `${url}/away` })).body).toMatchObject({ code: 'ERR_DENIED' });
});

test('a batch of lines asks web servers, each with its own result', async () => {
  const jobs = [{ url: `${url}/1` }, { url: `${url}/2`, body: { base64: 'YQ==' } }, { url: 'http://127.0.0.3/' }];
  const answer = await fetch(`${at.service.url}/v1/batches?driver=http&journal=false`, {
    method: 'POST',
    headers: { authorization: `Bearer ${at.service.token}`, 'content-type': 'application/x-ndjson' },
    body: jobs.map((request) => `${JSON.stringify({ request })}\n`).join(''),
  });
  const lines = (await answer.text()).trimEnd().split('\n');
  const results = lines.map((line) => JSON.parse(line)).filter(({ outcome }) => outcome !== undefined);
  results.sort((one, other) => one.index - other.index);
  expect(results).toMatchObject([
    { outcome: 'ok', response: { body: 'nothing' } },
    { outcome: 'ok', response: { body: 'a' } },
    { outcome: 'not_started', error: { code: 'ERR_DENIED' } },
  ]);
});
