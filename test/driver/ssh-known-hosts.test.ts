import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, lstatSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostKeyQuestion, systemClock } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashed } from '../../workers/drivers/ssh/known-hosts.js';
import { failure, startEngine, until } from '../support/engine.js';
import { seeded } from '../support/seed.js';
import { connectionsTo, count, loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const FILES = process.env.KEYLANE_LONG ? 200 : 10;

let sshd: Sshd;
let dir: string;
let wrong: string;
let other: string;

beforeAll(async () => {
  sshd = await startSshd();
  dir = mkdtempSync(join(sshd.dir, 'known-'));
  wrong = newKey(join(dir, 'wrong'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-C', '', '-f', join(dir, 'other')]);
  other = readFileSync(join(dir, 'other.pub'), 'utf8').trim();
});
afterAll(() => sshd.stop());

const POLICIES = { strict: 'yes', 'accept-new': 'accept-new', ask: 'ask', insecure: 'no' } as const;

/** Does the real ssh connect? On a copy, because it writes. */
function sshAccepts(file: string, policy: string): Promise<boolean> {
  const copy = `${file}.ssh-${policy}`;
  copyFileSync(file, copy);
  const options = {
    StrictHostKeyChecking: policy,
    UserKnownHostsFile: copy,
    GlobalKnownHostsFile: '/dev/null',
    BatchMode: 'yes',
    IdentitiesOnly: 'yes',
    UpdateHostKeys: 'no',
    LogLevel: 'ERROR',
  };
  const argv = ['-F', 'none', '-p', `${sshd.port}`, '-i', sshd.identity];
  for (const [name, value] of Object.entries(options)) argv.push('-o', `${name}=${value}`);
  return new Promise((resolve) => {
    execFile('ssh', [...argv, `${sshd.user}@127.0.0.1`, '--', 'true'], (error) => resolve(error === null));
  });
}

test('a host is accepted exactly where ssh accepts it', { timeout: FILES * 4_000 + 60_000 }, async () => {
  const random = seeded();
  const names = () =>
    random.pick([
      `[127.0.0.1]:${sshd.port}`,
      `[127.0.0.1]:${sshd.port},other.example`,
      '127.0.0.1',
      `[127.0.0.*]:*`,
      '*',
      `*,![127.0.0.1]:${sshd.port}`,
      `[127.0.0.1]:1`,
      'elsewhere',
      hashed(`[127.0.0.1]:${sshd.port}`),
      hashed('127.0.0.1'),
      hashed('elsewhere'),
    ]);
  const line = () => {
    const mark = random.pick(['', '', '', '', '', '@revoked ', '@cert-authority ', '@nonsense ']);
    const key = random.pick([sshd.hostKeyPublic, sshd.hostKeyPublic, wrong, other]);
    const junk = random.pick(['# a comment', '', 'one-word', `${names()} ssh-ed25519 !!!`, `${names()} ssh-rsa AAAA`]);
    const good = `${mark}${names()} ${key}${random.pick(['', ' a comment'])}`;
    return `${random.pick([good, good, good, junk])}${random.pick(['\n', '\n', '\r\n'])}`;
  };
  for (let i = 0; i < FILES; i++) {
    const file = join(dir, `generated-${i}`);
    writeFileSync(file, Array.from({ length: 1 + random.below(4) }, line).join(''));
    const engine = await startEngine({ limits: { idleMs: 1 } });
    await Promise.all(
      Object.entries(POLICIES).map(async ([hostKeys, policy]) => {
        const copy = `${file}.${hostKeys}`;
        copyFileSync(file, copy);
        const request = loginTo(sshd, { command: 'true', knownHosts: copy, hostKeys: hostKeys as 'strict' });
        const [theirs, ours] = await Promise.all([
          sshAccepts(file, policy),
          engine.run('ssh', request).then(
            () => true,
            ({ code, message }) => {
              // The one difference: ssh connects to a host whose key is revoked where StrictHostKeyChecking is no.
              if (hostKeys === 'insecure' && message.includes('is revoked by')) return true;
              return code === 'ERR_HOST_KEY' ? false : `${code}: ${message}`;
            },
          ),
        ]);
        expect(ours, `${hostKeys} with\n${readFileSync(file, 'utf8')}for ${sshd.hostKeyPublic}`).toBe(theirs);
      }),
    );
    await engine.close();
  }
});

test('ask: yes adds the key and goes on, one question for all who wait', async () => {
  const asked: HostKeyQuestion[] = [];
  const knownHosts = join(dir, 'asked');
  const engine = await startEngine({
    shards: 2,
    ssh: {
      hostKeys: 'ask',
      confirmHostKey: async (about) => {
        asked.push(about);
        return true;
      },
    },
  });
  const requests = ['a', 'b', 'c'].map((name) => loginTo(sshd, { command: `echo ${name}`, knownHosts }));
  const responses = await Promise.all(requests.map((request) => engine.run('ssh', request)));
  expect(responses.map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n', 'c\n']);
  const [, key] = sshd.hostKeyPublic.split(' ');
  expect(asked).toEqual([
    {
      name: `[127.0.0.1]:${sshd.port}`,
      type: 'ssh-ed25519',
      fingerprint: fingerprintOf(key as string),
      file: knownHosts,
    },
  ]);
  expect(readFileSync(knownHosts, 'utf8')).toBe(`[127.0.0.1]:${sshd.port} ${sshd.hostKeyPublic}\n`);
});

test.each<[string, () => unknown]>([
  ['no', () => false],
  ['what is not exactly true', () => 'yes'],
  ['a throw', () => Promise.reject(new Error('the terminal is gone'))],
])('ask: %s refuses the host, and no log-in is tried', async (_what, confirm) => {
  const knownHosts = join(dir, 'declined');
  const engine = await startEngine({ ssh: { hostKeys: 'ask', confirmHostKey: confirm as () => boolean } });
  const before = count(sshd, 'Accepted publickey') + count(sshd, 'Failed');
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started' });
  expect(count(sshd, 'Accepted publickey') + count(sshd, 'Failed')).toBe(before);
  expect(() => statSync(knownHosts)).toThrow('ENOENT');
});

test('ask: the time that a person takes does not count', async () => {
  const knownHosts = join(dir, 'slow');
  let answer: ((yes: boolean) => void) | undefined;
  const engine = await startEngine({
    limits: { connectTimeoutMs: 500 },
    ssh: { hostKeys: 'ask', confirmHostKey: () => new Promise((resolve) => (answer = resolve)) },
  });
  const running = engine.run('ssh', loginTo(sshd, { command: 'echo in', knownHosts }));
  await until(() => answer !== undefined);
  const since = systemClock.now();
  await until(() => systemClock.now() - since > 1_200);
  answer?.(true);
  expect(await running).toMatchObject({ stdout: 'in\n' });
});

test('a hashed line is written where that is asked for, and ssh-keygen finds it', async () => {
  const knownHosts = join(dir, 'to-hash');
  const engine = await startEngine();
  const request = loginTo(sshd, { command: 'true', knownHosts, hostKeys: 'accept-new', hashKnownHosts: true });
  await engine.run('ssh', request);
  expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|[^ ]+ ssh-ed25519 [^ ]+\n$/);
  expect(statSync(knownHosts).mode & 0o777).toBe(0o600);
  const found = execFileSync('ssh-keygen', ['-F', `[127.0.0.1]:${sshd.port}`, '-f', knownHosts], { encoding: 'utf8' });
  expect(found).toContain(sshd.hostKeyPublic.split(' ')[1]);
});

test('a known_hosts that is a link stays one', async () => {
  const real = join(dir, 'real');
  const link = join(dir, 'link');
  writeFileSync(real, '# mine\n', { mode: 0o600 });
  symlinkSync('real', link);
  const engine = await startEngine();
  await engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts: link, hostKeys: 'accept-new' }));
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(real, 'utf8')).toBe(`# mine\n[127.0.0.1]:${sshd.port} ${sshd.hostKeyPublic}\n`);
});

