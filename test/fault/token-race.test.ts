import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { TokenAsker } from '../support/token-asker.js';
import { TokenHarness } from '../support/token-harness.js';
import type { TokenServerOptions } from '../support/token-server.js';

/**
 * Many processes whose token has expired at once. The server takes a refresh token that is used twice for stolen, and
 * revokes the login: a lost race would cost it.
 */
let harness: TokenHarness;
let askers: TokenAsker[] = [];
afterEach(async () => {
  await Promise.all(askers.map((asker) => asker.end()));
  askers = [];
  await harness.stop();
});

const ROTATING: TokenServerOptions = { address: '127.0.0.22', rotate: true, latencyMs: 100 };
const start = async (options: TokenServerOptions) => {
  harness = await TokenHarness.start(options);
  return harness;
};

async function processes(count: number, account: Awaited<ReturnType<TokenHarness['login']>>['account'], more = {}) {
  const { dataDir } = harness.shared();
  const started = await Promise.all(Array.from({ length: count }, () => TokenAsker.start(account, dataDir, more)));
  askers.push(...started);
  return started;
}

const left = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

describe('processes with an expired token of a login whose refresh token is replaced at each use', () => {
  test.each([2, 20])('%i of them refresh it once, and all go on with what that gave', async (count) => {
    const h = await start(ROTATING);
    const { account, file } = await h.login();
    const asking = await processes(count, account);
    const first = await Promise.all(asking.map((asker) => asker.ask(5)));
    expect(new Set(first.flat())).toEqual(new Set(h.server.given));
    expect(h.server.counts).toMatchObject({ token: 1, reused: 0 });
    // Others, at a time when it has expired: they find it on the disk, as the first ones found none.
    const later = await processes(2, account, { wallAheadMs: 7_200_000 });
    const second = await Promise.all(later.map((asker) => asker.ask(5)));
    expect(new Set(second.flat())).toEqual(new Set([h.server.given[1]]));
    expect(h.server.counts).toMatchObject({ token: 2, reused: 0 });
    // No lock, no draft.
    expect(left(h.folder)).toEqual([
      'data',
      'data/tokens',
      expect.stringMatching(/^data\/tokens\/[0-9a-f]{64}$/),
      'refresh',
    ]);
    const stored = h.server.asked.map(({ form }) => form.get('refresh_token'));
    expect(stored).not.toContain(readFileSync(file, 'utf8').trim());
  });

  test('meet at its file where each has a data directory of its own, too', async () => {
    const h = await start(ROTATING);
    const { account } = await h.login();
    const asking = await Promise.all(
      Array.from({ length: 6 }, (_, i) => TokenAsker.start(account, join(h.folder, `data-${i}`))),
    );
    askers.push(...asking);
    const got = await Promise.all(asking.map((asker) => asker.ask()));
    // They share no token, so each asks, one after the other and with the refresh token of the one before.
    expect(got.flat().sort()).toEqual([...h.server.given].sort());
    expect(h.server.counts).toMatchObject({ token: 6, reused: 0, mostInFlight: 1 });
  });

  test('ask with one scope each: the file is what they share, and it is used in turn', async () => {
    const h = await start(ROTATING);
    const { account } = await h.login();
    const { dataDir } = h.shared();
    const asking = await Promise.all(
      ['a', 'b', 'c', 'd'].map((scope) =>
        TokenAsker.start({ name: scope, oauth: { ...account.oauth, scope } }, dataDir),
      ),
    );
    askers.push(...asking);
    const got = await Promise.all(asking.map((asker) => asker.ask()));
    expect(got.flat().sort()).toEqual([...h.server.given].sort());
    expect(h.server.counts).toMatchObject({ token: 4, reused: 0, mostInFlight: 1 });
  });
});

test('10 processes of a client with a secret in the environment ask once', async () => {
  const h = await start({ address: '127.0.0.22', latencyMs: 100 });
  const asking = await processes(10, h.client());
  const got = await Promise.all(asking.map((asker) => asker.ask()));
  expect(new Set(got.flat())).toEqual(new Set(h.server.given));
  expect(h.server.counts.token).toBe(1);
});

test('10 processes of a revoked login ask once, and all hear why', async () => {
  const h = await start(ROTATING);
  const { account, refreshToken } = await h.login();
  h.server.revoke(refreshToken);
  const asking = await processes(10, account);
  const got = (await Promise.all(asking.map((asker) => asker.ask(5)))).flat();
  expect(new Set(got).size).toBe(1);
  expect(got[0]).toContain('ERR_AUTH_EXPIRED: account mail: the token server');
  expect(h.server.counts.token).toBe(1);
});
