import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from 'keylane/client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { failure, until, verdict } from '../support/engine.js';
import { TestService } from '../support/service.js';

const READER = 'r'.repeat(40);
const NARROW = 'n'.repeat(40);
const dir = mkdtempSync(join(tmpdir(), 'keylane-client-'));
const sha256 = (token: string) => `sha256:${createHash('sha256').update(token).digest('hex')}`;

let at: TestService;
let client: Client;
beforeAll(async () => {
  at = await TestService.start({
    tokens: [
      { name: 'reader', token: sha256(READER), readOnly: true },
      { name: 'narrow', token: sha256(NARROW), hosts: ['web-*'], drivers: ['echo'], quota: { inFlight: 1 } },
    ],
  });
  client = await connect({ url: at.service.url, token: at.service.token });
});
afterAll(async () => {
  await client.close();
  await at.stop();
  rmSync(dir, { recursive: true });
});

async function withToken(token?: Parameters<typeof connect>[0]['token']): Promise<Client> {
  const other = await connect({ url: at.service.url, ...(token !== undefined && { token }) });
  onTestFinished(() => other.destroy());
  return other;
}

const echo = { key: 'web-1', payload: { list: [1, 'ä'] } };

test('a request has its answer, and its result tells what a batch tells', async () => {
  expect(await client.run('echo', echo)).toEqual({ payload: { list: [1, 'ä'] } });
  expect(await client.result('echo', echo)).toMatchObject({
    ...{ index: 0, id: '0', key: 'web-1', outcome: 'ok', attempts: 1, shard: 0, cache: 'none', history: [] },
    request: echo,
    response: { payload: { list: [1, 'ä'] } },
  });
  expect(await client.result('echo', { key: 'web-1', fault: 'failed' })).toMatchObject({ outcome: 'failed' });
});

test('an error is the one that the engine would give, and its result has the tries', async () => {
  const request = { key: 'web-2', fault: 'ERR_CONNECT' } as const;
  const options = { attempts: 2, idempotent: true };
  const mine = await at.service.engine.result('echo', request, options);
  const theirs = await client.result('echo', request, options);
  expect({ ...theirs.error, message: theirs.error?.message }).toEqual({ ...mine.error, message: mine.error?.message });
  expect(theirs).toMatchObject({ outcome: 'not_started', key: 'web-2', attempts: mine.attempts });
  expect(theirs.history.map(({ code }) => code)).toEqual(mine.history.map(({ code }) => code));
  expect(await verdict(client.run('echo', { key: 'a', fault: 'ERR_CONNECTION_LOST' }))).toBe(
    'ERR_CONNECTION_LOST unknown',
  );
});

test('what the service refuses is not taken for an answer, whoever asks', async () => {
  expect(await verdict(client.run('ftp' as 'echo', echo))).toBe('ERR_INPUT not_started');
  expect((await failure(client.run('echo', { key: 7 } as never))).message).toContain('key');
  expect(await verdict((await withToken()).run('echo', echo))).toBe('ERR_UNAUTHENTICATED not_started');
  expect(await verdict((await withToken('no-such-token')).stream('echo', echo).response)).toMatch(/UNAUTHENTICATED/);
  expect(await verdict((await withToken(READER)).run('echo', echo))).toBe('ERR_FORBIDDEN not_started');
  const narrow = await withToken(NARROW);
  expect(await verdict(narrow.run('echo', { key: 'db-1' }))).toBe('ERR_FORBIDDEN not_started');
  const hanging = narrow.stream('echo', { key: 'web-1', fault: 'hang' });
  await hanging.accepted;
  expect(await failure(narrow.run('echo', echo))).toMatchObject({ code: 'ERR_QUOTA', retryable: true });
  hanging.cancel();
  await until(async () => (await narrow.result('echo', echo)).outcome === 'ok');
});

test('bad options are refused by the words of the library, and are not sent', async () => {
  const wrong = { timeotMs: 5 } as never;
  const says = async (promise: Promise<unknown>) => (await failure(promise)).message;
  expect(await says(client.run('echo', echo, wrong))).toBe(await says(at.service.engine.run('echo', echo, wrong)));
  expect(await says(client.result('echo', echo, { attempts: 0 }))).toContain('`attempts`');
  expect(() => client.stream('echo', echo, wrong)).toThrow(/timeotMs/);
  const bytes = await failure(client.run('echo', { key: 'a', payload: { deep: [Buffer.from('x')] } }));
  expect(bytes.message).toContain('`payload.deep[0]` cannot go over HTTP');
});

