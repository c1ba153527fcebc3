import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { SshRequest } from 'keylane';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { SshTarget } from '../../src/specs/ssh.js';
import { deferred } from '../../src/util/deferred.js';
import { Opening } from '../../src/util/opening.js';
import { AWAITED } from '../../workers/drivers/ssh/open-errors.js';
import { Answers } from '../../workers/drivers/ssh/openssh/answers.js';
import { FakeOpen } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { FakeClock } from '../support/fake-clock.js';
import { masters } from '../support/openssh-masters.js';
import { descendants } from '../support/process-tree.js';
import { rejection, SshHarness } from '../support/ssh-harness.js';
import { count, loginTo } from '../support/ssh-login.js';
import { canMakeAccounts, PasswordAccount } from '../support/ssh-password.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const REFERENCE = 'env:KEYLANE_TEST_ASKED';
let sshd: Sshd;
let ssh: SshHarness;
let dir: string;

beforeAll(async () => {
  sshd = await startSshd();
  ssh = new SshHarness();
  dir = mkdtempSync(join(tmpdir(), 'keylane-login-'));
  newKey(join(dir, 'stranger'));
});
afterAll(async () => {
  await ssh[Symbol.asyncDispose]();
  await until(() => masters(sshd.dir).length === 0);
  await sshd.stop();
  rmSync(dir, { recursive: true });
});

/** A log-in without a key that is good for it. */
const without = (at: Sshd, other: Partial<SshRequest>): SshRequest =>
  loginTo(at, { transport: 'openssh', agent: 'none', identity: join(dir, 'stranger'), password: REFERENCE, ...other });
const telling = (secret: string) => ({ secret: () => secret });

describe.skipIf(!canMakeAccounts)('a password', () => {
  let account: PasswordAccount;
  beforeAll(() => {
    account = new PasswordAccount();
  });
  afterAll(() => account[Symbol.dispose]());

  const servers: [string, string[]][] = [
    ['password', ['PasswordAuthentication yes']],
    ['keyboard-interactive', ['UsePAM yes', 'KbdInteractiveAuthentication yes']],
    ['publickey, then password', ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password']],
  ];

  test.each(servers)('logs in by %s, and a wrong one is sent once and shown nowhere', async (how, config) => {
    await using server = await startSshd({ config: [...config, `AllowUsers ${account.user}`] });
    const key = how.startsWith('publickey') ? { identity: server.identity } : {};
    const request = without(server, { user: account.user, ...key });
    const { run, close } = await ssh.open(request, telling(account.password));
    expect(await run('id -un')).toMatchObject({ code: 0, stdout: `${account.user}\n` });
    await close();
    const wrong = randomUUID();
    const error = await rejection(ssh.open(request, telling(wrong)));
    expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
    expect(JSON.stringify(error) + String(error.stack)).not.toContain(wrong);
    const failed = () => count(server, 'Failed password') + count(server, 'Failed keyboard-interactive');
    await until(() => failed() > 0 && descendants(server.pid).length === 0);
    expect(failed()).toBe(1);
  });

  test('is in no argument, variable or file of any process, before, while and after it is asked for', async () => {
    await using server = await startSshd({ config: ['PasswordAuthentication yes', `AllowUsers ${account.user}`] });
    process.env.KEYLANE_TEST_ASKED = account.password;
    onTestFinished(() => void delete process.env.KEYLANE_TEST_ASKED);
    const seen = new Set<string>();
    let open = false;
    const opening = ssh.open(without(server, { user: account.user }), telling(account.password)).finally(() => {
      open = true;
    });
    await until(() => {
      for (const found of leaks(account.password, seen)) expect.fail(found);
      return open;
    });
    const { close } = await opening;
    expect([...leaks(account.password, seen)]).toEqual([]);
    // Or nothing was looked at.
    expect([...seen].some((argv) => argv.startsWith('ssh\0-M\0'))).toBe(true);
    expect([...seen].some((argv) => argv.includes("'s password: "))).toBe(true);
    await close();
  });

  test('is not sent to a host whose key has changed, where nobody minds the change', async () => {
    await using server = await startSshd({ config: ['PasswordAuthentication yes', `AllowUsers ${account.user}`] });
    const knownHosts = join(dir, 'changed');
    writeFileSync(knownHosts, `[127.0.0.1]:${server.port} ${newKey(join(dir, 'other'))}\n`);
    const request = without(server, { user: account.user, knownHosts, hostKeys: 'insecure' });
    expect(await rejection(ssh.open(request, telling(account.password)))).toMatchObject({ code: 'ERR_AUTH' });
    expect(server.log()).not.toMatch(/(Failed|Accepted) (password|keyboard)/);
    const other = without(server, { user: account.user, knownHosts: '/dev/null', hostKeys: 'insecure' });
    await (await ssh.open(other, telling(account.password))).close();
  });

  test('is refused to an ssh that is too old to ask us for it, by name', async () => {
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'ssh'), '#!/bin/sh\necho "OpenSSH_8.2p1 Ubuntu-4, OpenSSL 1.1.1f" >&2\n', { mode: 0o755 });
    const { PATH } = process.env;
    process.env.PATH = `${bin}${delimiter}${PATH}`;
    onTestFinished(() => void Object.assign(process.env, { PATH }));
    const error = await rejection(ssh.open(without(sshd, {}), telling('any')));
    expect(error).toMatchObject({ code: 'ERR_CONFIG_UNSUPPORTED', outcome: 'not_started' });
    expect(error.message).toContain('OpenSSH_8.2');
  });
});

