import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account, AccountRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { connectionsTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const HOSTS = ['127.72.0.1', '127.72.0.2', '127.72.0.3'] as const;

let sshd: Sshd;
let dataDir: string;
beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
});
afterAll(() => sshd.stop());

async function start(options: object = {}) {
  dataDir = mkdtempSync(join(tmpdir(), 'keylane-accounts-'));
  const engine = await startEngine({ dataDir, ssh: { agent: 'none' }, ...options });
  return { engine, [Symbol.dispose]: () => rmSync(dataDir, { recursive: true, force: true }) };
}

function at(index: number, more: Partial<Account> = {}): Account {
  const { port, user, identity, knownHosts } = sshd;
  const endpoint = { host: HOSTS[index] as string, port, knownHosts };
  return { name: `host-${index}`, driver: 'ssh', endpoint, user, identity, ...more };
}

test('a request names an account and says nothing else of the host', async () => {
  using started = await start();
  const { engine } = started;
  await engine.accounts.add(at(0));
  const { stdout } = await engine.run('ssh', { account: 'host-0', command: 'echo "$USER $SSH_CONNECTION"' });
  expect(String(stdout)).toMatch(new RegExp(`^${sshd.user} .* ${HOSTS[0]} ${sshd.port}\n$`));
});

test('streams, batches and prewarming take accounts too, and share their connections', async () => {
  using started = await start();
  const { engine } = started;
  await engine.accounts.import([at(0), at(1)]);
  const before = connectionsTo(sshd);
  const requests: AccountRequest[] = ['host-0', 'host-1'].map((account) => ({ account, command: 'echo hi' }));
  expect(await engine.prewarm('ssh', requests)).toEqual({ ready: 2, notReady: 0, failed: [] });
  const stream = engine.stream('ssh', { account: 'host-0', command: 'echo streamed' });
  let text = '';
  for await (const { data } of stream) text += Buffer.from(data).toString();
  expect(text).toBe('streamed\n');
  const told: string[] = [];
  for await (const { request, response } of engine.batch('ssh', requests))
    told.push(`${request.account} ${String(response?.stdout).trim()}`);
  expect(told.sort()).toEqual(['host-0 hi', 'host-1 hi']);
  expect(connectionsTo(sshd) - before).toBe(2);
});

test('what the account says cannot be said again, so its secrets go nowhere else', async () => {
  using started = await start();
  const { engine } = started;
  await engine.accounts.add(at(0, { secrets: { password: 'env:KEYLANE_NOT_SET' } }));
  for (const field of [
    'host',
    'port',
    'user',
    'identity',
    'jump',
    'knownHosts',
    'hostKeys',
    'password',
    'passphrase',
  ]) {
    const request = { account: 'host-0', command: 'true', [field]: 'x' } as AccountRequest;
    const error = await failure(engine.run('ssh', request));
    expect([error.code, error.message]).toEqual([
      'ERR_INPUT',
      `ssh.${field}: does not go with \`account\`: the account host-0 says it`,
    ]);
  }
});

test('an account that is not there or not for ssh fails the one request, by its name', async () => {
  using started = await start();
  const { engine } = started;
  await engine.accounts.import([at(0), { ...at(1), driver: 'smtp', endpoint: { host: 'mx' }, identity: undefined }]);
  const ended: Record<string, string> = {};
  const requests = ['host-0', 'hsot-0', 'host-1'].map((account) => ({ account, command: 'true' }));
  for await (const { request, error, outcome } of engine.batch('ssh', requests))
    ended[request.account] = error ? `${error.code} ${error.message}` : outcome;
  expect(ended).toEqual({
    'host-0': 'ok',
    'hsot-0': 'ERR_INPUT there is no account "hsot-0": did you mean `host-0`?',
    'host-1': 'ERR_INPUT ssh.account: the account host-1 is for the driver smtp, not for ssh',
  });
});

