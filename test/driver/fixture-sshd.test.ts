import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descendants } from '../support/process-tree.js';
import { type Sshd, sshArguments, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], config: ['MaxSessions 3'] });
});
afterAll(async () => {
  await sshd.stop();
});

test('a real ssh client runs a command on each address, with the strict host key', async () => {
  const answers = await Promise.all(sshd.addresses.map((address) => ssh(sshd, address, 'id -un; echo $0; exit 0')));
  for (const answer of answers) expect(answer.stdout).toMatch(new RegExp(`^${sshd.user}\n`));
  expect(sshd.log()).toContain('Accepted publickey');
});

test('the identity is for its owner only', () => {
  expect(statSync(sshd.identity).mode & 0o777).toBe(0o600);
});

test('the exit status comes back', async () => {
  await expect(ssh(sshd, '127.0.0.1', 'exit 3')).rejects.toMatchObject({ code: 3 });
});

test('another key does not open the account', async () => {
  await using other = await startSshd();
  await expect(ssh({ ...sshd, identity: other.identity }, '127.0.0.1', 'true')).rejects.toMatchObject({
    code: 255,
    stderr: expect.stringContaining('Permission denied'),
  });
});

test('stop ends the daemon, its sessions, what they left in the background, and the folder', async () => {
  const own = await startSshd();
  const { stdout } = await ssh(own, '127.0.0.1', 'sleep 1000 >/dev/null 2>&1 </dev/null & echo $!');
  const orphan = Number(stdout);
  expect(existsSync(`/proc/${orphan}`)).toBe(true);
  const running = ssh(own, '127.0.0.1', 'echo started; sleep 1000').catch((error: unknown) => error);
  const busy = connect(own.port, '127.0.0.1');
  await new Promise((resolve) => busy.once('data', resolve));
  expect(descendants(own.pid).length).toBeGreaterThan(0);
  await own.stop();
  expect(await running).toMatchObject({ code: 255 });
  for (const gone of [`/proc/${own.pid}`, own.dir]) expect(existsSync(gone)).toBe(false);
  expect(isRunning(orphan)).toBe(false);
  busy.destroy();
});

test('a configuration that sshd refuses is told with its message', async () => {
  await expect(startSshd({ config: ['NoSuchOption yes'] })).rejects.toThrow(/NoSuchOption/);
});

function ssh(to: Pick<Sshd, 'port' | 'user' | 'identity' | 'knownHosts'>, address: string, command: string) {
  return promisify(execFile)('ssh', [...sshArguments(to, address), command]);
}

/** Not gone, and not a zombie that init has not yet reaped. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}
