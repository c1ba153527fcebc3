import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Decrypter } from '../../workers/drivers/ssh/decrypter.js';
import { Identities } from '../../workers/drivers/ssh/identity.js';
import { keyFiles, openSshKey } from '../support/corpora.js';
import { startEngine } from '../support/engine.js';
import { FakeClock } from '../support/fake-clock.js';
import { mutated } from '../support/mutate.js';
import { seeded } from '../support/seed.js';
import { loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';

const DAMAGED = process.env.KEYLANE_LONG ? 1_000 : 12;

test('the other hosts of a shard are served while a key is decrypted', async () => {
  await using sshd = await startSshd();
  const dir = mkdtempSync(join(tmpdir(), 'keylane-encrypted-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const identity = join(dir, 'key');
  // A second and more of bcrypt: what was to wait for that would wait for most of the request.
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '50', '-N', 'right horse', '-f', identity]);
  appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${identity}.pub`));
  process.env.KEYLANE_TEST_RIGHT = 'right horse';
  const engine = await startEngine({ shards: 1, limits: { connectTimeoutMs: 50_000 } });
  await engine.run('echo', { key: 'a' });
  const begun = performance.now();
  let over = false;
  const slow = engine
    .run('ssh', loginTo(sshd, { command: 'true', agent: 'none', identity, passphrase: 'env:KEYLANE_TEST_RIGHT' }))
    .finally(() => {
      over = true;
    });
  let [longest, last] = [0, begun];
  while (!over) {
    await engine.run('echo', { key: 'a' });
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  expect((await slow).code).toBe(0);
  expect(longest).toBeLessThan((last - begun) / 2);
});

test('a decrypted key is kept while log-ins use it, and forgotten when others do and it has not been used for long', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-encrypted-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const [one, other] = ['one', 'other'].map((name) => {
    const path = join(dir, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '1', '-N', 'right horse', '-f', path]);
    return path;
  }) as [string, string];
  const clock = new FakeClock(1_000);
  const identities = new Identities(clock);
  const asked: string[] = [];
  const unlock = async (path: string) => {
    const identity = await identities.look(path);
    const secret = () => {
      asked.push(path);
      return Promise.resolve('right horse');
    };
    return (await identities.unlock(identity, 'env:P', secret)).type;
  };
  expect(await Promise.all([unlock(one), unlock(one)])).toEqual(['ssh-ed25519', 'ssh-ed25519']);
  clock.advance(500_000);
  await unlock(one);
  clock.advance(500_000);
  await unlock(other);
  await unlock(one);
  expect(asked).toEqual([one, other]);
  clock.advance(700_000);
  await unlock(other);
  await unlock(one);
  expect(asked).toEqual([one, other, one]);
});

test.each(['', '*'])('what takes hours is not begun, also with what is no base64 in it: %j', async (junk) => {
  const text = openSshKey('aes256-ctr', 0xffff_ffff, 1).replace('KEY-----\n', `$&${junk}`);
  const found = await new Decrypter().decrypt(text, 'right horse');
  expect(found).toMatchObject({ message: expect.stringContaining('4294967295 rounds of bcrypt') });
});

test('a damaged key is a key, a wrong one or an error, and stops nobody who comes after it', async () => {
  const random = seeded();
  const decrypter = new Decrypter();
  const encrypted = keyFiles().filter((file) => /BEGIN (?:OPENSSH|RSA|ENCRYPTED) /.test(`${file}`));
  const all = Array.from({ length: DAMAGED }, () => mutated(random, encrypted).toString('latin1'));
  const found = await Promise.all(all.map((text) => decrypter.decrypt(text, 'right horse')));
  for (const one of found) expect(one === 'wrong' || typeof one === 'object').toBe(true);
  const whole = encrypted.map((file) => decrypter.decrypt(`${file}`, 'right horse'));
  expect((await Promise.all(whole)).map((key) => (key as { type?: string }).type)).toContain('ssh-rsa');
}, 300_000);
