import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSshServers } from '../../load/peers/ssh-server.js';
import { failure, startEngine } from '../support/engine.js';
import { count, loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const PROCESSES = 10;
const HOSTS_EACH = 5;
const CLI = new URL('../../dist/src/cli/main.js', import.meta.url).pathname;

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
});
afterAll(() => sshd.stop());

const at = (knownHosts: string, other: object = {}) => loginTo(sshd, { command: 'true', knownHosts, ...other });
const lineOf = (host: string) => `[${host}]:${sshd.port} ${sshd.hostKeyPublic}`;

test('an unknown host is refused with the command that adds it, and that command does', async () => {
  const engine = await startEngine();
  const knownHosts = join(sshd.dir, "it's new");
  const before = count(sshd, sshd.user);
  const error = await failure(engine.run('ssh', at(knownHosts), { attempts: 3 }));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(`there is no ${knownHosts}`);
  expect(error.message).toMatch(/SHA256:[A-Za-z0-9+/]{43}/);
  // Nothing was written, and no user name was told.
  expect(existsSync(knownHosts)).toBe(false);
  expect(count(sshd, sshd.user)).toBe(before);

  const [, command = ''] = /add it with: (ssh-keyscan .*) \(or ask/.exec(error.message) ?? [];
  execFileSync('sh', ['-c', command], { stdio: 'ignore' });
  expect((await engine.run('ssh', at(knownHosts))).code).toBe(0);
});

test('accept-new adds one line to a file that only its owner may read, and from then on that key counts', async () => {
  const knownHosts = join(sshd.dir, 'deep', 'er', 'known_hosts');
  const engine = await startEngine();
  const requests = Array.from({ length: 40 }, () => at(knownHosts, { hostKeys: 'accept-new' }));
  await Promise.all(requests.map((request) => engine.run('ssh', request)));
  expect(readFileSync(knownHosts, 'utf8')).toBe(`${lineOf('127.0.0.1')}\n`);
  expect(statSync(knownHosts).mode & 0o777).toBe(0o600);
  expect((await engine.run('ssh', at(knownHosts))).code).toBe(0);
});

test('accept-new adds to what is there, also where its last line has no end', async () => {
  const knownHosts = join(sshd.dir, 'no-newline');
  writeFileSync(knownHosts, lineOf('127.0.0.2'), { mode: 0o600 });
  const engine = await startEngine();
  await engine.run('ssh', at(knownHosts, { hostKeys: 'accept-new' }));
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    expect((await engine.run('ssh', at(knownHosts, { host }))).code).toBe(0);
  }
});

test('10 processes that meet 50 new hosts at once leave 50 whole lines (S3)', async () => {
  await using servers = await startSshServers({ addresses: { count: PROCESSES * HOSTS_EACH }, mode: 'light' });
  const knownHosts = join(sshd.dir, 'shared');
  const flags = ['-p', `${servers.port}`, '-i', servers.identity, '--known-hosts', knownHosts];
  const runs = Array.from({ length: PROCESSES }, (_, i) => {
    const hosts = servers.addresses.slice(i * HOSTS_EACH, (i + 1) * HOSTS_EACH);
    const argv = [CLI, 'exec', '-F', 'none', ...flags, '--host-keys', 'accept-new', ...hosts, '--', 'true'];
    return promisify(execFile)(process.execPath, argv);
  });
  await Promise.all(runs);
  const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').sort();
  expect(linesOf(knownHosts)).toEqual(linesOf(servers.knownHosts));
  expect(statSync(knownHosts).mode & 0o777).toBe(0o600);
});
