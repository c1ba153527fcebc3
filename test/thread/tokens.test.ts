import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from 'keylane';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TOKENS } from '../support/drivers/own.js';
import { failure } from '../support/engine.js';
import { startTokenServer, type TokenServer } from '../support/token-server.js';

declare module 'keylane' {
  interface Drivers {
    tokens: {
      request: { key: string; account: string; rejected?: string };
      response: { accessToken: string; expiresAt: number };
    };
  }
}

let folder: string;
let server: TokenServer;
let engine: Engine;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keylane-tokens-'));
  server = await startTokenServer({ address: '127.0.0.26' });
  writeFileSync(join(folder, 'secret'), 's3cret\n', { mode: 0o600 });
  engine = await createEngine({
    shards: 2,
    dataDir: join(folder, 'data'),
    drivers: [TOKENS],
    onEvent: () => undefined,
  });
});
afterEach(async () => {
  await engine.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

const add = (name: string, secret = 'secret') =>
  engine.accounts.add({
    name,
    driver: 'smtp',
    endpoint: { host: 'mail.example' },
    user: 'me@mail.example',
    oauth: {
      grant: 'client_credentials',
      tokenUrl: server.tokenUrl,
      clientId: 'client',
      clientSecret: `file:${join(folder, secret)}`,
    },
  });
const ask = (key: string, account: string) => engine.run('tokens', { key, account });

describe('a driver in a shard', () => {
  test('gets the access token of an account: one for all shards, all keys and all requests', async () => {
    await add('mail');
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(`key-${i}`, 'mail')));
    expect(new Set(all.map(({ accessToken }) => accessToken))).toEqual(new Set(server.given));
    expect(server.counts.token).toBe(1);
    expect(all[0]?.expiresAt).toBeGreaterThan(Date.now());
    // One that a peer refuses so early would be refused again.
    const again = await engine.run('tokens', { key: 'k', account: 'mail', rejected: server.given[0] as string });
    expect(again.accessToken).toBe(server.given[0]);
  });

  test('hears why there is none, by the account', async () => {
    await add('mail');
    server.faults.push({ status: 400, body: '{"error":"invalid_client"}' });
    const refusals = await Promise.all(Array.from({ length: 100 }, (_, i) => failure(ask(`key-${i}`, 'mail'))));
    for (const { code, message } of refusals) {
      expect(code).toBe('ERR_AUTH_EXPIRED');
      expect(message).toContain('account mail: the token server');
    }
    expect(server.counts.token).toBe(1);
    await expect(ask('k', 'mali')).rejects.toThrow('mail');
    await engine.accounts.add({ name: 'web', driver: 'ssh', endpoint: { host: 'web' } });
    await expect(ask('k', 'web')).rejects.toThrow('account web: oauth: expected where its access tokens come from');
  });
});