test('an account’s labels are its requests’, so limits.groups bounds them', async () => {
  using started = await start({ limits: { groups: { db: 1 } } });
  const { engine } = started;
  await engine.accounts.import([at(0, { labels: ['db'] }), at(1, { labels: ['db', 'eu'] })]);
  // Each is alone while it runs, or it sees the other's mark.
  const mark = join(sshd.dir, 'mark');
  mkdirSync(mark);
  chmodSync(mark, 0o777);
  const command = `mkdir ${mark}/running || exit 9; sleep 0.1; rmdir ${mark}/running`;
  const requests = Array.from({ length: 6 }, (_, i) => ({ account: `host-${i % 2}`, command }));
  const codes: unknown[] = [];
  for await (const { response } of engine.batch('ssh', requests)) codes.push(response?.code);
  expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
  expect((await engine.stats()).groups.db).toMatchObject({ inFlight: 0 });
});

test('an account’s limits hold for each of its requests, and a request may ask for less', async () => {
  using started = await start();
  const { engine } = started;
  await engine.accounts.add(at(0, { limits: { maxOutputBytes: 5 } }));
  await engine.accounts.add(at(1, { limits: { timeoutMs: 300 } }));
  expect(await engine.run('ssh', { account: 'host-0', command: 'printf 123456789' })).toMatchObject({
    stdout: '12345',
    truncated: true,
  });
  const asked = (maxOutputBytes: number) =>
    engine.run('ssh', { account: 'host-0', command: 'printf 123456789', maxOutputBytes });
  expect([(await asked(2)).stdout, (await asked(9)).stdout]).toEqual(['12', '12345']);
  const since = performance.now();
  const error = await failure(engine.run('ssh', { account: 'host-1', command: 'sleep 60' }));
  // Its own deadline would be 60 s.
  expect(error.code).toBe('ERR_TIMEOUT');
  expect(performance.now() - since).toBeLessThan(30_000);
});

test('a reference may be a command’s output where that is allowed, for log-in too', async () => {
  const locked = join(sshd.dir, 'locked');
  using started = await start({ allowCommands: true });
  const { engine } = started;
  // Its output is the passphrase: only the right one opens the key.
  writeFileSync(join(dataDir, 'phrase'), 'correct horse\n');
  lockedCopy(locked);
  await engine.accounts.add(at(0, { identity: locked, secrets: { passphrase: `cmd:cat '${dataDir}/phrase'` } }));
  expect((await engine.run('ssh', { account: 'host-0', command: 'true' })).code).toBe(0);
});

/** The key that opens the account, encrypted. */
function lockedCopy(file: string): void {
  writeFileSync(file, readFileSync(sshd.identity), { mode: 0o600 });
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'correct horse', '-f', file]);
}

test('verify opens a connection for each, and tells of those that do not work', async () => {
  using started = await start();
  const { engine } = started;
  const stranger = join(dataDir, 'stranger');
  newKey(stranger);
  const closed = await freePort(['127.72.0.9']);
  await engine.accounts.import([
    at(0),
    at(1, { identity: stranger }),
    at(2, { name: 'nobody', endpoint: { host: '127.72.0.9', port: closed, hostKeys: 'insecure' } }),
  ]);
  const verdicts = await engine.accounts.verify();
  expect(verdicts.map(({ name, ok, tried, error }) => [name, ok, tried, error?.code])).toEqual([
    ['host-0', true, 'connection', undefined],
    ['host-1', false, 'connection', 'ERR_AUTH'],
    ['nobody', false, 'connection', 'ERR_CONNECT'],
  ]);
  const before = connectionsTo(sshd);
  await engine.run('ssh', { account: 'host-0', command: 'true' });
  expect(connectionsTo(sshd)).toBe(before);
});

test('an engine that needs no accounts makes no data directory', async () => {
  using started = await start({ dataDir: join(tmpdir(), `keylane-never-${process.pid}`) });
  const { engine } = started;
  await engine.run('echo', { key: 'a' });
  expect(() => statSync(join(tmpdir(), `keylane-never-${process.pid}`))).toThrow('ENOENT');
  await engine.close();
  expect((await failure(engine.accounts.list())).code).toBe('ERR_CLOSED');
});
