import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { count, loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let dir: string;
/** An agent with 12 keys, the right one last. */
let agent: string;

beforeAll(async () => {
  sshd = await startSshd();
  dir = mkdtempSync(join(sshd.dir, 'auth-'));
  const wrong = Array.from({ length: 11 }, (_, i) => join(dir, `wrong-${i}`));
  for (const path of wrong) newKey(path);
  agent = await startAgent([...wrong, sshd.identity]);
  process.env.KEYLANE_TEST_RIGHT = 'right horse';
  process.env.KEYLANE_TEST_WRONG = 'wrong horse';
});
afterAll(async () => {
  for (const child of agents) child.kill();
  await sshd.stop();
});

/** They live as long as the tests, which end by a signal: no `exit` event would end them. */
const agents: ChildProcess[] = [];

async function startAgent(keys: readonly string[]): Promise<string> {
  const path = join(mkdtempSync(join(dir, 'a-')), 'socket');
  const child = spawn('ssh-agent', ['-D', '-a', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  agents.push(child);
  await once(child.stdout, 'data');
  for (const key of keys) {
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: path }, stdio: 'pipe' });
  }
  return path;
}

/** A copy of the right key under another name, changed by `change`. */
function keyFile(name: string, change: (path: string) => void): string {
  const path = join(dir, name);
  copyFileSync(sshd.identity, path);
  chmodSync(path, 0o600);
  change(path);
  return path;
}

const encrypt = (path: string) =>
  void execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'right horse', '-f', path], { stdio: 'pipe' });

test('an identity that names its public half finds the private one in the agent, and nothing else is tried', async () => {
  const engine = await startEngine();
  const identity = join(dir, 'right.pub');
  writeFileSync(identity, readFileSync(`${sshd.identity}.pub`));
  const before = count(sshd, 'Failed publickey');
  expect(await engine.run('ssh', loginTo(sshd, { command: 'true', agent, identity }))).toMatchObject({ code: 0 });
  expect(count(sshd, 'Failed publickey')).toBe(before);
});

test('without a name the agent is tried five times and no more, with the way out', async () => {
  const engine = await startEngine();
  const before = count(sshd, 'Failed publickey');
  const { identity: _, ...request } = loginTo(sshd, { command: 'true', agent });
  const error = await failure(engine.run('ssh', request));
  expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
  expect(error.message).toMatch(/too many keys for a server: name one with `identity`/);
  expect(count(sshd, 'Failed publickey') - before).toBe(5);
  expect(sshd.log()).not.toContain('maximum authentication attempts exceeded');
});

test('an encrypted key without its passphrase is used through the agent', async () => {
  const engine = await startEngine();
  const identity = keyFile('encrypted-in-agent', encrypt);
  expect(await engine.run('ssh', loginTo(sshd, { command: 'true', agent, identity }))).toMatchObject({ code: 0 });
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', agent: 'none', identity })));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(error.message).toContain(`${identity}: it is encrypted`);
});

test('a wrong passphrase is its own error, and shows none', async () => {
  const engine = await startEngine();
  const identity = keyFile('encrypted', encrypt);
  const at = (passphrase: string) => loginTo(sshd, { command: 'true', agent: 'none', identity, passphrase });
  expect(await engine.run('ssh', at('env:KEYLANE_TEST_RIGHT'))).toMatchObject({ code: 0 });
  const error = await failure(engine.run('ssh', at('env:KEYLANE_TEST_WRONG')));
  expect(error).toMatchObject({ code: 'ERR_PASSPHRASE', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(identity);
  expect(error.message).toContain('env:KEYLANE_TEST_WRONG');
  expect(JSON.stringify(error) + String(error.stack) + String(error.cause)).not.toContain('horse');
});

test.each<[string, string[]]>([
  ['ed25519 in OpenSSH format', ['ssh-keygen', '-t', 'ed25519']],
  ['ecdsa in OpenSSH format', ['ssh-keygen', '-t', 'ecdsa']],
  ['rsa in OpenSSH format', ['ssh-keygen', '-t', 'rsa', '-b', '2048']],
  ['rsa in PEM', ['ssh-keygen', '-t', 'rsa', '-b', '2048', '-m', 'PEM']],
  ['ecdsa in PEM', ['ssh-keygen', '-t', 'ecdsa', '-m', 'PEM']],
  ['rsa in PKCS#8', ['ssh-keygen', '-t', 'rsa', '-b', '2048', '-m', 'PKCS8']],
  ['ecdsa in PKCS#8', ['ssh-keygen', '-t', 'ecdsa', '-m', 'PKCS8']],
])('an encrypted key logs in: %s', async (name, [program = '', ...argv]) => {
  const engine = await startEngine();
  const identity = join(dir, name.replaceAll(/\W/g, '-'));
  execFileSync(program, ['-q', ...argv, '-N', 'right horse', '-C', '', '-f', identity], { stdio: 'pipe' });
  appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(`${identity}.pub`));
  const request = loginTo(sshd, { command: 'true', agent: 'none', identity, passphrase: 'env:KEYLANE_TEST_RIGHT' });
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0 });
});

