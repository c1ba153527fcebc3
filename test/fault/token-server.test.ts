import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeylaneError } from '../../src/errors.js';
import type { TokenCache } from '../../src/tokens/token-cache.js';
import { TokenHarness } from '../support/token-harness.js';
import { startTokenServer, type TokenFault } from '../support/token-server.js';

/** A token server that answers badly, slowly, not at all, or no. */
let h: TokenHarness;
let cache: TokenCache;
beforeEach(async () => {
  h = await TokenHarness.start({ address: '127.0.0.24' });
  cache = h.cache(h.shared());
});
afterEach(() => h.stop());

const refusal = (account = h.client()): Promise<KeylaneError> =>
  cache.get(account).then(
    () => Promise.reject(new Error('expected a refusal')),
    (error: KeylaneError) => error,
  );
const times = (count: number, fault: TokenFault): TokenFault[] => new Array<TokenFault>(count).fill(fault);
/** Of an answer that must not be seen by anybody. */
const BODY = 'C4nary-in-the-body';

describe('a server that does not answer', () => {
  test.each(['hang', 'half'] as const)('is given up after 10 s: %s', async (fault) => {
    h.server.faults.push(fault);
    const asked = refusal();
    await h.server.came(1);
    if (fault === 'half') await expect.poll(() => h.server.counts.halves, { timeout: 15_000 }).toBe(1);
    h.clock.advance(9_999);
    expect(h.clock.pending).toBe(1);
    h.clock.advance(1);
    expect(await asked).toMatchObject({
      code: 'ERR_TOKEN',
      outcome: 'not_started',
      retryable: true,
      key: 'mail',
      message: `account mail: the token server ${h.server.tokenUrl} has not answered within 10 s`,
    });
    expect(h.clock.pending).toBe(0);
  });

  test('for the server closed its port: the error says so, and the next try is after its time', async () => {
    await h.server.stop();
    const error = await refusal();
    expect(error).toMatchObject({
      code: 'ERR_TOKEN',
      retryable: true,
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  test('with an end is not listened to for ever: 256 KB are the most', async () => {
    h.server.faults.push('huge');
    expect(await refusal()).toMatchObject({ code: 'ERR_TOKEN', message: expect.stringContaining('more than 256 KB') });
  });
});

describe('an answer that is none', () => {
  test.each([
    ['no JSON', { status: 200, body: BODY }, true],
    ['no object', { status: 200, body: `["${BODY}"]` }, true],
    ['no access token', { status: 200, body: `{"token":"${BODY}"}` }, true],
    ['another kind of token', { status: 200, body: `{"access_token":"${BODY}","token_type":"mac"}` }, true],
    ['nothing', { status: 204, body: '' }, false],
    ['a page', { status: 404, headers: { 'content-type': 'text/html' }, body: BODY }, false],
    ['a word that nobody knows', { status: 400, body: `{"error":"${BODY}"}` }, false],
  ])('is an error that shows nothing of it: %s', async (_, fault, retryable) => {
    h.server.faults.push(fault);
    const error = await refusal();
    expect(error).toMatchObject({ code: 'ERR_TOKEN', retryable });
    expect(error).not.toHaveProperty('cause');
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(BODY);
  });
});

test('a redirect is not followed: the secret goes nowhere else', async () => {
  const other = await startTokenServer({ address: '127.0.0.24' });
  try {
    for (const status of [301, 302, 303, 307, 308]) {
      h.server.faults.push({ status, headers: { location: other.tokenUrl } });
      expect(await refusal(h.client({ scope: `${status}` }))).toMatchObject({
        code: 'ERR_TOKEN',
        retryable: false,
        message: expect.stringContaining(`a redirect (${status}), which is not followed`),
      });
    }
    expect(other.counts.token).toBe(0);
  } finally {
    await other.stop();
  }
});

test('an issuer that names a port without TLS for its tokens gets none of our secrets', async () => {
  // The issuer's own answer comes by http here, so what counts is the host: not this machine.
  const { tokenUrl: _, ...oauth } = h.client().oauth;
  h.server.options.also = { token_endpoint: 'http://login.example/token' };
  const error = await refusal({ name: 'mail', oauth: { ...oauth, issuer: h.server.url } });
  expect(error).toMatchObject({ code: 'ERR_TOKEN', retryable: false, message: expect.stringContaining('not https') });
  expect(h.server.counts.token).toBe(0);
});

describe('a server that is busy', () => {
  test.each([429, 500, 502, 503, 504])(
    'is asked again after a while that grows, not at each call: %i',
    async (status) => {
      h.server.faults.push(...times(4, { status, body: BODY }));
      const waits: number[] = [];
      for (let i = 1; i <= 4; i++) {
        const all = await Promise.all(Array.from({ length: 100 }, () => refusal()));
        const [first] = all as [KeylaneError];
        expect(new Set(all.map(({ message }) => message))).toEqual(new Set([first.message]));
        expect(first).toMatchObject({ code: 'ERR_TOKEN', retryable: true, key: 'mail' });
        for (let again = 0; again < 100; again++) await refusal();
        expect(h.server.counts.token).toBe(i);
        waits.push(first.retryAfterMs as number);
        await h.clock.advanceSettling(first.retryAfterMs as number);
      }
      expect(waits).toEqual([1_125, 2_250, 4_500, 9_000]);
      await cache.get(h.client());
      expect(h.told('token_refused')).toHaveLength(4);
    },
  );

  test.each([
    ['seconds', () => '120', 120_000],
    ['a date', () => new Date(Date.now() + 120_000).toUTCString(), 120_000],
    ['ten years', () => '315360000', 600_000],
    ['nonsense', () => 'later', 1_000],
  ])('says itself when to come again, within bounds: %s', async (_, value, expectedMs) => {
    h.server.faults.push({ status: 503, headers: { 'retry-after': value() } });
    const { retryAfterMs = 0 } = await refusal();
    expect(retryAfterMs / (expectedMs * 1.125)).toBeCloseTo(1, 1);
    await h.clock.advanceSettling(Math.max(retryAfterMs - 2_000, 0));
    if (retryAfterMs > 2_000) await refusal();
    await h.clock.advanceSettling(2_000);
    await cache.get(h.client());
    expect(h.server.counts.token).toBe(2);
  });

  test('and told one process when to come again has told all of them', async () => {
    h.server.faults.push({ status: 429, headers: { 'retry-after': '60' } });
    await refusal();
    cache = h.cache(h.shared());
    expect(await refusal()).toMatchObject({
      code: 'ERR_TOKEN',
      retryable: true,
      message: expect.stringContaining('429'),
    });
    expect(h.server.counts.token).toBe(1);
    await h.clock.advanceSettling(70_000);
    await cache.get(h.client());
  });

  test('fails nobody who has a token that is still good', async () => {
    const { accessToken } = await cache.get(h.client());
    h.server.faults.push(...times(1_000, { status: 503 }));
    for (let minute = 0; minute < 59; minute++) {
      expect((await cache.get(h.client())).accessToken).toBe(accessToken);
      await h.clock.advanceSettling(60_000);
    }
    // From the 45th minute on, with waits of a second, two … a minute at most.
    expect(h.server.counts.token).toBeLessThan(20);
    expect(await refusal()).toMatchObject({ code: 'ERR_TOKEN' });
  });
});

describe('a login that the server has revoked', () => {
  test.each(['invalid_grant', 'invalid_client', 'unauthorized_client', 'access_denied'])(
    'is one clear error for all who wait and who come later, and no loop: %s',
    async (word) => {
      const body = JSON.stringify({ error: word, error_description: BODY });
      h.server.faults.push(...times(100, { status: 400, body }));
      const all = await Promise.all(Array.from({ length: 1_000 }, () => refusal()));
      const { message } = all[0] as KeylaneError;
      expect(message).toBe(
        `account mail: the token server ${h.server.tokenUrl} does not accept the account any more: ${word} (400); authorize it anew`,
      );
      for (const error of all)
        expect(error).toMatchObject({ code: 'ERR_AUTH_EXPIRED', retryable: false, message, key: 'mail' });
      // For an hour, a call each second.
      for (let second = 0; second < 3_600; second += 10) {
        await h.clock.advanceSettling(10_000);
        expect(await refusal()).toMatchObject({ code: 'ERR_AUTH_EXPIRED', message });
      }
      // After 30 s, 1, 2, 4, 8 and then every 10 minutes.
      expect(h.server.counts.token).toBeLessThanOrEqual(11);
      expect(h.told('token_refused').length).toBe(h.server.counts.token);
    },
  );

  test('is well again as soon as a new one is behind the reference', async () => {
    const { account, refreshToken } = await h.login();
    h.server.revoke(refreshToken);
    await refusal(account);
    await h.login();
    await h.clock.advanceSettling(1_000);
    await cache.get(account);
    expect(h.server.counts.token).toBe(2);
  });

  test('is still good for as long as its last access token is', async () => {
    const { account, refreshToken } = await h.login();
    const { accessToken } = await cache.get(account);
    h.server.revoke(refreshToken);
    await h.clock.advanceSettling(3_600_000 * 0.85);
    await cache.get(account);
    await expect.poll(() => h.told('token_refused').length, { timeout: 15_000 }).toBe(1);
    expect((await cache.get(account)).accessToken).toBe(accessToken);
    expect((await h.cache(h.shared()).get(account)).accessToken).toBe(accessToken);
    await h.clock.advanceSettling(3_600_000 * 0.14);
    expect(await refusal(account)).toMatchObject({ code: 'ERR_AUTH_EXPIRED' });
  });

  test('with a status and no word is told by the status', async () => {
    h.server.faults.push({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' }, body: BODY });
    expect(await refusal()).toMatchObject({ code: 'ERR_AUTH_EXPIRED', message: expect.stringContaining('status 401') });
  });
});

test('settings that the server does not take are a fault of the configuration', async () => {
  h.server.faults.push({ status: 400, body: '{"error":"invalid_scope"}' });
  expect(await refusal()).toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringContaining('invalid_scope (400)'),
  });
});

test('what a login loses by an answer that never comes is not asked for in vain, and its file stays as it is', async () => {
  h.server.options.rotate = true;
  const { account, file, refreshToken } = await h.login();
  h.server.faults.push('cut');
  expect(await refusal(account)).toMatchObject({ code: 'ERR_TOKEN', retryable: true });
  expect(readFileSync(file, 'utf8')).toBe(`${refreshToken}\n`);
  expect(readdirSync(h.folder).sort()).toEqual(['refresh']);
});
