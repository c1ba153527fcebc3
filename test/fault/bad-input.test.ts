import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type DriverName, type Engine } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Certificate } from '../support/certificate.js';
import { failure } from '../support/engine.js';
import { type RawOrigin, startRawOrigin } from '../support/http-harness.js';
import { freePort } from '../support/ports.js';
import { type Dialogue, EHLO, ScriptedServer } from '../support/smtp-script.js';
import { hostile } from '../support/stdio.js';

/**
 * What a caller gets wrong, or what is wrong at the other end before anything is asked, driver by driver: its own code, the
 * key, the step, and what to do. What peers do later: smtp-bad-peers, smtp-starttls, smtp-token, origin-lies, driver/stdio-bad,
 * driver/http-tls, driver/http-proxy.
 */
const WAIT_MS = 400;
const offering = (what: string) => `${EHLO.replace('250 8BIT', '250-8BIT')}\r\n250 ${what}`;
let engine: Engine;
let mails: ScriptedServer;
let dark: ScriptedServer;
/** Takes connections, and says nothing. */
let silent: RawOrigin;
/** Wants to know who we are, and no more than 10 bytes. */
let strict: RawOrigin;
let closed: number;
const dir = mkdtempSync(join(tmpdir(), 'keylane-bad-'));
beforeAll(async () => {
  engine = await createEngine({
    ...{ shards: 1, dataDir: dir, limits: { connectTimeoutMs: WAIT_MS, breaker: false } },
    stdio: { servers: { lsp: hostile(['content-length'], { framing: 'content-length', startTimeoutMs: 30_000 }) } },
  });
  mails = await ScriptedServer.start({ EHLO: offering('AUTH PLAIN') });
  const script = { EHLO: offering('STARTTLS'), STARTTLS: (dialogue: Dialogue) => dialogue.upgrade('220 go on') };
  dark = await ScriptedServer.start(script, new Certificate('DNS:x'));
  silent = await startRawOrigin(() => {});
  strict = await startRawOrigin((socket, head) => {
    const status = head.startsWith('GET') ? '401 Unauthorized' : '413 Content Too Large';
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  closed = await freePort(['127.0.0.1']);
});
afterAll(async () => {
  await engine.close();
  await Promise.all([mails, dark, silent, strict].map((server) => server.stop()));
  rmSync(dir, { recursive: true });
});

const mail = (more: object) => ({
  ...{ host: '127.0.0.1', port: mails.port, tls: 'none', from: 'a@keylane.test', to: 'b@keylane.test', text: 'hello' },
  ...more,
});

interface Bad {
  driver: DriverName;
  what: string;
  request: () => object;
  is: string;
  says: RegExp;
  retryable?: boolean;
  /** Where it has come so far that it has one. */
  key?: () => string;
}

test.each<Bad>([
  {
    driver: 'smtp',
    what: 'a host that nobody knows',
    request: () => mail({ host: 'nobody.invalid' }),
    is: 'ERR_DNS not_started',
    says: /: nobody\.invalid cannot be looked up: (there is no such name|this machine's resolver)/,
    retryable: true,
    key: () => `nobody.invalid:${mails.port}`,
  },
  {
    driver: 'smtp',
    what: 'a host that is none',
    request: () => mail({ host: 'mail keylane.test' }),
    is: 'ERR_INPUT not_started',
    says: /^smtp\.host: a host name may hold/,
  },
  {
    driver: 'smtp',
    what: 'an account that nobody knows',
    request: () => ({ account: 'nobody', from: 'a@keylane.test', to: 'b@keylane.test', text: 'hello' }),
    is: 'ERR_INPUT not_started',
    says: /nobody.*keylane accounts/,
  },
  {
    driver: 'smtp',
    what: 'a port where nothing listens',
    request: () => mail({ port: closed }),
    is: 'ERR_CONNECT not_started',
    says: /refused: nothing listens there/,
    retryable: true,
    key: () => `127.0.0.1:${closed}`,
  },
  {
    driver: 'smtp',
    what: 'a certificate that nobody vouches for',
    request: () => mail({ port: dark.port, tls: 'starttls' }),
    is: 'ERR_TLS not_started',
    says: /no TLS: .*`ca`/,
    key: () => `127.0.0.1:${dark.port}`,
  },
  {
    driver: 'smtp',
    what: 'a password that is nowhere',
    request: () => mail({ user: 'ana', password: 'env:KEYLANE_TEST_NOT_SET' }),
    is: 'ERR_INPUT not_started',
    says: /KEYLANE_TEST_NOT_SET is not set/,
  },
  ...['subject', 'messageId', 'clientName'].map(
    (field): Bad => ({
      driver: 'smtp',
      what: `a line break in ${field}`,
      request: () => mail({ [field]: 'a\r\nBcc: evil@keylane.test' }),
      is: 'ERR_INPUT not_started',
      says: new RegExp(`^smtp\\.${field}: (expected|must)`),
    }),
  ),
  {
    driver: 'smtp',
    what: 'a line break in a header',
    request: () => mail({ headers: { 'X-A': 'b\r\nBcc: evil@keylane.test' } }),
    is: 'ERR_INPUT not_started',
    says: /^smtp\.headers.*X-A/,
  },
  {
    driver: 'smtp',
    what: 'a line break in an address',
    request: () => mail({ to: 'b@keylane.test>\r\nRCPT TO:<evil@keylane.test' }),
    is: 'ERR_INPUT not_started',
    says: /^smtp\.to/,
  },
  ...['nothing', '//keylane.test/a', 'ftp://keylane.test/', 'http://', 'http://a b/', 'http://x:99999/', ''].map(
    (url): Bad => ({
      driver: 'http',
      what: `a URL that is none: ${JSON.stringify(url)}`,
      request: () => ({ url }),
      is: 'ERR_INPUT not_started',
      says: /^http\.url: /,
    }),
  ),
  {
    driver: 'http',
    what: 'a line break in a header',
    request: () => ({ url: strict.origin, headers: { 'x-a': 'b\r\nx-evil: 1' } }),
    is: 'ERR_INPUT not_started',
    says: /^http\.headers.*x-a: must hold no line break/,
  },
  {
    driver: 'http',
    what: 'a host that nobody knows',
    request: () => ({ url: 'http://nobody.invalid/' }),
    is: 'ERR_DNS not_started',
    says: /: nobody\.invalid cannot be looked up: (there is no such name|this machine's resolver)/,
    retryable: true,
    key: () => 'http://nobody.invalid',
  },
  {
    driver: 'http',
    what: 'a port where nothing listens',
    request: () => ({ url: `http://127.0.0.1:${closed}/` }),
    is: 'ERR_CONNECT not_started',
    says: /refused: nothing listens there/,
    retryable: true,
    key: () => `http://127.0.0.1:${closed}`,
  },
  {
    driver: 'http',
    what: 'a server that is silent in the TLS handshake',
    request: () => ({ url: `https://127.0.0.1:${silent.port}/` }),
    is: 'ERR_CONNECT not_started',
    says: /no end of the TLS handshake within \d+ ms/,
    retryable: true,
    key: () => `https://127.0.0.1:${silent.port}`,
  },
  {
    driver: 'http',
    what: 'a proxy that is silent',
    request: () => ({ url: 'https://keylane.test/', proxy: `http://127.0.0.1:${silent.port}` }),
    is: 'ERR_CONNECT not_started',
    says: /proxy.* within \d+ ms/,
    retryable: true,
    key: () => 'https://keylane.test',
  },
  {
    driver: 'http',
    what: 'a bearer that is nowhere',
    request: () => ({ url: strict.origin, bearer: 'env:KEYLANE_TEST_NOT_SET' }),
    is: 'ERR_INPUT not_started',
    says: /KEYLANE_TEST_NOT_SET is not set/,
  },
  {
    driver: 'http',
    what: 'a body that is larger than may be sent at once',
    request: () => ({ url: strict.origin, method: 'POST', body: 'x'.repeat((16 << 20) + 1) }),
    is: 'ERR_INPUT not_started',
    says: /^http\.body: expected at most 16 MiB; for more open a stream/,
  },
])('$driver: $what is $is', async ({ driver, request, is, says, retryable = false, key }) => {
  const error = await failure(engine.run(driver, request() as never, { timeoutMs: 20_000 }));
  expect(`${error.code} ${error.outcome}`).toBe(is);
  expect(error.message).toMatch(says);
  expect(error.retryable).toBe(retryable);
  if (key) {
    expect(error.key).toBe(key());
    expect(error.message).toContain(key());
  }
  expect(mails.heard.filter((line) => line.includes('evil'))).toEqual([]);
});

test('a server that does not take who we are, or so much, has answered: that is `failed`, with what it said', async () => {
  const outcomes = await Promise.all(
    [{}, { method: 'POST', body: 'x'.repeat(100) }].map((more) =>
      engine.result('http', { url: `${strict.origin}/`, ...more }),
    ),
  );
  expect(outcomes.map(({ outcome, response }) => [outcome, response?.status])).toEqual([
    ['failed', 401],
    ['failed', 413],
  ]);
});

test('a method with line breaks is no header of the next message', async () => {
  const method = 'echo\r\nContent-Length: 2\r\n\r\n{}';
  const { outcome } = await engine.result('stdio', { server: 'lsp', method }, { timeoutMs: 20_000 });
  expect(['failed', 'not_started']).toContain(outcome);
  const answer = await engine.run('stdio', { server: 'lsp', method: 'echo', params: { a: 1 } });
  expect(answer).toEqual({ result: { a: 1 } });
});
