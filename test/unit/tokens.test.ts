import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AccountOAuth } from '../../src/accounts/account.ts';
import { TokenCache, type TokenCacheOptions } from '../../src/tokens/token-cache.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startTokenServer, type TokenServer, type TokenServerOptions } from '../support/token-server.ts';

let folder = '';
let servers: TokenServer[] = [];
let caches: TokenCache[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keylane-tokens-'));
});
afterEach(async () => {
  await Promise.all(caches.map((cache) => cache.close()));
  await Promise.all(servers.map((server) => server.stop()));
  [servers, caches] = [[], []];
  await rm(folder, { recursive: true, force: true });
});

async function setUp(given: TokenServerOptions = {}, more: Partial<TokenCacheOptions> = {}) {
  const server = await startTokenServer({ address: '127.0.0.11', ...given });
  servers.push(server);
  const clock = new FakeClock(1_000);
  const cache = new TokenCache({
    clock,
    wall: () => 1_800_000_000_000 + clock.now(),
    random: () => 0.5,
    readSecret: async (reference) =>
      reference.startsWith('file:') ? (await readFile(reference.slice(5), 'utf8')).trim() : 's3cret',
    ...more,
  });
  caches.push(cache);
  const oauth: AccountOAuth = {
    grant: 'client_credentials',
    tokenUrl: server.tokenUrl,
    clientId: 'client',
    clientSecret: 'env:SECRET',
  };
  return { server, clock, cache, account: { name: 'mail', oauth } };
}

test('1,000 callers of an account share one request', async () => {
  const { server, cache, account } = await setUp();
  const all = await Promise.all(Array.from({ length: 1_000 }, () => cache.get(account)));
  expect(server.counts.token).toBe(1);
  expect(new Set(all.map(({ accessToken }) => accessToken))).toEqual(new Set(server.given));
  await cache.get(account);
  expect(server.counts.token).toBe(1);
});

test('rotation is stored', async () => {
  const { server, cache, account, clock } = await setUp({ rotate: true });
  const file = join(folder, 'refresh');
  const first = server.login();
  await writeFile(file, `${first}\n`, { mode: 0o600 });
  const oauth: AccountOAuth = { ...account.oauth, grant: 'refresh_token', refreshToken: `file:${file}` };
  const one = await cache.get({ name: 'mail', oauth });
  clock.advance(3_600_000);
  const two = await cache.get({ name: 'mail', oauth });
  expect([one.accessToken, two.accessToken]).toEqual(server.given);
  expect(server.counts).toMatchObject({ token: 2, reused: 0 });
  expect(await readFile(file, 'utf8')).not.toBe(`${first}\n`);
});