test('an alias is what is looked up', async () => {
  const knownHosts = join(dir, 'alias');
  writeFileSync(knownHosts, `fleet-key ${sshd.hostKeyPublic}\n`);
  const engine = await startEngine();
  expect(
    await engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts, hostKeyAlias: 'fleet-key' })),
  ).toMatchObject({ code: 0 });
  const error = await failure(
    engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts, hostKeyAlias: 'another-key' })),
  );
  expect(error.message).toContain('another-key is not known');
});

test('a host whose key has changed gets no password, also where nobody minds the change', async () => {
  const knownHosts = join(dir, 'changed');
  writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${wrong}\n`);
  process.env.KEYLANE_TEST_CHANGED = 'secret';
  await using taking = await startSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] });
  writeFileSync(knownHosts, `[127.0.0.1]:${taking.port} ${wrong}\n`);
  const before = connectionsTo(taking);
  const engine = await startEngine();
  const request = loginTo(taking, {
    command: 'true',
    knownHosts,
    hostKeys: 'insecure',
    password: 'env:KEYLANE_TEST_CHANGED',
  });
  const error = await failure(engine.run('ssh', request));
  expect(error).toMatchObject({ code: 'ERR_AUTH' });
  expect(error.message).toContain('the host key has changed');
  expect(connectionsTo(taking) - before).toBe(1);
  expect(taking.log()).not.toContain('Failed password');
});

function fingerprintOf(base64: string): string {
  const file = join(dir, 'printed.pub');
  writeFileSync(file, `ssh-ed25519 ${base64}\n`);
  return execFileSync('ssh-keygen', ['-l', '-f', file], { encoding: 'utf8' }).split(' ')[1] as string;
}
