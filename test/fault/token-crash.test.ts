import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { settled } from '../support/fake-clock.js';
import { seeded } from '../support/seed.js';
import { TokenAsker } from '../support/token-asker.js';
import { TokenHarness } from '../support/token-harness.js';

/** Processes that die, or stand still, while they hold the lock of a login. */
let harness: TokenHarness;
let askers: TokenAsker[] = [];
afterEach(async () => {
  await Promise.all(askers.map((asker) => asker.end()));
  askers = [];
  await harness.stop();
});

async function setUp(rotate: boolean) {
  harness = await TokenHarness.start({ address: '127.0.0.23', rotate });
  const login = await harness.login();
  const asker = async () => {
    const started = await TokenAsker.start(login.account, harness.shared().dataDir);
    askers.push(started);
    return started;
  };
  return { h: harness, ...login, asker };
}

const lockFiles = () => readdirSync(harness.folder).filter((name) => name.includes('keylane-lock'));

describe('a process that is killed while the server has its question', () => {
  test('leaves a lock that 10 others find dead, and one of them takes over', async () => {
    const { h, asker } = await setUp(false);
    const dying = await asker();
    const release = h.server.hold();
    dying.askAndDie();
    await h.server.came(1);
    expect(lockFiles()).toEqual(['.refresh.keylane-lock']);
    await dying.kill();
    release();
    const others = await Promise.all(Array.from({ length: 10 }, asker));
    const got = await Promise.all(others.map((other) => other.ask()));
    expect(new Set(got.flat()).size).toBe(1);
    expect(h.server.counts.token).toBe(2);
    expect(lockFiles()).toEqual([]);
    expect(readdirSync(h.folder).sort()).toEqual(['data', 'refresh']);
  });

  test('hands its turn to who was waiting for it already', async () => {
    const { h, asker } = await setUp(false);
    const [dying, waiting] = [await asker(), await asker()];
    const release = h.server.hold();
    dying.askAndDie();
    await h.server.came(1);
    const got = waiting.ask();
    await expect.poll(() => lockFiles().length, { timeout: 15_000 }).toBe(2);
    await dying.kill();
    release();
    expect((await got)[0]).toBe(h.server.given.at(-1));
    expect(lockFiles()).toEqual([]);
  });

  test('before the server has decided costs nothing: the refresh token is as it was', async () => {
    const { h, asker, file, refreshToken } = await setUp(true);
    const dying = await asker();
    const release = h.server.hold();
    h.server.faults.push({ status: 503 });
    dying.askAndDie();
    await h.server.came(1);
    await dying.kill();
    release();
    expect(readFileSync(file, 'utf8')).toBe(`${refreshToken}\n`);
    await (await asker()).ask();
    expect(h.server.counts).toMatchObject({ token: 2, reused: 0 });
    expect(readFileSync(file, 'utf8')).toMatch(/^refresh-[0-9a-f-]{36}\n$/);
  });

  test('after the server has replaced the refresh token costs the login: that is said once, and a new one is taken', async () => {
    const { h, asker, file } = await setUp(true);
    const dying = await asker();
    // The answer is lost on its way, as it is when the process dies before it has read it.
    h.server.faults.push('cut');
    expect((await dying.ask())[0]).toContain('ERR_TOKEN: account mail: the token server');
    await dying.kill();
    const next = await asker();
    expect((await next.ask())[0]).toContain('ERR_AUTH_EXPIRED');
    expect((await next.ask(50)).every((one) => one.includes('ERR_AUTH_EXPIRED'))).toBe(true);
    expect(h.server.counts).toMatchObject({ token: 2, reused: 1 });
    writeFileSync(file, h.server.login());
    await expect.poll(async () => (await next.ask())[0], { timeout: 15_000 }).toMatch(/^access-/);
  });
});

test('a process that is killed at any moment leaves a whole refresh token, and nothing that stops the next one', {
  timeout: 300_000,
}, async () => {
  const { h, file, asker } = await setUp(true);
  const random = seeded();
  const rounds = process.env.KEYLANE_LONG ? 50 : 5;
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const { refreshToken } = await h.login();
    const [dying, next] = [await asker(), await asker()];
    const { token } = h.server.counts;
    dying.askAndDie();
    if (random.next() < 0.8) await h.server.came(token + 1);
    for (let turns = random.below(60); turns > 0; turns--) await settled();
    await dying.kill();
    const left = readFileSync(file, 'utf8');
    expect(left).toMatch(/^refresh-[0-9a-f-]{36}\n$/);
    const [got = ''] = await next.ask();
    await next.end();
    if (got.startsWith('access-')) continue;
    // The server had decided, and its answer had not been stored: the one thing that cannot be helped.
    expect(got).toContain('ERR_AUTH_EXPIRED');
    expect(left).toBe(`${refreshToken}\n`);
    lost++;
  }
  expect(readdirSync(h.folder).sort()).toEqual(['data', 'refresh']);
  expect(h.server.counts.reused).toBe(lost);
});

test('a process that stands still keeps its turn: nobody sends its refresh token a second time', async () => {
  const { h, asker } = await setUp(true);
  const [still, waiting] = [await asker(), await asker()];
  const release = h.server.hold();
  const first = still.ask();
  await h.server.came(1);
  still.signal('SIGSTOP');
  release();
  const second = waiting.ask();
  await expect.poll(() => lockFiles().length, { timeout: 15_000 }).toBe(2);
  expect(h.server.counts.token).toBe(1);
  still.signal('SIGCONT');
  expect(await first).toEqual(await second);
  expect(h.server.counts).toMatchObject({ token: 1, reused: 0 });
});

test('a lock of another container or machine is respected, and given up after two minutes', async () => {
  const { h, account } = await setUp(false);
  const lock = join(h.folder, '.refresh.keylane-lock');
  const foreign = { id: '00000000-0000-4000-8000-000000000001', pid: 1, start: '1', where: 'elsewhere' };
  writeFileSync(lock, JSON.stringify(foreign));
  const cache = h.cache();
  const asked = cache.get(account).catch((error: Error) => error);
  await expect.poll(() => h.clock.pending, { timeout: 15_000 }).toBe(1);
  // The fake clock is ours alone: the file is as old as the machine says.
  while (h.server.counts.token === 0 && h.clock.now() < 60_000) await h.clock.advanceSettling(20);
  expect(await asked).toMatchObject({
    code: 'ERR_TOKEN',
    retryable: true,
    message: expect.stringMatching(
      /another process \(pid 1\) has been asking for a token for 45 s; its lock is .*keylane-lock/,
    ),
  });
  utimesSync(lock, new Date(), new Date(Date.now() - 121_000));
  await h.clock.advanceSettling(10_000);
  await cache.get(account);
  expect(lockFiles()).toEqual([]);
});