test('a token that is kept in a file may change while the client runs', async () => {
  const path = join(dir, 'token');
  writeFileSync(path, 'not-yet-right\n');
  const other = await withToken(`file:${path}`);
  expect(await verdict(other.run('echo', echo))).toBe('ERR_UNAUTHENTICATED not_started');
  writeFileSync(path, `${at.service.token}\n`);
  expect(await other.run('echo', echo)).toEqual({ payload: echo.payload });
  let asked = 0;
  const byFunction = await withToken(async () => {
    asked++;
    return at.service.token;
  });
  await byFunction.run('echo', echo);
  await byFunction.stream('echo', { ...echo, payload: 'x' }).return();
  expect(asked).toBe(2);
});

test('what the service counts, keeps and knows can be asked for', async () => {
  await client.run('echo', { key: 'web-9' }, { cache: true });
  await client.run('echo', { key: 'web-9' }, { cache: true });
  expect(await client.stats()).toMatchObject({ inFlight: 0, shards: [{ state: 'serving' }] });
  expect(await client.serviceStats()).toMatchObject({ engine: { inFlight: 0 }, version: expect.any(String) });
  await until(async () => (await client.history(5)).t.length > 0);
  expect((await client.keys({ match: 'web-9' })).map(({ key }) => key)).toEqual(['web-9']);
  expect(await client.cache.stats()).toMatchObject({ shards: expect.anything() });
  expect(await client.cache.list({ limit: 5 })).toEqual([]);
  expect(await client.cache.invalidate('key:web-9', 'nothing:*')).toBeTypeOf('number');
  expect((await client.result('echo', { key: 'web-9' }, { cache: true })).cache).toBe('miss');
  expect(await client.accounts({ driver: 'ssh', labels: ['a'] })).toEqual([]);
  expect(await client.events()).toBeInstanceOf(Array);
});

test('a stream carries bytes both ways, at the pace of who reads', async () => {
  const size = 6 * 1024 * 1024;
  const sent = createHash('sha256');
  const stream = client.stream('echo', { key: 'a', payload: '' });
  const writing = (async () => {
    for (let at = 0; at < size; at += 100_000) {
      const piece = Buffer.alloc(Math.min(100_000, size - at), at / 100_000);
      piece[0] = 0xff;
      sent.update(piece);
      await stream.write(piece);
    }
    stream.end('grün 😀'.repeat(20_000));
    sent.update('grün 😀'.repeat(20_000));
  })();
  const got = createHash('sha256');
  for await (const { data } of stream) got.update(data);
  await writing;
  expect(got.digest('hex')).toBe(sent.digest('hex'));
  expect((await stream.result).outcome).toBe('ok');
  expect(() => stream.write('more')).toThrow(/write after end/);
});

test('who writes without waiting is stopped before the memory is full', async () => {
  const stream = client.stream('echo', { key: 'a', fault: 'hang' });
  const piece = Buffer.alloc(4 * 1024 * 1024);
  const write = () => {
    for (;;) void stream.write(piece);
  };
  expect(write).toThrow(/await write/);
  await stream.return();
  expect(await verdict(stream.response)).toBe('ERR_CANCELED canceled');
  expect(await stream.result).toMatchObject({ outcome: 'canceled', shard: -1 });
});

test('over TLS the certificate must be from an authority that is trusted, or named', async () => {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const names = 'subjectAltName=IP:127.0.0.1';
  const asked = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=keylane -addext ${names}`;
  execFileSync('openssl', [...asked.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const secure = await TestService.start({ tls: { cert, key } });
  try {
    const { url, token } = secure.service;
    const wary = await connect({ url, token });
    const refused = await failure(wary.run('echo', echo));
    expect(refused).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: false });
    expect(refused.message).toContain('`ca`');
    const trusting = await connect({ url, token, ca: readFileSync(cert) });
    expect(await trusting.run('echo', echo)).toEqual({ payload: echo.payload });
    const stream = trusting.stream('echo', { key: 'a', payload: 'hi' });
    stream.end();
    expect((await stream.next()).value?.data.toString()).toBe('hi');
    const told: string[] = [];
    for await (const { outcome } of trusting.batch('echo', [echo, echo])) told.push(outcome);
    expect(told).toEqual(['ok', 'ok']);
    await Promise.all([wary.close(), trusting.close()]);
  } finally {
    await secure.stop();
  }
});