test('a passphrase opens the key, and a wrong one is its own error that shows none', async () => {
  const identity = join(dir, 'encrypted');
  copyFileSync(sshd.identity, identity);
  chmodSync(identity, 0o600);
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'right horse', '-f', identity], { stdio: 'pipe' });
  const request = loginTo(sshd, { transport: 'openssh', agent: 'none', identity, passphrase: REFERENCE });
  const { run, close } = await ssh.open(request, telling('right horse'));
  expect(await run('true')).toMatchObject({ code: 0 });
  await close();
  const error = await rejection(ssh.open(request, telling('wrong horse')));
  expect(error).toMatchObject({ code: 'ERR_PASSPHRASE', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(identity);
  expect(error.message).toContain(REFERENCE);
  expect(JSON.stringify(error) + String(error.stack)).not.toContain('horse');
  // With another key that is good, a wrong passphrase is no reason to stop.
  const both = { ...request, identity: [identity, sshd.identity] };
  await (await ssh.open(both, telling('wrong horse'))).close();
});

test('a sole identity that cannot be used is named, as over the other transport', async () => {
  const identity = join(dir, 'without-passphrase');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'any horse', '-C', '', '-f', identity]);
  for (const path of [identity, join(dir, 'missing')]) {
    const verdicts = (['openssh', 'ssh2'] as const).map(async (transport) => {
      const { code, message } = await rejection(ssh.open(loginTo(sshd, { transport, agent: 'none', identity: path })));
      return { code, message };
    });
    const [theirs, ours] = await Promise.all(verdicts);
    expect(theirs).toEqual(ours);
    expect(theirs).toMatchObject({ code: 'ERR_INPUT', message: expect.stringContaining(path) });
  }
});

test('a secret that ssh could not read as one line is refused before anything starts', async () => {
  const error = await rejection(ssh.open(without(sshd, {}), telling('two\nlines')));
  expect(error).toMatchObject({ code: 'ERR_CONFIG_UNSUPPORTED' });
  expect(error.message).not.toContain('lines');
});

