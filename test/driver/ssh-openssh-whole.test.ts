import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SshProbe, SshRequest } from 'keylane';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { masters } from '../support/openssh-masters.js';
import { count, loginTo, sessionsEnded } from '../support/ssh-login.js';
import { canMakeAccounts, PasswordAccount } from '../support/ssh-password.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

const DIST = new URL('../../dist/', import.meta.url).href;
let sshd: Sshd;
let dir: string;

beforeAll(async () => {
  sshd = await startSshd();
  dir = mkdtempSync(join(tmpdir(), 'keylane-whole-'));
});
afterAll(async () => {
  await until(() => masters(sshd.dir).length === 0);
  await sshd.stop();
  rmSync(dir, { recursive: true });
});

const at = (other: Partial<SshRequest> = {}) => loginTo(sshd, { transport: 'openssh', agent: 'none', ...other });

/** An agent with one key, for the running test. */
async function startAgent(key: string): Promise<string> {
  const path = join(mkdtempSync(join(dir, 'a-')), 'socket');
  const child = spawn('ssh-agent', ['-D', '-a', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: path }, stdio: 'pipe' });
  return path;
}

test('a command on the host sees our agent where that is asked for, and only there', async () => {
  const agent = await startAgent(sshd.identity);
  const engine = await startEngine();
  const look = (other: Partial<SshRequest>) => engine.run('ssh', at({ command: 'ssh-add -l', agent, ...other }));
  const { stdout, code } = await look({ forwardAgent: true });
  expect(code).toBe(0);
  expect(String(stdout)).toMatch(/^256 SHA256:\S+ .*\(ED25519\)\n$/);
  expect(await look({})).toMatchObject({ code: 2 });
  // Both at once, over the one connection that may.
  const two = await Promise.all([look({ forwardAgent: true }), look({ forwardAgent: true })]);
  expect(two).toMatchObject([{ code: 0 }, { code: 0 }]);
});

test('ssh_config cannot have another agent forwarded than the one that was named', async () => {
  newKey(join(dir, 'other'));
  const [agent, other] = [await startAgent(sshd.identity), await startAgent(join(dir, 'other'))];
  const config = join(dir, 'config');
  writeFileSync(config, `Host *\n  ForwardAgent no\n  IdentityAgent ${other}\n`, { mode: 0o600 });
  const engine = await startEngine({ ssh: { config } });
  const { stdout } = await engine.run('ssh', at({ command: 'ssh-add -l', agent, forwardAgent: true }));
  const print = execFileSync('ssh-keygen', ['-lf', sshd.identity], { encoding: 'utf8' }).split(' ')[1];
  expect(stdout).toContain(print);
});

test('a probe tells what the other transport tells, and its connection is one of its own', async () => {
  const engine = await startEngine();
  newKey(join(dir, 'wrong'));
  const identity = [join(dir, 'wrong'), sshd.identity];
  const algorithms = { kex: 'curve25519-sha256', ciphers: 'aes128-ctr', macs: 'hmac-sha2-256' };
  const ask = async (transport: 'ssh2' | 'openssh') => {
    const { probe } = await engine.run('ssh', at({ op: 'probe', transport, identity, algorithms }));
    const { execMs, transport: by, ...rest } = probe as SshProbe;
    expect(execMs).toBeGreaterThan(0);
    expect(by).toBe(transport);
    return rest;
  };
  await engine.run('ssh', at({ command: 'true', identity, algorithms }));
  const told = await ask('openssh');
  // ssh2 does not keep what a server says after its version.
  const { software, ...theirs } = await ask('ssh2');
  expect(told).toEqual({ ...theirs, software: expect.stringMatching(new RegExp(`^${software}`)) });
  expect(told.tries).toEqual([
    { says: `identity ${identity[0]}`, result: 'refused' },
    { says: `identity ${identity[1]}`, result: 'accepted' },
  ]);
  expect(told.hostKey).toMatchObject({ type: 'ssh-ed25519', decision: 'known' });
  expect(told).toMatchObject({ kex: 'curve25519-sha256', cipher: 'aes128-ctr', mac: 'hmac-sha2-256' });
});

test('a probe tells a post-quantum key exchange, a key of the agent and a key that was new', async () => {
  const agent = await startAgent(sshd.identity);
  const engine = await startEngine();
  const ask = async (other: Partial<SshRequest>) => {
    const { probe } = await engine.run('ssh', at({ op: 'probe', agent, identitiesOnly: false, ...other }));
    return probe as SshProbe;
  };
  const probe = await ask({ knownHosts: join(dir, 'new'), hostKeys: 'accept-new' });
  expect(probe).toMatchObject({ postQuantum: true, mac: 'implicit', hostKey: { decision: 'new' } });
  expect(probe.tries.at(-1)).toEqual({ says: `identity ${sshd.identity} (in the agent)`, result: 'accepted' });
  expect(await ask({ knownHosts: '/dev/null', hostKeys: 'insecure' })).toMatchObject({
    hostKey: { decision: 'unchecked' },
  });
});

test.skipIf(!canMakeAccounts)('a probe tells a partial success and no secret', async () => {
  using account = new PasswordAccount();
  const lines = ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'];
  await using server = await startSshd({ config: [...lines, `AllowUsers ${account.user}`] });
  process.env.KEYLANE_TEST_TOLD = account.password;
  onTestFinished(() => void delete process.env.KEYLANE_TEST_TOLD);
  const engine = await startEngine();
  const { user } = account;
  const { knownHosts, port, identity } = server;
  const request = at({ op: 'probe', port, knownHosts, identity, user, password: 'env:KEYLANE_TEST_TOLD' });
  const response = await engine.run('ssh', request);
  expect(response.probe?.tries).toEqual([
    { says: `identity ${identity}`, result: 'partial' },
    { says: 'password', result: 'accepted' },
  ]);
  expect(JSON.stringify(response)).not.toContain(account.password);
  await engine.close();
});

