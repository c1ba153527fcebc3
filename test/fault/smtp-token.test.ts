import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Account, EngineOptions } from 'keylane';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SmtpTarget } from '../../src/specs/smtp.js';
import { systemClock } from '../../src/util/clock.js';
import { deferred } from '../../src/util/deferred.js';
import { Connector } from '../../workers/drivers/smtp/connector.js';
import { Sessions } from '../../workers/drivers/smtp/sessions.js';
import { foundIn } from '../support/canaries.js';
import { FakeOpen } from '../support/driver-context.js';
import { startEngine } from '../support/engine.js';
import { type Dialogue, EHLO, ScriptedServer } from '../support/smtp-script.js';
import { TokenHarness } from '../support/token-harness.js';
import { startTokenServer, type TokenServer } from '../support/token-server.js';

/** A token that its mail server takes for old is renewed once, whoever needs it; no token is seen anywhere. (PROMISES M7) */
const mechanisms = ['XOAUTH2', 'OAUTHBEARER'] as const;
const offers = (mechanism: string) => `${EHLO.replace('250 8BIT', '250-8BIT')}\r\n250 AUTH PLAIN ${mechanism}`;
/** Says what it thinks of a token in a question first, as Google and Microsoft do. */
const logIn = (takes: (token: string) => boolean) => (_: Dialogue, line: string) => {
  const [, , initial = ''] = line.split(' ');
  const token = Buffer.from(initial, 'base64')
    .toString()
    .split('\x01')
    .find((part) => part.startsWith('auth=Bearer '))
    ?.slice(12) as string;
  return takes(token) ? '235 2.7.0 in' : `334 ${Buffer.from(`{"status":"400","token":"${token}"}`).toString('base64')}`;
};
/** What answers that question. */
const REFUSED = { '': '535 5.7.8 too old', 'AQ==': '535 5.7.8 too old' };

let server: ScriptedServer;
beforeAll(async () => {
  server = await ScriptedServer.start();
});
afterAll(() => server.stop());

describe.each(mechanisms)('by %s', (mechanism) => {
  let h: TokenHarness;
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connection) => connection.close()));
    await h.stop();
  });

  const target = (): SmtpTarget => ({
    key: 'mail',
    host: '127.0.0.1',
    port: server.port,
    tls: 'none',
    user: 'a=b,c@keylane.test',
    account: 'mail',
    connectTimeoutMs: 20_000,
    messagesPerConnection: 100,
    maxAgeMs: 300_000,
    connections: 5,
    quotas: [],
  });
  const start = async () => {
    h = await TokenHarness.start({ address: '127.0.0.28', latencyMs: 20 });
    const cache = h.cache();
    const { account, refreshToken } = await h.login();
    const connector = new Connector(systemClock);
    const sessions = new Sessions(systemClock);
    const connect = async () => {
      const context = new FakeOpen({
        token: ({ rejected }) => {
          if (rejected !== undefined) cache.reject(account, rejected);
          return cache.get(account);
        },
      });
      const connection = await connector.open(target(), context, sessions);
      open.push(connection);
      return connection;
    };
    return { cache, account, refreshToken, connect };
  };

  test('100 connections with an old token cost one renewal', async () => {
    const { cache, account, connect } = await start();
    await cache.get(account);
    h.wallAhead += 60_000;
    const [old] = h.server.given;
    server.now({ EHLO: offers(mechanism), AUTH: logIn((token) => token !== old), ...REFUSED });
    await Promise.all(Array.from({ length: 100 }, connect));
    expect(h.server.counts.token).toBe(2);
    // Those that ask for a token later get the new one.
    const tries = server.heard.filter((line) => line.startsWith(`AUTH ${mechanism} `)).length;
    expect(tries).toBeGreaterThan(100);
    expect(tries).toBeLessThanOrEqual(200);
  });

  test('an account whose login was withdrawn must be authorized anew, and the token server is asked once', async () => {
    const { cache, account, refreshToken, connect } = await start();
    await cache.get(account);
    h.wallAhead += 60_000;
    h.server.revoke(refreshToken);
    server.now({ EHLO: offers(mechanism), AUTH: logIn(() => false), ...REFUSED });
    const errors = await Promise.all(Array.from({ length: 20 }, () => failed(connect())));
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_AUTH_EXPIRED']));
    expect(h.server.counts.token).toBe(2);
    expect(server.heard.filter((line) => line.startsWith('AUTH ')).length).toBeLessThanOrEqual(20);
  });

  test('a server that takes no token is asked twice at most, and no token is in what it leads to', async () => {
    const { cache, account, connect } = await start();
    await cache.get(account);
    h.wallAhead += 60_000;
    server.now({
      EHLO: offers(mechanism),
      AUTH: (_, line) => `535-5.7.8 ${line}\r\n535 5.7.8 ${Buffer.from(line.split(' ')[2] as string, 'base64')}`,
    });
    const error = await failed(connect());
    expect(error).toMatchObject({ code: 'ERR_AUTH_EXPIRED', outcome: 'not_started', retryable: false, key: 'mail' });
    expect(error.message).toMatch(/refused a new access token of the account mail .*authorize the account anew/);
    expect(server.heard.filter((line) => line.startsWith('AUTH '))).toHaveLength(2);
    const [one, two] = h.server.given as [string, string];
    expect(foundIn({ one, two }, { error: inspect(error, { depth: 9 }) })).toEqual([]);
  });

  test('a token that is young and refused is not asked for again', async () => {
    const { connect } = await start();
    server.now({ EHLO: offers(mechanism), AUTH: logIn(() => false), ...REFUSED });
    expect(await failed(connect())).toMatchObject({ code: 'ERR_AUTH_EXPIRED' });
    expect(server.heard.filter((line) => line.startsWith('AUTH '))).toHaveLength(1);
    expect(h.server.counts.token).toBe(1);
  });
});

