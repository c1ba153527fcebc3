import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttps, type Server } from 'node:https';
import { createServer as createTcp, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { KeylaneError } from '../../src/errors.js';
import type { HttpTarget } from '../../src/specs/http.js';
import { Authority, type Signed } from '../support/certificates.js';
import { HttpHarness, thrown } from '../support/http-harness.js';
import { freePort, portOf } from '../support/ports.js';

const http = new HttpHarness();
const authority = new Authority();
const stranger = new Authority();
const servers: (Server | TcpServer)[] = [];
let client: Signed;
let other: Signed;
/** Their origins, by what they are. */
const at: Record<string, string> = {};

beforeAll(async () => {
  client = authority.issue('client', ['DNS:client.example']);
  other = stranger.issue('client', ['DNS:client.example']);
  const good = authority.issue('server', ['IP:127.0.0.1', 'DNS:web.example']);
  const answers = { key: good.key, cert: good.cert };
  await serve('good', createHttps(answers, answer));
  await serve('expired', createHttps(authority.issue('old', ['IP:127.0.0.1'], -1), answer));
  await serve('elsewhere', createHttps(authority.issue('elsewhere', ['DNS:elsewhere.example']), answer));
  await serve(
    'mutual',
    createHttps({ ...answers, ca: authority.ca.cert, requestCert: true, rejectUnauthorized: true }, answer),
  );
  const mutual12 = {
    ...answers,
    ca: authority.ca.cert,
    requestCert: true,
    rejectUnauthorized: true,
    maxVersion: 'TLSv1.2',
  } as const;
  await serve('mutual 1.2', createHttps(mutual12, answer));
  await serve(
    'plain',
    createTcp((socket) =>
      socket.on('error', () => {}).on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    ),
  );
  await serve(
    'gone',
    createTcp((socket) => socket.on('error', () => {}).on('data', () => socket.destroy())),
  );
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  for (const server of servers) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  authority.remove();
  stranger.remove();
});

const answer: Parameters<typeof createHttps>[1] = (asked, says) => {
  says.end(String((asked.socket as TLSSocket).getPeerCertificate()?.subject?.CN));
};

async function serve(name: string, server: Server | TcpServer): Promise<void> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  at[name] = `https://127.0.0.1:${portOf(server as TcpServer)}`;
}

function to(name: string, more: Partial<HttpTarget> = {}): HttpTarget {
  return { origin: at[name] as string, ca: authority.ca.certPath, ...more };
}
const secrets = { secret: (reference: string) => readFileSync(reference.slice(5), 'utf8') };
const ours = () => ({ cert: client.certPath, key: `file:${client.keyPath}` });

test('a server whose certificate verifies is asked', async () => {
  const { run } = await http.open(to('good'));
  expect(await run()).toMatchObject({ status: 200, body: 'undefined', url: `${at.good}/` });
});

test('servers of which nothing is said share what Node trusts: nothing of it is made for a connection', async () => {
  const made = vi.spyOn(tls, 'createSecureContext');
  onTestFinished(() => made.mockRestore());
  for (const _ of [1, 2]) {
    const error = await thrown(http.open(to('good', { ca: undefined as never })));
    expect(error).toMatchObject({ code: 'ERR_TLS' });
  }
  expect(made).not.toHaveBeenCalled();
});

test('one by another name is, where `servername` says so', async () => {
  const { run } = await http.open(to('elsewhere', { servername: 'elsewhere.example' }));
  expect(await run()).toMatchObject({ status: 200 });
});

test.each(['mutual', 'mutual 1.2'])('we show our certificate (%s)', async (name) => {
  const { run } = await http.open(to(name, ours()), secrets);
  expect(await run()).toMatchObject({ status: 200, body: 'client' });
});

test('a key may be encrypted', async () => {
  const path = join(authority.dir, 'locked.key');
  execFileSync('openssl', ['ec', '-in', client.keyPath, '-aes256', '-passout', 'pass:open', '-out', path], {
    stdio: 'ignore',
  });
  const target = to('mutual', { cert: client.certPath, key: `file:${path}` });
  const passphrase = (word: string) => ({
    secret: (name: string) => (name === 'env:PASS' ? word : secrets.secret(name)),
  });
  const { run } = await http.open({ ...target, passphrase: 'env:PASS' }, passphrase('open'));
  expect(await run()).toMatchObject({ body: 'client' });
  for (const [wrong, word] of [
    [{ ...target, passphrase: 'env:PASS' }, 'wrong'],
    [target, ''],
  ] as const) {
    const error = await thrown(http.open(wrong, passphrase(word)));
    expect(error).toMatchObject({ code: 'ERR_PASSPHRASE', message: expect.stringContaining('http.passphrase') });
  }
});