describe('a host key that is not known', () => {
  const asking = (knownHosts: string) =>
    loginTo(sshd, { transport: 'openssh', agent: 'none', knownHosts, hostKeys: 'ask' });

  test('is asked about with its fingerprint, and a yes adds it to the file', async () => {
    const knownHosts = join(dir, 'asked');
    const fingerprint = execFileSync('ssh-keygen', ['-lf', join(sshd.dir, 'host_key.pub')], { encoding: 'utf8' });
    const { context, close } = await ssh.open(asking(knownHosts), { host_key: () => true });
    const about = {
      name: `[127.0.0.1]:${sshd.port}`,
      type: 'ssh-ed25519',
      fingerprint: fingerprint.split(' ')[1],
      file: knownHosts,
    };
    expect(context.asked).toEqual([{ question: 'host_key', about }]);
    await close();
    expect(readFileSync(knownHosts, 'utf8')).toContain(sshd.hostKeyPublic);
    // Now it is known, and nobody is asked.
    await (await ssh.open(asking(knownHosts))).close();
  });

  test.each<[string, () => boolean]>([
    ['the answer is no', () => false],
    ['there is nobody to ask', () => expect.fail('nobody')],
    ['the answer is not exactly yes', () => 'yes' as unknown as boolean],
  ])('is refused where %s, and nothing is sent', async (_what, answer) => {
    const knownHosts = join(dir, randomUUID());
    const before = count(sshd, 'Accepted');
    const error = await rejection(ssh.open(asking(knownHosts), { host_key: answer }));
    expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
    expect(error.message).toContain('SHA256:');
    expect(count(sshd, 'Accepted')).toBe(before);
    expect(() => readFileSync(knownHosts)).toThrow('ENOENT');
  });

  test('is asked about for as long as a person needs: the time of the open stands still', async () => {
    const clock = new FakeClock();
    const opening = new Opening(
      'web',
      AWAITED,
      { deadline: 10_000, signal: new AbortController().signal },
      clock,
      1_000,
    );
    onTestFinished(() => opening.end());
    const gate = deferred<boolean>();
    const context = new FakeOpen({ host_key: () => gate.promise });
    const target = { host: 'web', port: 22, user: 'me', hostKeys: 'ask', knownHosts: ['/f'] } as unknown as SshTarget;
    const answers = await Answers.of(target, context, opening);
    if (answers) answers.asker = 7;
    const answer = answers?.to(
      "The authenticity of host 'web (192.0.2.1)' can't be established.\n" +
        'ED25519 key fingerprint is SHA256:yLvkmNNR.\n' +
        'Are you sure you want to continue connecting (yes/no/[fingerprint])? ',
      7,
    );
    await until(() => context.asked.length === 1);
    clock.advance(100_000);
    gate.resolve(true);
    expect(await answer).toBe('SHA256:yLvkmNNR');
    expect(opening.left).toBe(1_000);
  });

  test('is refused without a question where it has changed, and where it is strict', async () => {
    const knownHosts = join(dir, 'wrong');
    writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${newKey(join(dir, 'wrong-key'))}\n`);
    expect(await rejection(ssh.open(asking(knownHosts)))).toMatchObject({ code: 'ERR_HOST_KEY' });
    const strict = { ...asking('/dev/null'), hostKeys: 'strict' as const, password: REFERENCE };
    expect(await rejection(ssh.open(strict, telling('any')))).toMatchObject({ code: 'ERR_HOST_KEY' });
    expect(ssh.lastOpen?.asked).toEqual([{ question: 'secret', about: REFERENCE }]);
  });
});

/** Where a text shows: the arguments, the environment or the folders of any process but ours. `seen` gets all arguments. */
function* leaks(secret: string, seen: Set<string>): Generator<string> {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      seen.add(argv);
      if (argv.includes(secret)) yield `${pid} has it in its arguments`;
      if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(secret)) yield `${argv} has it in its environment`;
    } catch {
      // It has just ended.
    }
  }
  for (const folder of readdirSync(tmpdir()).filter((name) => name.startsWith('keylane-'))) {
    try {
      for (const name of readdirSync(join(tmpdir(), folder))) {
        if (['s', 'a', 'j'].includes(name)) continue;
        if (readFileSync(join(tmpdir(), folder, name), 'latin1').includes(secret)) yield `${folder}/${name} has it`;
      }
    } catch {
      // A folder that is gone, or has folders.
    }
  }
}
