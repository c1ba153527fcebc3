import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { type DevicePrompt, deviceGrant } from '../../src/tokens/device.ts';
import type { DeviceCode, Granted } from '../../src/tokens/oauth.ts';
import type { TokenCache } from '../../src/tokens/token-cache.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { TokenHarness } from '../support/token-harness.ts';

let h: TokenHarness;
let cache: TokenCache;
let shown: DevicePrompt[];
beforeEach(async () => {
  h = await TokenHarness.start({ address: '127.0.0.25' });
  cache = h.cache(h.shared());
  shown = [];
});
afterEach(() => h.stop());

const file = () => join(h.folder, 'logins', 'mail');
const account = (more = {}) =>
  h.client({ grant: 'device', deviceUrl: h.server.deviceUrl, refreshToken: `file:${file()}`, ...more });
const login = (signal?: AbortSignal) => {
  const done = cache.startDevice(account(), (prompt) => shown.push(prompt), signal);
  // Looked at when it is due.
  done.catch(() => undefined);
  return done;
};
const prompted = () => expect.poll(() => shown.length, { timeout: 15_000 }).toBe(1);

/** Lets the time until the question to the server pass. */
async function question(): Promise<void> {
  await prompted();
  await h.clock.advanceSettling(5_000);
}

/** The device flow without a server: what it answers to each question, and how long each was waited for. */
async function paced(answers: (Granted | KeylaneError)[], code: Partial<DeviceCode> = {}) {
  const clock = new FakeClock();
  const waits: number[] = [];
  let last = 0;
  const servers = {
    deviceCode: async () => ({ ...CODE, ...code }),
    ask: async () => {
      waits.push((clock.now() - last) / 1_000);
      last = clock.now();
      const answer = answers.shift() ?? PENDING;
      if (answer instanceof KeylaneError) throw answer;
      return answer;
    },
  };
  const { signal } = new AbortController();
  const granted = deviceGrant(account().oauth, undefined, () => undefined, { clock, servers, signal });
  granted.catch(() => undefined);
  for (await settled(); clock.pending > 0; await settled()) clock.advance((clock.nextAt as number) - clock.now());
  return { granted, waits, clock };
}

const PENDING: Granted = { kind: 'pending', slower: false };
const SLOWER: Granted = { kind: 'pending', slower: true };
const DONE: Granted = { kind: 'token', accessToken: 'a', lifetimeMs: 1, refreshToken: 'r' };
const CODE: DeviceCode = {
  deviceCode: 'd',
  userCode: 'u',
  verificationUri: 'https://login.example/',
  verificationUriComplete: undefined,
  expiresInMs: 600_000,
  intervalMs: 5_000,
};