test.each<{ name: string; is: string; more?: Partial<HttpTarget>; code: string; says: RegExp }>([
  {
    name: 'good',
    is: 'nobody vouches for',
    more: { ca: undefined as never },
    code: 'ERR_TLS',
    says: /not trusted.*`ca`/,
  },
  { name: 'expired', is: 'has expired', code: 'ERR_TLS', says: /expired.*renew/ },
  { name: 'elsewhere', is: 'is for another name', code: 'ERR_TLS', says: /not for 127\.0\.0\.1.*`servername`/ },
  {
    name: 'good',
    is: 'is not for `servername`',
    more: { servername: 'x.example' },
    code: 'ERR_TLS',
    says: /not for x\.example/,
  },
  { name: 'mutual 1.2', is: 'wants ours', code: 'ERR_TLS', says: /wants our certificate: see `cert` and `key`/ },
  { name: 'plain', is: 'is none: plain HTTP', code: 'ERR_TLS', says: /does not speak TLS.*http:/ },
  { name: 'gone', is: 'never comes', code: 'ERR_CONNECT', says: /closed during the TLS handshake/ },
])('a certificate that $is: $code', async ({ name, more, code, says }) => {
  const error = await thrown(http.open(to(name, more)));
  expect(error).toMatchObject({ code, outcome: 'not_started', key: at[name], message: expect.stringMatching(says) });
  expect(error.message).toContain(at[name]);
});

test.each([
  ['none', () => ({})],
  ['one of a stranger', () => ({ cert: other.certPath, key: `file:${other.keyPath}` })],
])('in TLS 1.3 a server refuses our certificate in place of an answer: %s', async (_what, more) => {
  // Node's own server says nothing then, so this is OpenSSL's.
  const port = await freePort(['127.0.0.1']);
  const { ca } = authority;
  const good = authority.issue('openssl', ['IP:127.0.0.1']);
  const files = ['-cert', good.certPath, '-key', good.keyPath, '-CAfile', ca.certPath];
  const args = ['s_server', '-accept', `127.0.0.1:${port}`, '-www', '-Verify', '1', '-verify_return_error', ...files];
  const server = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  try {
    await new Promise<void>((resolve) => {
      server.stdout.on('data', (text: Buffer) => text.includes('ACCEPT') && resolve());
    });
    const target = { origin: `https://127.0.0.1:${port}`, ca: ca.certPath, ...more() };
    // It may come before the request is on its way.
    const error = await thrown(http.open(target, secrets).then(({ run }) => run()));
    expect(['ERR_TLS', 'ERR_CONNECTION_LOST']).toContain((error as KeylaneError).code);
    expect(error).toMatchObject({
      outcome: 'not_started',
      message: expect.stringMatching(/refused our certificate.*`cert` and `key`|closed before the request was sent/),
    });
  } finally {
    const gone = new Promise((resolve) => server.once('close', resolve));
    server.kill('SIGKILL');
    await gone;
  }
});

test.each<{ what: string; more: () => Partial<HttpTarget>; says: RegExp }>([
  {
    what: 'no file',
    more: () => ({ ca: '/nowhere/ca.pem' }),
    says: /http\.ca: cannot read \/nowhere\/ca\.pem: ENOENT/,
  },
  {
    what: 'no certificate',
    more: () => ({ ...ours(), cert: client.keyPath }),
    says: /not certificates and a key in PEM/,
  },
  {
    what: 'a key of another',
    more: () => ({ ...ours(), key: `file:${other.keyPath}` }),
    says: /http\.key: it is not the key/,
  },
])('what is ours and does not fit is our fault: $what', async ({ more, says }) => {
  const error = await thrown(http.open(to('good', more()), secrets));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', message: expect.stringMatching(says) });
});
