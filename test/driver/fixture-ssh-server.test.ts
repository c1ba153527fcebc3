import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair } from '../../load/peers/ed25519.js';
import { type SshServers, startSshServers } from '../../load/peers/ssh-server.js';
import { sshArguments } from '../support/sshd.js';

const REFUSES = '127.1.0.3';
const HANGS = '127.1.0.4';

let shell: SshServers;
let light: SshServers;
beforeAll(async () => {
  shell = await startSshServers({ addresses: { count: 4 }, refuse: [REFUSES], hang: [HANGS] });
  light = await startSshServers({ addresses: ['127.2.0.1'], mode: 'light', output: 'Linux\n' });
});
afterAll(async () => {
  await Promise.all([shell.stop(), light.stop()]);
});

test('a shell server really runs the command: both streams, stdin, and the exit status', async () => {
  const command = 'cat; echo to stderr >&2; echo $((6 * 7)); exit 3';
  const running = ssh(shell, '127.1.0.1', command);
  running.child.stdin?.end('from stdin\n');
  await expect(running).rejects.toMatchObject({ code: 3, stdout: 'from stdin\n42\n', stderr: 'to stderr\n' });
});

test('a command that a signal ends is told as such', async () => {
  // OpenSSH's client has no exit status to give then.
  await expect(ssh(shell, '127.1.0.1', 'kill -TERM $$')).rejects.toMatchObject({ code: 255 });
});

test('5 MB of output come whole', async () => {
  const { stdout } = await ssh(shell, '127.1.0.2', 'head -c 5000000 /dev/zero | tr "\\0" x');
  expect(stdout.length).toBe(5_000_000);
});

test('a command dies with its connection', async () => {
  const running = ssh(shell, '127.1.0.1', 'echo $$; sleep 1000');
  const [text] = (await once(running.child.stdout as NodeJS.ReadableStream, 'data')) as [string];
  const pid = Number(text);
  expect(existsSync(`/proc/${pid}/exe`)).toBe(true);
  running.child.kill('SIGKILL');
  await running.catch(() => {});
  // The server sees the cut by itself; another command is behind that in its event loop, and in the kernel's.
  while (existsSync(`/proc/${pid}/exe`)) await ssh(shell, '127.1.0.2', 'true');
});

test('a light server answers every command with its output', async () => {
  expect((await ssh(light, '127.2.0.1', 'no-such-command')).stdout).toBe('Linux\n');
});

test('a key that it does not know is turned away', async () => {
  const other = await startSshServers({ addresses: ['127.2.0.2'], mode: 'light' });
  await expect(ssh({ ...light, identity: other.identity }, '127.2.0.1', 'true')).rejects.toMatchObject({
    stderr: expect.stringContaining('Permission denied'),
  });
  await other.stop();
});

test('nothing listens where it should refuse', async () => {
  await expect(once(connect(shell.port, REFUSES), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a host that hangs takes the command and never answers', async () => {
  const running = ssh(shell, HANGS, 'true', ['LogLevel=DEBUG1']);
  let log = '';
  running.child.stderr?.on('data', (text: string) => {
    log += text;
  });
  while (!log.includes('Sending command')) await once(running.child.stderr as NodeJS.ReadableStream, 'data');
  await ssh(shell, '127.1.0.1', 'true');
  expect(running.child.exitCode).toBeNull();
  running.child.kill('SIGKILL');
  await running.catch(() => {});
});

test('it tells its CPU time and memory, and leaves nothing after stop', async () => {
  const own = await startSshServers({ addresses: ['127.2.0.3'], mode: 'light' });
  expect(statSync(own.identity).mode & 0o777).toBe(0o600);
  const before = await own.cpu();
  await ssh(own, '127.2.0.3', 'true');
  const after = await own.cpu();
  expect(after.user + after.system).toBeGreaterThan(before.user + before.system);
  expect(await own.rss()).toBeGreaterThan(10_000_000);
  await own.stop();
  for (const gone of [`/proc/${own.pid}/exe`, own.identity]) expect(existsSync(gone)).toBe(false);
});

test('10,000 hosts in one process all listen', async () => {
  const many = await startSshServers({ addresses: { count: 10_000, base: '127.3.0.1' }, mode: 'light' });
  expect(many.addresses).toHaveLength(10_000);
  expect(many.addresses.at(-1)).toBe('127.3.39.16');
  for (const address of ['127.3.0.1', '127.3.20.0', '127.3.39.16']) {
    expect((await ssh(many, address, 'true')).stdout).toBe('ok\n');
  }
  await many.stop();
});

test('every new key pair is one that OpenSSH reads', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'keylane-keys-'));
  // About one key in 256 begins with a zero byte, which is what a generator may lose.
  let zeros = 0;
  for (let i = 0; i < 2_000 && zeros < 2; i++) {
    const pair = newKeyPair();
    if (Buffer.from(pair.public.split(' ')[1] ?? '', 'base64')[19] !== 0 && i > 0) continue;
    zeros++;
    await writeFile(join(dir, `key${i}`), pair.private, { mode: 0o600 });
    const { stdout } = await promisify(execFile)('ssh-keygen', ['-y', '-P', '', '-f', join(dir, `key${i}`)]);
    expect(stdout.trim()).toBe(pair.public);
  }
  await rm(dir, { recursive: true });
  expect(zeros).toBe(2);
});

function ssh(to: SshServers, address: string, command: string, options: string[] = []) {
  const argv = [...options.flatMap((option) => ['-o', option]), ...sshArguments(to, address), command];
  return promisify(execFile)('ssh', argv, { maxBuffer: 2 ** 24 });
}