test('behind a jump host the question is about the host itself', async () => {
  await using bastion = await startSshd();
  const asked: unknown[] = [];
  const confirmHostKey = async (about: unknown) => {
    asked.push(about);
    return true;
  };
  const engine = await startEngine({ ssh: { confirmHostKey } });
  const file = join(dir, 'behind');
  const jump = [loginTo(bastion, { agent: 'none' })];
  const request = at({ command: 'echo hi', jump, hostKeys: 'ask', knownHosts: file });
  expect(await engine.run('ssh', request)).toMatchObject({ stdout: 'hi\n' });
  expect(asked).toMatchObject([{ name: `[127.0.0.1]:${sshd.port}`, type: 'ssh-ed25519', file }]);
});

test('an ssh that a ProxyCommand starts is told nothing, also where it asks for the same passphrase', async () => {
  await using bastion = await startSshd();
  const identity = join(dir, 'encrypted');
  copyFileSync(bastion.identity, identity);
  chmodSync(identity, 0o600);
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'right horse', '-f', identity], { stdio: 'pipe' });
  appendFileSync(join(sshd.dir, 'authorized_keys'), readFileSync(join(bastion.dir, 'identity.pub')));
  const inner = ['IdentityAgent=none', 'IdentitiesOnly=yes', `UserKnownHostsFile=${bastion.knownHosts}`];
  const command = `ssh -F none ${inner.map((option) => `-o ${option}`).join(' ')} -i ${identity} -p ${bastion.port}`;
  const config = join(dir, 'proxied');
  const write = (proxy: string) => writeFileSync(config, `Host *\n  ProxyCommand ${proxy}\n`, { mode: 0o600 });
  process.env.KEYLANE_TEST_INNER = 'right horse';
  onTestFinished(() => void delete process.env.KEYLANE_TEST_INNER);
  const engine = await startEngine({ ssh: { config, allowExec: true } });
  const request = at({ command: 'true', identity, passphrase: 'env:KEYLANE_TEST_INNER' });
  write(`${command} -W %h:%p ${bastion.user}@127.0.0.1`);
  expect((await failure(engine.run('ssh', request))).outcome).toBe('not_started');
  expect(count(bastion, 'Accepted key')).toBe(1);
  expect(count(bastion, 'Accepted publickey')).toBe(0);
  write(`${command} -i ${bastion.identity} -W %h:%p ${bastion.user}@127.0.0.1`);
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0 });
});

test('a worker thread that is terminated takes its master along, and its folder', async () => {
  const tmp = mkdtempSync(join(tmpdir(), 'kl-'));
  onTestFinished(() => rmSync(tmp, { recursive: true, force: true }));
  const identity = join(dir, 'of-a-thread');
  copyFileSync(sshd.identity, identity);
  const script = `
    const { parentPort, workerData: { dist, request } } = require('node:worker_threads');
    (async () => {
      const { load } = await import(dist + 'workers/drivers/ssh/index.js');
      const { makeSshSpec } = await import(dist + 'src/specs/ssh.js');
      const { systemClock } = await import(dist + 'src/util/clock.js');
      const { target } = makeSshSpec().parse(request);
      const { signal } = new AbortController();
      const context = { signal, deadline: systemClock.now() + 10_000, lost() {}, ask: async () => true };
      await (await load()).open(target, context);
      parentPort.postMessage('open');
    })();`;
  const request = at({ command: 'true', identity, knownHosts: join(dir, 'of-thread'), hostKeys: 'ask' });
  const worker = new Worker(script, {
    eval: true,
    env: { ...process.env, TMPDIR: tmp },
    workerData: { dist: DIST, request },
  });
  await once(worker, 'message');
  expect(masters(identity)).toHaveLength(1);
  const [folder = ''] = readdirSync(tmp);
  // Nobody can be asked any more.
  expect(existsSync(join(tmp, folder, 's'))).toBe(true);
  expect(existsSync(join(tmp, folder, 'a'))).toBe(false);
  await worker.terminate();
  await until(() => masters(identity).length === 0 && readdirSync(tmp).length === 0);
});

test('when our process is killed while ssh asks, nothing is left that asks, and no socket', async () => {
  await using own = await startSshd();
  const tmp = mkdtempSync(join(tmpdir(), 'kl-'));
  onTestFinished(() => rmSync(tmp, { recursive: true, force: true }));
  const knownHosts = join(own.dir, 'none-yet');
  const request = loginTo(own, { transport: 'openssh', agent: 'none', command: 'true', hostKeys: 'ask', knownHosts });
  const program = join(own.dir, 'program.mjs');
  writeFileSync(
    program,
    `import { createEngine } from ${JSON.stringify(`${DIST}src/index.js`)};
const confirmHostKey = () => new Promise(() => console.log('asked'));
const engine = await createEngine({ shards: 1, ssh: { confirmHostKey } });
await engine.run('ssh', ${JSON.stringify(request)});
`,
  );
  const env = { ...process.env, TMPDIR: tmp };
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'], env });
  await once(child.stdout, 'data');
  expect(masters(own.dir)).toHaveLength(1);
  child.kill('SIGKILL');
  await until(() => masters(own.dir).length === 0 && readdirSync(tmp).length === 0);
  await sessionsEnded(own);
  expect(own.log()).not.toContain('Accepted');
});