describe('a login by a device', () => {
  test('shows a person a code and a page, and keeps what the server gives when they have said yes', async () => {
    const done = login();
    await prompted();
    expect(shown).toEqual([
      {
        userCode: 'WDJB-MJHT',
        verificationUri: `${h.server.url}/activate`,
        verificationUriComplete: `${h.server.url}/activate?code=WDJB-MJHT`,
        expiresInMs: 600_000,
      },
    ]);
    h.server.decision = 'yes';
    await h.clock.advanceSettling(4_999);
    expect(h.server.counts.token).toBe(0);
    await h.clock.advanceSettling(1);
    const { accessToken } = await done;
    expect(readFileSync(file(), 'utf8')).toMatch(/^refresh-[0-9a-f-]{36}\n$/);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(h.folder, 'logins'))).toEqual(['mail']);
    // It is everybody's from now on, and is refreshed as any other.
    expect((await cache.get(account())).accessToken).toBe(accessToken);
    expect((await h.cache(h.shared()).get(account())).accessToken).toBe(accessToken);
    await h.clock.advanceSettling(3_600_000);
    await cache.get(account());
    expect(h.server.asked.at(-1)?.form.get('refresh_token')).toBe(readFileSync(file(), 'utf8').trim());
  });

  test('asks at the pace of the server: 5 s more after each slow_down, and less often where it cannot be asked', async () => {
    const cut = new KeylaneError('ERR_TOKEN', 'cut');
    const busy = new KeylaneError('ERR_TOKEN', 'busy', { retryAfterMs: 90_000 });
    const { granted, waits } = await paced([PENDING, SLOWER, PENDING, SLOWER, cut, PENDING, busy, PENDING, DONE]);
    expect(await granted).toEqual(DONE);
    expect(waits).toEqual([5, 5, 10, 10, 15, 30, 30, 90, 60]);
  });

  test.each([
    [0, 1],
    [3_600_000, 60],
  ])('asks no more than once a second, and at least once a minute: every %i ms', async (intervalMs, seconds) => {
    const { waits } = await paced([PENDING, DONE], { intervalMs });
    expect(waits).toEqual([seconds, seconds]);
  });

  test.each([
    ['when the server says', 600_000, 600],
    ['within half an hour', 1e12, 1_800],
  ])('ends when the code has run out: %s', async (_, expiresInMs, seconds) => {
    const { granted, clock } = await paced([], { expiresInMs });
    await expect(granted).rejects.toMatchObject({
      code: 'ERR_AUTH_EXPIRED',
      message: expect.stringContaining('in time'),
    });
    expect(clock.now()).toBe(seconds * 1_000);
  });

  test('ends when the person says no', async () => {
    const done = login();
    h.server.decision = 'no';
    await question();
    await expect(done).rejects.toMatchObject({
      code: 'ERR_AUTH_EXPIRED',
      message: expect.stringContaining('access_denied'),
      key: 'mail',
    });
    expect(readdirSync(join(h.folder, 'logins'))).toEqual([]);
  });

  test('ends when the caller no longer waits, or the cache is closed', async () => {
    const stop = new AbortController();
    const done = login(stop.signal);
    await prompted();
    stop.abort(new Error('enough'));
    await expect(done).rejects.toMatchObject({ code: 'ERR_CANCELED', cause: stop.signal.reason });
    shown = [];
    const other = login();
    await prompted();
    await cache.close();
    await expect(other).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(h.clock.pending).toBe(0);
  });

  test('is refused before a person is asked where it could not be stored', async () => {
    writeFileSync(join(h.folder, 'logins'), '');
    await expect(login()).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: `account mail: file:${file()} cannot be written: ENOTDIR`,
    });
    expect(h.server.counts.device).toBe(0);
    await expect(cache.startDevice(h.client(), () => undefined)).rejects.toMatchObject({ code: 'ERR_INPUT' });
  });

  test('without a refresh token in the end is an error that says what to ask for', async () => {
    h.server.decision = 'yes';
    h.server.options.also = { refresh_token: undefined };
    const done = login();
    await question();
    await expect(done).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('offline_access'),
    });
  });

  test.each([
    ['a code with a bell in it', { user_code: '\u0007\u001b[2J' }],
    ['a code of a page', { user_code: 'x'.repeat(65) }],
    ['a script', { verification_uri: 'javascript:alert(1)' }],
    ['a page with a line end', { verification_uri: 'https://login.example/\n' }],
  ])('shows nobody %s', async (_, device) => {
    h.server.options.device = device;
    await expect(login()).rejects.toMatchObject({ code: 'ERR_TOKEN', retryable: false });
    expect(shown).toEqual([]);
  });
});

describe('an account that nobody has logged in to', () => {
  test('says so, and is noticed as soon as somebody has, in whatever process', async () => {
    await expect(cache.get(account())).rejects.toMatchObject({
      code: 'ERR_AUTH_EXPIRED',
      message: expect.stringContaining('nobody has logged in yet'),
    });
    const other = h.cache(h.shared());
    h.server.decision = 'yes';
    const done = other.startDevice(account(), (prompt) => shown.push(prompt));
    await question();
    const { accessToken } = await done;
    await settled();
    expect((await cache.get(account())).accessToken).toBe(accessToken);
  });
});
