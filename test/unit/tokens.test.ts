import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { settled } from '../support/fake-clock.ts';
import { TokenHarness } from '../support/token-harness.ts';
import type { TokenServerOptions } from '../support/token-server.ts';

/** What happens in the background may take its time on a busy machine. */
const PATIENT = { timeout: 15_000 };

let harness: TokenHarness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

async function setUp(options: TokenServerOptions = {}) {
  harness = await TokenHarness.start(options);
  return harness;
}

describe('an access token', () => {
  test('is asked for once by 1,000 callers at once, and kept for all after', async () => {
    const h = await setUp();
    const cache = h.cache();
    const account = h.client();
    const all = await Promise.all(Array.from({ length: 1_000 }, () => cache.get(account)));
    expect(new Set(all.map(({ accessToken }) => accessToken))).toEqual(new Set(h.server.given));
    expect(all[0]).toEqual({ accessToken: h.server.given[0], expiresAt: h.wall() + 3_600_000 });
    await cache.get(account);
    expect(h.server.counts.token).toBe(1);
    expect(h.read).toEqual(['env:SECRET', 'env:SECRET']);
  });

  test('is asked for once by two accounts with the same settings', async () => {
    const h = await setUp();
    const cache = h.cache();
    await Promise.all([cache.get(h.client()), cache.get({ ...h.client(), name: 'the same' })]);
    expect(h.server.counts.token).toBe(1);
    await cache.get(h.client({ scope: 'other' }));
    expect(h.server.counts.token).toBe(2);
  });

  test('of 100 accounts is asked for by all of them at once, not a few at a time', async () => {
    const h = await setUp();
    const cache = h.cache();
    const release = h.server.hold();
    const all = Promise.all(Array.from({ length: 100 }, (_, i) => cache.get(h.client({ scope: `account-${i}` }))));
    await h.server.came(100);
    release();
    await all;
    expect(h.server.counts).toMatchObject({ token: 100, mostInFlight: 100 });
  });

  test('is asked for with the scope and the audience, and the secret where it belongs', async () => {
    const h = await setUp();
    const cache = h.cache();
    await cache.get(h.client({ scope: 'mail.send', audience: 'https://mail.example' }));
    await cache.get(h.client({ clientAuth: 'basic' }));
    const [post, basic] = h.server.asked;
    expect(Object.fromEntries(post!.form)).toEqual({
      grant_type: 'client_credentials',
      client_id: 'client',
      client_secret: 's3cret',
      scope: 'mail.send',
      audience: 'https://mail.example',
    });
    expect(post!.authorization).toBeUndefined();
    expect(basic!.form.has('client_secret')).toBe(false);
    expect(basic!.authorization).toBe(`Basic ${Buffer.from('client:s3cret').toString('base64')}`);
  });

  test('is asked for where the issuer says, which is asked once for all its accounts', async () => {
    const h = await setUp();
    const cache = h.cache();
    const { tokenUrl: _, ...oauth } = h.client().oauth;
    const of = (scope: string) => ({ name: scope, oauth: { ...oauth, issuer: h.server.url, scope } });
    await Promise.all([cache.get(of('a')), cache.get(of('b'))]);
    await cache.get(of('c'));
    // Not at OpenID Connect's place, then at RFC 8414's.
    expect(h.server.counts).toMatchObject({ token: 3, discovery: 2 });
  });

  test('goes on for the others when one caller no longer waits', async () => {
    const h = await setUp();
    const cache = h.cache();
    const release = h.server.hold();
    const stop = new AbortController();
    const impatient = cache.get(h.client(), { signal: stop.signal });
    const patient = cache.get(h.client());
    await h.server.came(1);
    stop.abort(new Error('enough'));
    await expect(impatient).rejects.toMatchObject({ code: 'ERR_CANCELED', cause: stop.signal.reason, key: 'mail' });
    release();
    expect((await patient).accessToken).toBe(h.server.given[0]);
    await expect(cache.get(h.client(), { signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  });

  test('may be waited for by 1,000 callers with one signal, of which Node does not warn', async () => {
    const h = await setUp();
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    const cache = h.cache(h.shared());
    const { signal } = new AbortController();
    const all = Array.from({ length: 1_000 }, (_, i) => cache.get(h.client({ scope: `${i % 20}` }), { signal }));
    await Promise.all(all);
    await settled();
    process.off('warning', warned);
    expect(warnings).toEqual([]);
    expect(h.server.counts.token).toBe(20);
  });

  test('that must be fresh is asked for anew, once for all who want that, whatever is there', async () => {
    const h = await setUp();
    const [cache, other] = [h.cache(h.shared()), h.cache(h.shared())];
    await other.get(h.client());
    await h.clock.advanceSettling(1);
    const all = await Promise.all(Array.from({ length: 10 }, () => cache.get(h.client(), { fresh: true })));
    expect(new Set(all.map(({ accessToken }) => accessToken))).toEqual(new Set([h.server.given[1]]));
    expect((await cache.get(h.client())).accessToken).toBe(h.server.given[1]);
    expect(h.server.counts.token).toBe(2);
  });
});

describe('the end of a token', () => {
  test('is not waited for: from 70 to 80 % of its lifetime a use sends for the next one and takes this one', async () => {
    const h = await setUp();
    const cache = h.cache();
    const [first] = [await cache.get(h.client())];
    await h.clock.advanceSettling(3_600_000 * 0.75 - 1);
    expect(await cache.get(h.client())).toEqual(first);
    expect(h.server.counts.token).toBe(1);
    await h.clock.advanceSettling(1);
    const release = h.server.hold();
    expect(await Promise.all([cache.get(h.client()), cache.get(h.client())])).toEqual([first, first]);
    await h.server.came(2);
    expect(await cache.get(h.client())).toEqual(first);
    release();
    await expect.poll(async () => h.server.given.indexOf((await cache.get(h.client())).accessToken), PATIENT).toBe(1);
    expect(h.server.counts.token).toBe(2);
  });

  test('is a tenth of its lifetime, at most a minute, before it expires: then callers wait for the next one', async () => {
    for (const [expiresIn, skewMs] of [
      [100, 10_000],
      [36_000, 60_000],
    ] as const) {
      const h = await setUp({ expiresIn });
      const cache = h.cache();
      const { accessToken, expiresAt } = await cache.get(h.client());
      h.server.faults.push({ status: 503 });
      await h.clock.advanceSettling(expiresIn * 1_000 - skewMs - 1);
      expect((await cache.get(h.client())).accessToken).toBe(accessToken);
      expect(h.wall()).toBe(expiresAt - skewMs - 1);
      await expect.poll(() => h.told('token_refused').length, PATIENT).toBe(1);
      await h.clock.advanceSettling(2_000);
      expect((await cache.get(h.client())).accessToken).toBe(h.server.given[1]);
      await h.stop();
    }
  });

  test('comes when either clock says so: a wall clock that is set back does not keep a token alive', async () => {
    const h = await setUp();
    const cache = h.cache();
    await cache.get(h.client());
    h.wallAhead -= 86_400_000;
    await h.clock.advanceSettling(3_600_000);
    await cache.get(h.client());
    expect(h.server.counts.token).toBe(2);
    // The machine has slept for an hour.
    h.wallAhead += 3_600_000;
    await cache.get(h.client());
    expect(h.server.counts.token).toBe(3);
  });

  test.each([
    ['is missing', undefined, 300],
    ['is no number', 'soon', 300],
    ['is 0', 0, 300],
    ['is negative', -5, 300],
    ['is a number in a string', '1200', 1_200],
    ['is ten years', 315_360_000, 86_400],
  ])('is in 5 minutes where the lifetime makes no sense, and within a day: it %s', async (_, expiresIn, seconds) => {
    const h = await setUp({ expiresIn });
    const { expiresAt } = await h.cache().get(h.client());
    expect((expiresAt - h.wall()) / 1_000).toBe(seconds);
  });

  test('can be before its time: one that a peer refuses is not handed out again, unless the server has just given it', async () => {
    const h = await setUp();
    const cache = h.cache(h.shared());
    const { accessToken } = await cache.get(h.client());
    cache.reject(h.client(), accessToken);
    expect((await cache.get(h.client())).accessToken).toBe(accessToken);
    await h.clock.advanceSettling(30_000);
    cache.reject(h.client(), 'another');
    expect((await cache.get(h.client())).accessToken).toBe(accessToken);
    cache.reject(h.client(), accessToken);
    const next = await cache.get(h.client());
    expect(h.server.given).toEqual([accessToken, next.accessToken]);
    cache.reject(h.client(), next.accessToken);
    expect((await cache.get(h.client())).accessToken).toBe(next.accessToken);
    expect(h.server.counts.token).toBe(2);
  });
});

describe('a refresh token', () => {
  test('that the server replaces is stored, with its line end, before the access token is handed out', async () => {
    const h = await setUp({ rotate: true });
    const { account, file, refreshToken } = await h.login();
    const cache = h.cache(h.shared());
    await cache.get(account);
    const second = await readFile(file, 'utf8');
    expect(second).toMatch(/^refresh-[0-9a-f-]{36}\n$/);
    expect(second).not.toContain(refreshToken);
    for (let hour = 0; hour < 5; hour++) {
      await h.clock.advanceSettling(3_600_000);
      await cache.get(account);
    }
    expect(h.server.counts).toMatchObject({ token: 6, reused: 0 });
    const sent = h.server.asked.map(({ form }) => form.get('refresh_token'));
    expect(new Set(sent).size).toBe(6);
    expect(sent[1]).toBe(second.trim());
  });

  test('that the server leaves as it is leaves the file as it is', async () => {
    const h = await setUp();
    const { account, file, refreshToken } = await h.login();
    await h.cache().get(account);
    expect(await readFile(file, 'utf8')).toBe(`${refreshToken}\n`);
  });

  test('is stored even where the answer that it came in is of no use otherwise', async () => {
    const h = await setUp({ rotate: true, also: { token_type: 7 } });
    const { account, file, refreshToken } = await h.login();
    const cache = h.cache(h.shared());
    await expect(cache.get(account)).rejects.toMatchObject({ code: 'ERR_TOKEN', retryable: true });
    expect(await readFile(file, 'utf8')).not.toContain(refreshToken);
    delete h.server.options.also;
    await h.clock.advanceSettling(2_000);
    await cache.get(account);
    expect(h.server.counts.reused).toBe(0);
  });

  test('comes with an ID token of whomever: it is not looked at, and no reason to lose the rest', async () => {
    const h = await setUp({ rotate: true, also: { id_token: 'a.b.c' } });
    const { account } = await h.login();
    expect((await h.cache().get(account)).accessToken).toBe(h.server.given[0]);
  });

  test('that somebody replaces by a new login is left, and the next refresh uses it', async () => {
    const h = await setUp({ rotate: true });
    const { account, file } = await h.login();
    const cache = h.cache(h.shared());
    const release = h.server.hold();
    const first = cache.get(account);
    await h.server.came(1);
    const { refreshToken: theirs } = await h.login();
    release();
    await first;
    expect(await readFile(file, 'utf8')).toBe(`${theirs}\n`);
    await h.clock.advanceSettling(3_600_000);
    await cache.get(account);
    expect(h.server.asked[1]!.form.get('refresh_token')).toBe(theirs);
  });

  test('that cannot be stored (env:, cmd:) works in this process with one warning, and is sent by no other', async () => {
    const h = await setUp({ rotate: true });
    h.env.REFRESH = h.server.login();
    const account = h.client({ grant: 'refresh_token', refreshToken: 'env:REFRESH' });
    const cache = h.cache(h.shared());
    const { accessToken } = await cache.get(account);
    // While the token is good, all have it.
    expect((await h.cache(h.shared()).get(account)).accessToken).toBe(accessToken);
    await h.clock.advanceSettling(3_600_000);
    await expect(h.cache(h.shared()).get(account)).rejects.toMatchObject({
      code: 'ERR_AUTH_EXPIRED',
      message: expect.stringMatching(/env:REFRESH was used up.*give file:\/PATH/),
    });
    await cache.get(account);
    expect(h.server.counts).toMatchObject({ token: 2, reused: 0 });
    expect(h.told('token_unstored')).toEqual([
      {
        type: 'token_unstored',
        account: 'mail',
        message: expect.stringContaining('env:REFRESH cannot be written; give file:/PATH'),
      },
    ]);
    // A new login behind the reference is noticed, and is not used up yet.
    h.env.REFRESH = h.server.login();
    h.server.options.rotate = false;
    await cache.get(account, { fresh: true });
    await h.clock.advanceSettling(3_600_000);
    await h.cache(h.shared()).get(account);
    expect(h.server.counts).toMatchObject({ token: 4, reused: 0 });
  });

  test('whose file cannot be written is the same, and is found out before the server is asked', async () => {
    const h = await setUp({ rotate: true });
    const { account, file, refreshToken } = await h.login();
    // Where the draft would be.
    await mkdir(join(h.folder, '.refresh.keylane-new', 'taken'), { recursive: true });
    const cache = h.cache(h.shared());
    await cache.get(account);
    await h.clock.advanceSettling(3_600_000);
    await cache.get(account);
    expect(await readFile(file, 'utf8')).toBe(`${refreshToken}\n`);
    await expect(h.cache(h.shared()).get(account, { fresh: true })).resolves.toBeDefined();
    await h.clock.advanceSettling(3_600_000);
    await expect(h.cache(h.shared()).get(account)).rejects.toMatchObject({ code: 'ERR_AUTH_EXPIRED' });
    expect(h.server.counts).toMatchObject({ token: 2, reused: 0 });
    expect(h.told('token_unstored')).toHaveLength(1);
  });

  test('that comes with client credentials is not kept', async () => {
    const h = await setUp({ also: { refresh_token: 'unasked-for' } });
    const cache = h.cache(h.shared());
    await cache.get(h.client());
    await h.clock.advanceSettling(3_600_000);
    await cache.get(h.client());
    expect(h.server.asked.map(({ form }) => form.get('grant_type'))).toEqual(Array(2).fill('client_credentials'));
    expect(h.events).toEqual([]);
  });
});

describe('other processes', () => {
  test('take the token that one of them got, without a question to the server', async () => {
    const h = await setUp();
    const { account } = await h.login();
    const { accessToken } = await h.cache(h.shared()).get(account);
    expect((await h.cache(h.shared()).get(account)).accessToken).toBe(accessToken);
    expect((await h.cache().get(account)).accessToken).not.toBe(accessToken);
    expect(h.server.counts.token).toBe(2);
  });

  test('take one that is due soon, too, and refresh it in the background as its owner would', async () => {
    const h = await setUp();
    const { accessToken } = await h.cache(h.shared()).get(h.client());
    await h.clock.advanceSettling(3_600_000 * 0.85);
    const cache = h.cache(h.shared());
    expect((await cache.get(h.client())).accessToken).toBe(accessToken);
    expect((await cache.get(h.client())).accessToken).toBe(accessToken);
    await expect.poll(async () => h.server.given.indexOf((await cache.get(h.client())).accessToken), PATIENT).toBe(1);
  });

  test('of another secret do not take it: it cannot be opened', async () => {
    const h = await setUp();
    await h.cache(h.shared()).get(h.client());
    h.env.SECRET = h.server.options.clientSecret = 'an0ther';
    await h.cache(h.shared()).get(h.client());
    expect(h.server.counts.token).toBe(2);
  });

  test('that cannot share are told of once, and ask for themselves', async () => {
    const h = await setUp();
    const cache = h.cache({ dataDir: (await h.login('no-folder')).file });
    await cache.get(h.client());
    await cache.get(h.client({ scope: 'b' }));
    expect(h.told('tokens_unshared')).toEqual([
      { type: 'tokens_unshared', message: expect.stringContaining('no-folder/tokens cannot be made: ENOTDIR') },
    ]);
  });
});

describe('an account that cannot be used', () => {
  test.each([
    [{ clientSecret: 'hunter2' }, 'oauth.clientSecret: expected a reference, not the secret itself'],
    [{ tokenUrl: 'http://login.example/token' }, 'oauth.tokenUrl: expected an https URL'],
    [{ issuer: 'https://login.example' }, 'oauth: expected either'],
    [{ grant: 'refresh_token' as const }, 'oauth.refreshToken: expected a reference'],
  ])('is refused by the field, without its value: %o', async (more, says) => {
    const h = await setUp();
    const error = (await h
      .cache()
      .get(h.client(more))
      .catch((reason: unknown) => reason)) as Error;
    expect(error).toMatchObject({ code: 'ERR_INPUT', key: 'mail' });
    expect(error.message).toContain(`account mail: ${says}`);
    expect(error.message).not.toContain('hunter2');
    await expect(h.cache().get({ name: 'none' })).rejects.toMatchObject({ code: 'ERR_INPUT' });
  });

  test('is told apart from a server that cannot: a secret that is empty names its reference', async () => {
    const h = await setUp();
    const cache = h.cache();
    const refused = { code: 'ERR_INPUT', message: 'account mail: env:EMPTY is empty' };
    await expect(cache.get(h.client({ clientSecret: 'env:EMPTY' }))).rejects.toMatchObject(refused);
    h.env.EMPTY = 's3cret';
    await h.clock.advanceSettling(1_000);
    await cache.get(h.client({ clientSecret: 'env:EMPTY' }));
  });
});

test('of more than 100,000 accounts the oldest is forgotten, and asked for anew', async () => {
  const h = await setUp();
  const cache = h.cache();
  const kept = h.client({ scope: 'kept' });
  await cache.get(h.client());
  await cache.get(kept);
  for (let i = 0; i < 99_998; i++) cache.reject(h.client({ scope: `${i}` }), 'no token of it');
  await cache.get(h.client());
  expect(h.server.counts.token).toBe(2);
  cache.reject(h.client({ scope: 'one more' }), 'no token of it');
  await cache.get(kept);
  expect(h.server.counts.token).toBe(2);
  await cache.get(h.client());
  expect(h.server.counts.token).toBe(3);
});

test('closing does not wait for a server, but for the answer to a refresh token, which is stored', async () => {
  const h = await setUp({ rotate: true });
  const { account, file, refreshToken } = await h.login();
  const cache = h.cache(h.shared());
  const release = h.server.hold();
  const asked = cache.get(account);
  const other = cache.get(h.client());
  await h.server.came(2);
  const closed = cache.close();
  await expect(other).rejects.toMatchObject({ code: 'ERR_CLOSED', key: 'mail' });
  release();
  await Promise.all([closed, asked]);
  expect(await readFile(file, 'utf8')).not.toContain(refreshToken);
  expect(h.events).toEqual([]);
});

test('nothing keeps the process busy once a token is there, and a closed cache asks nobody', async () => {
  const h = await setUp();
  const cache = h.cache(h.shared());
  await cache.get(h.client());
  await settled();
  expect(h.clock.pending).toBe(0);
  await cache.close();
  await cache.get(h.client());
  await expect(cache.get(h.client({ scope: 'b' }))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(h.server.counts.token).toBe(1);
});