test('of several identities the ones that cannot be used are left out, by name where none is good enough', async () => {
  const engine = await startEngine();
  const open = keyFile('open', (path) => chmodSync(path, 0o644));
  const missing = join(dir, 'missing');
  const request = (identity: string[]) => loginTo(sshd, { command: 'true', agent: 'none', identity });
  expect(await engine.run('ssh', request([missing, open, sshd.identity]))).toMatchObject({ code: 0 });
  const error = await failure(engine.run('ssh', request([missing, open, join(dir, 'wrong-0')])));
  expect(error).toMatchObject({ code: 'ERR_AUTH' });
  expect(error.message).toContain(`${missing}: there is no such file`);
  expect(error.message).toContain(`${open}: its permissions (0644)`);
  const alone = await failure(engine.run('ssh', request([open])));
  expect(alone).toMatchObject({ code: 'ERR_INPUT' });
  expect(alone.message).toContain(`chmod 600 '${open}'`);
});

test('a key on a token is told apart, with the transport that has it', async () => {
  const engine = await startEngine();
  const identity = join(dir, 'token');
  const type = 'sk-ssh-ed25519@openssh.com';
  const part = (text: string) => Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]);
  const blob = Buffer.concat([part(type), part('x'.repeat(32)), part('ssh:')]).toString('base64');
  writeFileSync(identity, `${type} ${blob}\n`, { mode: 0o600 });
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', agent: 'none', identity })));
  expect(error).toMatchObject({ code: 'ERR_INPUT' });
  expect(error.message).toContain("`transport: 'openssh'`");
});

test('a server that wants two keys gets two, and what the first was is told', async () => {
  await using strict = await startSshd({ config: ['AuthenticationMethods publickey,publickey'] });
  const second = join(strict.dir, 'second');
  appendFileSync(join(strict.dir, 'authorized_keys'), `${newKey(second)}\n`);
  const engine = await startEngine();
  const both = loginTo(strict, { command: 'true', agent: 'none', identity: [strict.identity, second] });
  expect(await engine.run('ssh', both)).toMatchObject({ code: 0 });
  const error = await failure(engine.run('ssh', { ...both, identity: strict.identity }));
  expect(error).toMatchObject({ code: 'ERR_AUTH' });
  expect(error.message).toContain(`the server took identity ${strict.identity} and wants more`);
});

test.each<[string, (server: Server) => void]>([
  ['never answers', () => undefined],
  ['hangs up', (server) => server.on('connection', (socket) => socket.destroy())],
  ['answers with garbage', (server) => server.on('connection', (socket) => socket.end(Buffer.alloc(64, 0xff)))],
  ['says that it has 4 billion keys', (server) => server.on('connection', (socket) => socket.write(MANY))],
])('an agent that %s is left aside, and the log-in goes on with other keys', async (_what, behave) => {
  const path = join(mkdtempSync(join(dir, 'bad-')), 'socket');
  const server = createServer();
  behave(server);
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    rmSync(path, { force: true });
  });
  const engine = await startEngine();
  const request = loginTo(sshd, { command: 'true', agent: path, identitiesOnly: false });
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0 });
});

const MANY = Buffer.from([0, 0, 0, 5, 12, 0xff, 0xff, 0xff, 0xff]);

test('with forwardAgent a command on the host can use our agent, and without it cannot', async () => {
  const engine = await startEngine();
  const request = (other: object) => loginTo(sshd, { command: 'ssh-add -l', agent, ...other });
  const { stdout, code } = await engine.run('ssh', request({ forwardAgent: true }));
  expect(code).toBe(0);
  expect(String(stdout).trim().split('\n')).toHaveLength(12);
  expect(await engine.run('ssh', request({}))).toMatchObject({ code: 2 });
});
