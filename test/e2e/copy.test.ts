import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { loginFlags, run } from './exec-cli.ts';

const HOSTS = ['127.6.1.1', '127.6.1.2', '127.6.1.3'];
let sshd: Sshd;
let dir: string;
let there: string;
let login: string[];

beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
  dir = mkdtempSync(join(tmpdir(), 'keylane-copy-'));
  // Whoever sshd lets in may be another user.
  chmodSync(dir, 0o755);
  login = loginFlags(sshd);
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  // All hosts are this machine.
  there = mkdtempSync(join(dir, 'there-'));
  chmodSync(there, 0o777);
});

const copy = (...args: string[]) => run(['copy', ...login, ...args]);

function file(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

describe('keylane copy against real sshd', () => {
  it('puts a file on every host, and says so', async () => {
    const local = file('one.txt', 'one');
    // All addresses are one machine: the host is in no path, so the last one wins.
    const { status, out, err } = await copy(local, `127.6.1.[1-3]:${there}/one`);
    expect(err).toMatch(/3 hosts in .*: 3 ok/);
    expect(out).toBe('');
    expect(status).toBe(0);
    expect(readFileSync(join(there, 'one'), 'utf8')).toBe('one');
  });

  it('fetches from many hosts into a folder for each', async () => {
    await copy(file('log', 'text'), `${HOSTS[0]}:${there}/log`);
    const { status } = await copy(`127.6.1.[1-3]:${there}/log`, join(dir, 'logs'));
    expect(status).toBe(0);
    expect(readdirSync(join(dir, 'logs')).sort()).toEqual(HOSTS);
    for (const host of HOSTS) expect(readFileSync(join(dir, 'logs', host, 'log'), 'utf8')).toBe('text');
  });

  it('copies a folder with all that is in it', async () => {
    file('tree/a', 'a');
    file('tree/deep/er/b', 'b');
    const { status } = await copy('-r', join(dir, 'tree'), `${HOSTS[0]}:${there}`);
    expect(status).toBe(0);
    expect(readFileSync(join(there, 'tree', 'deep', 'er', 'b'), 'utf8')).toBe('b');
    expect((await copy(join(dir, 'tree'), `${HOSTS[0]}:${there}`)).err).toContain('is a folder: copy it with -r');
  });

  it('copies from one host to others', async () => {
    await copy(file('x', 'from host to host'), `${HOSTS[0]}:${there}/x`);
    const { status, err } = await copy(`${HOSTS[0]}:${there}/x`, `127.6.1.[2-3]:${there}/y`);
    expect(err).toMatch(/2 hosts in .*: 2 ok/);
    expect(status).toBe(0);
    expect(readFileSync(join(there, 'y'), 'utf8')).toBe('from host to host');
    expect((await copy(`${HOSTS[0]}:${there}/none`, `${HOSTS[1]}:${there}/z`)).status).toBe(1);
    expect(readdirSync(there).sort()).toEqual(['x', 'y']);
  });

  it('tells in the words of the host what it refused, with status 1', async () => {
    const { status, err } = await copy(file('one.txt', 'one'), `${HOSTS[0]}:/etc/keylane-test-denied`);
    expect(err).toContain(`${HOSTS[0]}: put /etc/keylane-test-denied: Permission denied\n`);
    expect(status).toBe(1);
  });

  it('prints a line of JSON for each copy', async () => {
    const { out } = await copy('--format', 'ndjson', file('one.txt', 'one'), `127.6.1.[1-2]:${there}/one`);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ outcome, response }) => [outcome, response.bytes])).toEqual([
      ['ok', 3],
      ['ok', 3],
    ]);
  });

  it.each<[string[], string]>([
    [['a'], 'no destination'],
    [['a', 'b'], 'no host'],
    [['a:x', 'b', 'c:y'], 'some sources are on hosts'],
    [['a:x', 'b:x', 'c:y'], 'one file goes at a time'],
    [['-r', 'a:x', 'b'], 'to hosts only'],
    [['/nowhere/x', 'a:y'], 'no such file'],
  ])('refuses %j: %s', async (paths, says) => {
    const { status, err } = await copy(...paths);
    expect(err).toContain(says);
    expect(status).toBe(2);
  });
});

describe('keylane exec as users of ssh know it', () => {
  it('takes a host from the file of -F', async () => {
    const config = file(
      'ssh_config',
      `Host short\n  HostName ${HOSTS[1]}\n  Port ${sshd.port}\n  User ${sshd.user}\n  IdentityFile ${sshd.identity}\n  UserKnownHostsFile ${sshd.knownHosts}\n`,
    );
    const { status, out } = await run(['exec', '-F', config, '-q', 'short', '--', 'set -- $SSH_CONNECTION; echo $3']);
    expect(out).toBe(`short: ${HOSTS[1]}\n`);
    expect(status).toBe(0);
  });

  it('goes through a jump host', async () => {
    await using gate = await startSshd({ addresses: ['127.6.1.9'] });
    const config = file(
      'jump_config',
      `Host gate\n  HostName 127.6.1.9\n  Port ${gate.port}\n  User ${gate.user}\n  IdentityFile ${gate.identity}\n  UserKnownHostsFile ${gate.knownHosts}\n`,
    );
    const flags = ['-F', config, '-l', sshd.user, '-p', String(sshd.port)];
    const keys = ['-i', sshd.identity, '-i', gate.identity];
    // What is told of all hosts holds for the gate as well, but user and port.
    const known = [
      '--known-hosts',
      file('both', readFileSync(gate.knownHosts, 'utf8') + readFileSync(sshd.knownHosts, 'utf8')),
    ];
    const argv = ['exec', ...flags, ...keys, ...known, '-q', '-J', 'gate', `127.6.1.[1-3]`, '--', 'echo in'];
    const { status, out, err } = await run(argv);
    expect(err).toBe('');
    expect(out.split('\n').filter(Boolean).sort()).toEqual(HOSTS.map((host) => `${host}: in`));
    expect(status).toBe(0);
  });

  it('stops a command that falls silent, with all it has started', async () => {
    const { status, err } = await run([
      'exec',
      ...login,
      '--silence',
      '300ms',
      '--kill-tree',
      HOSTS[0] as string,
      '--',
      'sleep 1000',
    ]);
    expect(err).toContain('wrote nothing for 300 ms');
    expect(err).toContain('with all that it had started: killed');
    expect(status).toBe(3);
  });

  it('starts a command and leaves it', async () => {
    const argv = ['exec', ...login, '--detach', 'cli-test', '--format', 'ndjson', HOSTS[0] as string, '--', 'true'];
    const { status, out } = await run(argv);
    expect(JSON.parse(out).response.detached).toMatchObject({ id: 'cli-test' });
    expect(status).toBe(0);
    await run(['exec', ...login, HOSTS[0] as string, '--', 'rm -r ~/.keylane/runs/cli-test']);
  });
});
