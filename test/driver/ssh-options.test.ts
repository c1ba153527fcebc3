import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { connectionsTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let rsa: string;

beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.44.1'], config: ['PasswordAuthentication yes'] });
  rsa = join(sshd.dir, 'rsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', rsa], { stdio: 'pipe' });
  appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${rsa}.pub`));
  process.env.KEYLANE_TEST_NOT_IT = 'not the password';
});
afterAll(() => sshd.stop());

let files = 0;

/** A file that leads to the fixture and says `lines` of it. */
function configOf(lines: readonly string[], identity = sshd.identity): string {
  const file = join(sshd.dir, `config-${files++}`);
  const { addresses, port, user, knownHosts } = sshd;
  const account = [
    ...[`HostName ${addresses[0]}`, `Port ${port}`, `User ${user}`, `IdentityFile ${identity}`, 'IdentitiesOnly yes'],
    ...[`UserKnownHostsFile ${knownHosts}`, 'IdentityAgent none'],
  ];
  writeFileSync(file, ['Host web', ...lines, ...account].join('\n'), { mode: 0o600 });
  return file;
}

const TRANSPORTS = ['ssh2', 'openssh'] as const;

test.each(TRANSPORTS)('PubkeyAuthentication no keeps the right key back (%s)', async (transport) => {
  const engine = await startEngine({ ssh: { config: configOf(['PubkeyAuthentication no']), transport } });
  expect(await failure(engine.run('ssh', { host: 'web', command: 'true' }))).toMatchObject({ code: 'ERR_AUTH' });
});

test.each([
  ['PreferredAuthentications password,publickey', 'password publickey'],
  ['PreferredAuthentications publickey,password', 'publickey'],
  ['PreferredAuthentications password,publickey\nPasswordAuthentication no', 'publickey'],
  ['PreferredAuthentications password,publickey\nNumberOfPasswordPrompts 0', 'publickey'],
])('%s decides what is tried, and in which order', async (lines, tried) => {
  const engine = await startEngine({ ssh: { config: configOf([lines]), password: 'env:KEYLANE_TEST_NOT_IT' } });
  const { probe } = await engine.run('ssh', { host: 'web', op: 'probe' });
  expect(probe?.tries.map(({ says }) => says.replace(/^identity .*/, 'publickey')).join(' ')).toBe(tried);
});

test('methods of a request go before the file, and an unknown one is refused by its place', async () => {
  const engine = await startEngine({ ssh: { config: configOf(['PreferredAuthentications password']) } });
  expect(await engine.run('ssh', { host: 'web', command: 'true', methods: ['publickey'] })).toMatchObject({ code: 0 });
  const wrong = await failure(engine.run('ssh', { host: 'web', command: 'true', methods: ['gssapi'] as never }));
  expect(wrong).toMatchObject({ code: 'ERR_INPUT' });
  expect(wrong.message).toMatch(/ssh\.methods\[0\]: expected one of 'publickey', 'password', 'keyboard-interactive'/);
});

test.each(['RequiredRSASize 3072', 'PubkeyAcceptedAlgorithms ssh-ed25519'])(
  '%s leaves out an RSA key of 2048 bits, and says so',
  async (line) => {
    const engine = await startEngine({ ssh: { config: configOf([], rsa) } });
    expect(await engine.run('ssh', { host: 'web', command: 'true' })).toMatchObject({ code: 0 });
    const strict = await startEngine({ ssh: { config: configOf([line], rsa) } });
    const error = await failure(strict.run('ssh', { host: 'web', command: 'true' }));
    expect(error).toMatchObject({ code: 'ERR_AUTH' });
    expect(error.message).toContain(`identity ${rsa} (`);
    expect(error.message).toContain(line.split(' ')[0]);
  },
);

test('RequestTTY force gives a command a terminal, unless the request says otherwise, and yes gives none', async () => {
  const engine = await startEngine({ ssh: { config: configOf(['RequestTTY force']) } });
  const look = { host: 'web', command: 'test -t 1 && echo terminal || echo none' };
  expect(await engine.run('ssh', look)).toMatchObject({ stdout: 'terminal\r\n' });
  expect(await engine.run('ssh', { ...look, pty: false })).toMatchObject({ stdout: 'none\n' });
  const other = await startEngine({ ssh: { config: configOf(['RequestTTY yes']) } });
  expect(await other.run('ssh', look)).toMatchObject({ stdout: 'none\n' });
});

test('BindAddress is where the connection comes from', async () => {
  const engine = await startEngine({ ssh: { config: configOf(['BindAddress 127.0.44.9']) } });
  const { stdout } = await engine.run('ssh', { host: 'web', command: 'echo $SSH_CLIENT' });
  expect(stdout).toMatch(/^127\.0\.44\.9 /);
});

test('AddressFamily inet6 takes no IPv4 address', async () => {
  const engine = await startEngine({ ssh: { config: configOf(['AddressFamily inet6']) } });
  const before = connectionsTo(sshd);
  const error = await failure(engine.run('ssh', { host: 'web', command: 'true' }));
  expect(error).toMatchObject({ code: 'ERR_CONNECT' });
  expect(error.message).toContain('AddressFamily inet6');
  expect(connectionsTo(sshd)).toBe(before);
});
