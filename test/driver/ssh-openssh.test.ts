import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeExecute } from '../support/driver-context.js';
import { until } from '../support/engine.js';
import { masters } from '../support/openssh-masters.js';
import { rejection, SshHarness } from '../support/ssh-harness.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

describe('the transport openssh', () => {
  let sshd: Sshd;
  let ssh: SshHarness;
  const login = (other = {}) => loginTo(sshd, { transport: 'openssh', ...other });

  beforeAll(async () => {
    sshd = await startSshd();
    ssh = new SshHarness();
  });
  afterAll(async () => {
    await ssh[Symbol.asyncDispose]();
    await until(() => masters(sshd.dir).length === 0);
    await sshd.stop();
  });

  test('answers a table of commands as the transport ssh2 does', async () => {
    const ours = await ssh.open(loginTo(sshd));
    const theirs = await ssh.open(login());
    const table = [
      'true',
      'exit 1',
      'exit 255',
      'kill -TERM $$',
      'kill -SEGV $$',
      'kill -KILL $$',
      'echo out; echo err >&2; exit 7',
      'head -c 1048576 /dev/zero | tr "\\0" x',
      { command: 'cat', stdin: 'to be read' },
      { command: 'seq 100000', maxOutputBytes: 1_000 },
      { command: 'tty >/dev/null && echo tty', pty: true as const },
      { argv: ['printf', '%s', 'a b', '$c'] },
    ];
    for (const what of table) expect(await theirs.run(what), JSON.stringify(what)).toEqual(await ours.run(what));
  });

  test('copies a file there and back', async () => {
    const { run, close } = await ssh.open(login());
    const dir = mkdtempSync(join(tmpdir(), 'keylane-copy-'));
    const remote = (await run('mktemp -d')).stdout.toString().trim();
    const bytes = Buffer.alloc(3_000_000, 'some bytes of a file; ');
    writeFileSync(join(dir, 'there'), bytes);
    await run({ op: 'put', local: join(dir, 'there'), remote: `${remote}/file` });
    await run({ op: 'get', local: join(dir, 'back'), remote: `${remote}/file` });
    expect(readFileSync(join(dir, 'back')).equals(bytes)).toBe(true);
    await run(`rm -r ${remote}`);
    await close();
    rmSync(dir, { recursive: true });
  });

  test('runs 200 commands over one connection', async () => {
    const before = connectionsTo(sshd);
    const { run } = await ssh.open(login());
    for (let i = 0; i < 200; i += 10) {
      const wave = Array.from({ length: 10 }, (_, j) => run(`echo ${i + j}`));
      const said = (await Promise.all(wave)).map(({ stdout }) => stdout);
      expect(said).toEqual(wave.map((_, j) => `${i + j}\n`));
    }
    expect(connectionsTo(sshd)).toBe(before + 1);
  });

  test('leaves no process and no socket behind when it is closed', async () => {
    const { identity } = sshd;
    const copy = `${identity}-${randomUUID()}`;
    copyFileSync(identity, copy);
    const { subprocesses = () => 0, spawned = () => 0 } = await ssh.driver;
    const others = subprocesses();
    const before = spawned();
    const { run, close } = await ssh.open(login({ identity: copy }));
    await run('true');
    expect(masters(copy)).toHaveLength(1);
    // With the one that watches over it.
    expect(subprocesses()).toBe(others + 2);
    expect(spawned()).toBe(before + 2);
    await close();
    await until(() => masters(copy).length === 0);
    await until(() => subprocesses() === others);
  });

  test('a command whose master dies is unknown, and the loss of an idle one is told', async () => {
    const copy = `${sshd.identity}-${randomUUID()}`;
    copyFileSync(sshd.identity, copy);
    const { run, reusable } = await ssh.open(login({ identity: copy }));
    const execute = new FakeExecute({ onChunk: () => undefined });
    const running = rejection(run('echo here; sleep 60', execute));
    await until(() => execute.chunks.length > 0);
    for (const pid of masters(copy)) process.kill(pid, 'SIGKILL');
    expect(await running).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
    expect(reusable()).toBe(false);

    const idle = await ssh.open(login({ identity: copy }));
    for (const pid of masters(copy)) process.kill(pid, 'SIGKILL');
    expect(await idle.context.nextLoss).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
  });

  test('learns the sessions that the server allows', async () => {
    await using small = await startSshd({ config: ['MaxSessions 2'] });
    const { run, close } = await ssh.open(loginTo(small, { transport: 'openssh' }));
    const answers = await Promise.allSettled(Array.from({ length: 3 }, () => run('sleep 0.3; echo done')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { streams: 2 } });
    await close();
  });

  test('logs in with a certificate to a host that shows a certificate', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'keylane-ca-'));
    const authority = newKey(join(dir, 'ca'));
    newKey(join(dir, 'host'));
    newKey(join(dir, 'user'));
    const sign = (...rest: string[]) =>
      execFileSync('ssh-keygen', ['-q', '-s', join(dir, 'ca'), '-I', 'test', ...rest]);
    sign('-h', '-n', '127.0.0.1', join(dir, 'host.pub'));
    sign('-n', sshd.user, join(dir, 'user.pub'));
    writeFileSync(join(dir, 'known_hosts'), `@cert-authority * ${authority}\n`);
    const config = [
      `HostKey ${join(dir, 'host')}`,
      `HostCertificate ${join(dir, 'host-cert.pub')}`,
      `TrustedUserCAKeys ${join(dir, 'ca.pub')}`,
      'AuthorizedKeysFile none',
    ];
    await using certified = await startSshd({ config });
    const account = { ...certified, identity: join(dir, 'user'), knownHosts: join(dir, 'known_hosts') };
    const { run, close } = await ssh.open(loginTo(account, { transport: 'openssh' }));
    expect(await run('echo certified')).toMatchObject({ code: 0, stdout: 'certified\n' });
    await close();
    rmSync(dir, { recursive: true });
  });

  test('connects to a server that has only a post-quantum key exchange', async () => {
    await using quantum = await startSshd({ config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
    const { run, close } = await ssh.open(loginTo(quantum, { transport: 'openssh' }));
    expect(await run('true')).toMatchObject({ code: 0 });
    await close();
    expect(await rejection(ssh.open(loginTo(quantum)))).toMatchObject({ code: 'ERR_CONNECT', retryable: false });
  });

  test.each([
    ['a wrong key', () => ({ identity: join(sshd.dir, 'host_key') }), 'ERR_AUTH', false],
    ['an unknown host key', () => ({ knownHosts: '/dev/null' }), 'ERR_HOST_KEY', false],
    ['a port where nothing listens', () => ({ port: 1 }), 'ERR_CONNECT', true],
    ['a name that does not exist', () => ({ host: 'nowhere.invalid' }), 'ERR_DNS', true],
  ])('names %s, and nothing has started', async (_, other, code, retryable) => {
    expect(await rejection(ssh.open(login(other())))).toMatchObject({ code, retryable, outcome: 'not_started' });
  });

  test('a server that says nothing is given up at the deadline, and no process is left', async () => {
    process.kill(sshd.pid, 'SIGSTOP');
    try {
      const copy = `${sshd.identity}-${randomUUID()}`;
      copyFileSync(sshd.identity, copy);
      const opening = rejection(ssh.open(login({ identity: copy }), {}, 400));
      expect(await opening).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started' });
      await until(() => masters(copy).length === 0);
    } finally {
      process.kill(sshd.pid, 'SIGCONT');
    }
  });
});
