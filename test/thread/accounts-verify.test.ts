import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, systemClock } from 'keylane';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { startEngine } from '../support/engine.js';
import { portOf } from '../support/ports.js';

const ACCOUNTS = 100;

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'keylane-verify-'));
  vi.stubEnv('KEYLANE_CLIENT_SECRET', 'a secret of the test');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A token server that counts; `answer` gives each request its answer when it wants. */
async function tokenServer(answer: (grant: () => void, server: { inFlight: number }) => void) {
  const counts = { requests: 0, inFlight: 0, peak: 0 };
  const grant = (request: IncomingMessage, response: ServerResponse) => {
    counts.requests++;
    counts.inFlight++;
    counts.peak = Math.max(counts.peak, counts.inFlight);
    request.resume();
    answer(() => {
      counts.inFlight--;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: `t${counts.requests}`, token_type: 'bearer', expires_in: 3600 }));
    }, counts);
  };
  const server = createServer(grant).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { counts, url: `http://127.0.0.1:${portOf(server)}/token` };
}

function mailbox(index: number, tokenUrl: string): Account {
  return {
    name: `box-${String(index).padStart(3, '0')}@example.com`,
    driver: 'smtp',
    endpoint: { host: 'mx.example', port: 587 },
    oauth: {
      grant: 'client_credentials',
      tokenUrl,
      clientId: `client-${index}`,
      clientSecret: 'env:KEYLANE_CLIENT_SECRET',
    },
  };
}

test('100 accounts are verified at once: the token server has all of them in flight (D5, D6)', async () => {
  // Nobody is answered before all have asked: who goes in slices never ends.
  const waiting: (() => void)[] = [];
  const { counts, url } = await tokenServer((grant) => {
    waiting.push(grant);
    if (waiting.length === ACCOUNTS) for (const one of waiting) one();
  });
  const engine = await startEngine({ dataDir });
  await engine.accounts.import(Array.from({ length: ACCOUNTS }, (_, i) => mailbox(i, url)));
  const verdicts = await engine.accounts.verify();
  expect(verdicts.filter(({ ok, tried }) => ok && tried === 'token')).toHaveLength(ACCOUNTS);
  expect(counts).toEqual({ requests: ACCOUNTS, inFlight: 0, peak: ACCOUNTS });
});

test('100 accounts take little longer than one where the token server takes 500 ms', async () => {
  const { counts, url } = await tokenServer((grant) => systemClock.timer(500, grant));
  const engine = await startEngine({ dataDir });
  await engine.accounts.import(Array.from({ length: ACCOUNTS }, (_, i) => mailbox(i, url)));
  // Loads the library: what is measured is the accounts.
  await engine.accounts.verify(['box-000@example.com']);
  const since = performance.now();
  expect((await engine.accounts.verify()).every(({ ok }) => ok)).toBe(true);
  const ms = performance.now() - since;
  expect(counts.peak).toBe(ACCOUNTS);
  // ≤ 1 s on a quiet machine; ten slices of ten, with nothing else to do, would take 5.
  expect(ms).toBeLessThan(4_000);
  console.log(`${ACCOUNTS} accounts verified in ${Math.round(ms)} ms`);
});

test('the bound on how many at once holds', async () => {
  const { counts, url } = await tokenServer((grant) => setImmediate(grant));
  const engine = await startEngine({ dataDir });
  await engine.accounts.import(Array.from({ length: 40 }, (_, i) => mailbox(i, url)));
  await engine.accounts.verify({ driver: 'smtp' }, { concurrency: 7 });
  expect(counts.requests).toBe(40);
  expect(counts.peak).toBeLessThanOrEqual(7);
});

test('an account whose client is refused, or whose secret is not there, has a verdict that tells so; others are ok', async () => {
  const { url } = await tokenServer((grant) => grant());
  const refusing = createServer((request, response) => {
    request.resume();
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => refusing.once('listening', resolve));
  onTestFinished(() => {
    refusing.closeAllConnections();
    refusing.close();
  });
  const engine = await startEngine({ dataDir });
  const [good, refused, missing] = [
    mailbox(1, url),
    mailbox(2, `http://127.0.0.1:${portOf(refusing)}/`),
    mailbox(3, url),
  ];
  missing.oauth = { ...(missing.oauth as NonNullable<Account['oauth']>), clientSecret: 'env:KEYLANE_NOT_SET' };
  await engine.accounts.import([good, refused, missing, { ...mailbox(4, url), driver: 'gopher', oauth: undefined }]);
  const verdicts = await engine.accounts.verify();
  expect(verdicts.map(({ ok, tried, error }) => [ok, tried, error?.code])).toEqual([
    [true, 'token', undefined],
    [false, 'token', 'ERR_AUTH_EXPIRED'],
    [false, 'token', 'ERR_INPUT'],
    [false, 'connection', 'ERR_CONFIG_UNSUPPORTED'],
  ]);
  expect(verdicts[2]?.error?.message).toContain('env:KEYLANE_NOT_SET: the variable KEYLANE_NOT_SET is not set');
});