describe('1,000 messages of an account', () => {
  let tokens: TokenServer;
  let dir: string;
  beforeAll(async () => {
    tokens = await startTokenServer({ address: '127.0.0.29', latencyMs: 20 });
    dir = mkdtempSync(join(tmpdir(), 'keylane-token-'));
  });
  afterAll(async () => {
    await tokens.stop();
    rmSync(dir, { recursive: true });
  });

  /** Gives what sends so many. */
  const mailer = async (refreshToken: string, options: EngineOptions = {}) => {
    const file = join(dir, refreshToken);
    writeFileSync(file, refreshToken, { mode: 0o600 });
    writeFileSync(join(dir, 'client'), 's3cret', { mode: 0o600 });
    const account: Account = {
      name: 'mail',
      driver: 'smtp',
      endpoint: { host: '127.0.0.1', port: server.port, tls: 'none' },
      user: 'ana@keylane.test',
      oauth: {
        grant: 'refresh_token',
        tokenUrl: tokens.tokenUrl,
        clientId: 'client',
        clientSecret: `file:${join(dir, 'client')}`,
        refreshToken: `file:${file}`,
      },
    };
    const engine = await startEngine({ dataDir: join(dir, `data-${refreshToken}`), ...options });
    await engine.accounts.add(account);
    const raw = 'hello';
    const envelope = { from: 'ana@keylane.test', to: 'bob@keylane.test' };
    const request = { account: 'mail', raw, envelope };
    return (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => engine.run('smtp', request).catch((error: { code: string }) => error)),
      );
  };
  const send = async (refreshToken: string) => (await mailer(refreshToken))(1_000);

  test('cost one token', async () => {
    server.now({ EHLO: offers('XOAUTH2'), AUTH: logIn((token) => tokens.given.includes(token)) });
    const before = tokens.counts.token;
    const ended = await send(tokens.login());
    expect(new Set(ended.map(({ code }) => code))).toEqual(new Set([250]));
    expect(server.messages).toHaveLength(1_000);
    expect(tokens.counts.token - before).toBe(1);
  });

  test('that each meet one that their server takes no more cost one renewal', { timeout: 60_000 }, async () => {
    let ahead = 0;
    const now = Date.now;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + ahead);
    try {
      // Each over a connection of its own, all at once.
      const sends = await mailer(tokens.login(), {
        shards: 1,
        smtp: { messagesPerConnection: 1, connections: 1_000 },
        limits: { connectionsPerLane: 1_000, opensPerKey: 1_000, connectTimeoutMs: 50_000 },
      });
      server.now({ EHLO: offers('XOAUTH2'), AUTH: logIn((token) => tokens.given.includes(token)) });
      expect(await sends(1)).toMatchObject([{ code: 250 }]);
      const old = tokens.given.at(-1);
      const before = tokens.counts.token;
      ahead = 60_000;
      // None of them is answered before all of them have come.
      let met = 0;
      const all = deferred<void>();
      const answered = logIn((token) => token !== old && tokens.given.includes(token));
      server.now({
        EHLO: offers('XOAUTH2'),
        AUTH: async (dialogue, line) => {
          if (++met === 1_000) all.resolve();
          await all.promise;
          return answered(dialogue, line);
        },
        ...REFUSED,
      });
      const ended = await sends(1_000);
      expect(new Set(ended.map(({ code }) => code))).toEqual(new Set([250]));
      expect(server.messages).toHaveLength(1_000);
      expect(met).toBe(2_000);
      expect(tokens.counts.token - before).toBe(1);
    } finally {
      clock.mockRestore();
    }
  });

  test('whose login was withdrawn each hear that, and nobody asks on and on', async () => {
    server.now({ EHLO: offers('XOAUTH2'), AUTH: logIn(() => false), ...REFUSED });
    const refreshToken = tokens.login();
    tokens.revoke(refreshToken);
    const before = tokens.counts.token;
    const ended = await send(refreshToken);
    expect(new Set(ended.map(({ code }) => code))).toEqual(new Set(['ERR_AUTH_EXPIRED']));
    expect(tokens.counts.token - before).toBe(1);
    expect(server.heard.filter((line) => line.startsWith('AUTH '))).toEqual([]);
  });
});

/** As `failure`, for what is not behind a thread. */
async function failed(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error) => error,
  );
}
