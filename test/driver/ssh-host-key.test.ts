import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { SshRequest } from '../../src/ssh-types.js';
import { rejection, SshHarness } from '../support/ssh-harness.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let ssh: SshHarness;
let dir: string;

beforeAll(async () => {
  sshd = await startSshd();
  dir = mkdtempSync(join(sshd.dir, 'client-'));
  ssh = new SshHarness();
});
afterAll(async () => {
  await ssh[Symbol.asyncDispose]();
  await sshd.stop();
});

function at(other: Partial<SshRequest> = {}) {
  return {
    host: '127.0.0.1',
    port: sshd.port,
    user: sshd.user,
    identity: sshd.identity,
    knownHosts: sshd.knownHosts,
    ...other,
  } as Omit<SshRequest, 'command'>;
}

test('an unknown host is refused with the command that adds it, and that command does', async () => {
  const knownHosts = join(dir, 'empty');
  writeFileSync(knownHosts, '');
  const error = await rejection(ssh.open(at({ knownHosts })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(fingerprintOf(sshd.hostKeyPublic));
  const [command] = /ssh-keyscan .*?'(?= )/.exec(error.message) ?? [];
  execFileSync('sh', ['-c', command as string], { stdio: 'ignore' });
  await ssh.open(at({ knownHosts }));
});

test('a missing known_hosts file is said to be missing', async () => {
  const knownHosts = join(dir, 'no-such-file');
  const error = await rejection(ssh.open(at({ knownHosts })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: expect.stringContaining(`there is no ${knownHosts}`) });
});

test('a hashed entry is as good as a plain one', async () => {
  const knownHosts = join(dir, 'hashed');
  copyFileSync(sshd.knownHosts, knownHosts);
  execFileSync('ssh-keygen', ['-H', '-f', knownHosts], { stdio: 'ignore' });
  expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|/);
  await ssh.open(at({ knownHosts }));
});

test.each(['strict', 'accept-new'] as const)(
  'a changed key is refused with file, line and both fingerprints (%s)',
  async (hostKeys) => {
    const other = newKey(join(dir, `host-${hostKeys}`));
    const knownHosts = join(dir, `changed-${hostKeys}`);
    writeFileSync(knownHosts, `# a comment\n[127.0.0.1]:${sshd.port} ${other}\n`);
    const error = await rejection(ssh.open(at({ knownHosts, hostKeys })));
    expect(error).toMatchObject({ code: 'ERR_HOST_KEY', retryable: false });
    for (const part of [`${knownHosts}:2`, fingerprintOf(sshd.hostKeyPublic), fingerprintOf(other)]) {
      expect(error.message).toContain(part);
    }
    await ssh.open(at({ knownHosts, hostKeys: 'insecure' }));
  },
);

test.each(['strict', 'accept-new', 'insecure'] as const)('a revoked key is refused (%s)', async (hostKeys) => {
  const knownHosts = join(dir, `revoked-${hostKeys}`);
  copyFileSync(sshd.knownHosts, knownHosts);
  appendFileSync(knownHosts, `@revoked * ${sshd.hostKeyPublic}\n`);
  const error = await rejection(ssh.open(at({ knownHosts, hostKeys })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: expect.stringContaining('is revoked by') });
});

test('accept-new writes the key of a new host before the connection is used, once for many connections', async () => {
  const knownHosts = join(dir, 'new');
  const write = ({ file, line }: { file: string; line: string }) => {
    appendFileSync(file, `${line}\n`);
    return null;
  };
  const request = at({ knownHosts, hostKeys: 'accept-new' });
  const opened = await Promise.all(Array.from({ length: 5 }, () => ssh.open(request, { known_hosts: write })));
  expect(readFileSync(knownHosts, 'utf8')).toBe(
    `[127.0.0.1]:${sshd.port} ${sshd.hostKeyPublic.split(' ').slice(0, 2).join(' ')}\n`,
  );
  expect(opened.flatMap(({ context }) => context.asked)).toHaveLength(1);
  await ssh.open(at({ knownHosts }));
});

test('accept-new without a place to write to does not connect', async () => {
  const knownHosts = join(dir, 'unwritable');
  const write = () => Promise.reject(new KeylaneError('ERR_HOST_KEY', 'the disk is full'));
  const error = await rejection(ssh.open(at({ knownHosts, hostKeys: 'accept-new' }), { known_hosts: write }));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: 'the disk is full' });
});

test('insecure asks for no file', async () => {
  const { run } = await ssh.open(at({ knownHosts: join(dir, 'no-such-file'), hostKeys: 'insecure' }));
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('a host of which only one type of key is known is asked for that type', async () => {
  const ecdsa = join(dir, 'host_ecdsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', ecdsa]);
  await using both = await startSshd({ config: [`HostKey ${ecdsa}`] });
  const knownHosts = join(dir, 'ecdsa-only');
  writeFileSync(knownHosts, `[127.0.0.1]:${both.port} ${readFileSync(`${ecdsa}.pub`, 'utf8')}`);
  const { close } = await ssh.open({
    host: '127.0.0.1',
    port: both.port,
    user: both.user,
    identity: both.identity,
    knownHosts,
  });
  await close();
});

function fingerprintOf(publicKey: string): string {
  return execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: publicKey, encoding: 'utf8' }).split(' ')[1] as string;
}
