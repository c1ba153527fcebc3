import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { SshRequest } from '../../src/ssh-types.js';
import { worstLag } from '../support/loop-lag.js';
import { portOf } from '../support/ports.js';
import { startProxy } from '../support/proxy.js';
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

const accepted = () => sshd.log().split('Connection from ').length;

test('a host name is looked up by the main thread, and every address gets its turn', async () => {
  const lookup = () => [
    { address: '127.0.0.9', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ];
  const knownHosts = join(dir, 'by-name');
  writeFileSync(knownHosts, `[web-17]:${sshd.port} ${sshd.hostKeyPublic}\n`);
  const { run, context } = await ssh.open(at({ host: 'WEB-17', knownHosts }), { lookup });
  expect(context.asked).toEqual([{ question: 'lookup', about: 'web-17' }]);
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('what the look-up rejects with goes to the caller, with whose name it is', async () => {
  const lookup = () => Promise.reject(new KeylaneError('ERR_DNS', 'no such name'));
  expect(await rejection(ssh.open(at({ host: 'nowhere' }), { lookup }))).toMatchObject({
    code: 'ERR_DNS',
    message: expect.stringMatching(/^nowhere:\d+: no such name$/),
  });
});

test('another key than the account knows is an authentication failure that names what was tried', async () => {
  const identity = join(dir, 'other');
  newKey(identity);
  const error = await rejection(ssh.open(at({ identity })));
  expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(`tried identity ${identity}`);
  expect(error.message).toContain('the server allows publickey');
});

test.each([
  ['a missing file', () => join(dir, 'missing'), /no such file/],
  ['a folder', () => dir, /not a file/],
  ['a key that its group may read', () => copyOf('group', 0o640), /permissions \(0640\).*chmod 600/],
  ['a key that all may read', () => copyOf('all', 0o604), /chmod 600/],
  ['a public key', () => withText('public', readFileSync(`${sshd.identity}.pub`, 'utf8')), /public key/],
  ['something else', () => withText('text', 'hello'), /not a private key/],
  ['an encrypted key without a passphrase', () => encrypted('no-passphrase'), /encrypted.*passphrase/],
])('%s as identity is refused by name, before a socket is opened', async (_what, make, says) => {
  const identity = make();
  const before = accepted();
  const error = await rejection(ssh.open(at({ identity })));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
  expect(error.message).toMatch(/identity/);
  expect(error.message).toContain(identity);
  expect(error.message).toMatch(says);
  expect(accepted()).toBe(before);
});

test('an encrypted key is opened with its passphrase, which the main thread is asked for once', async () => {
  const identity = encrypted('encrypted');
  const request = at({ identity, passphrase: 'env:PHRASE' });
  const first = await ssh.open(request, { secret: () => 'open sesame' });
  expect(first.context.asked).toEqual([{ question: 'secret', about: 'env:PHRASE' }]);
  expect(await first.run('true')).toMatchObject({ code: 0 });
  const second = await ssh.open(request);
  expect(second.context.asked).toEqual([]);
});

test('a wrong passphrase is told, and not remembered', async () => {
  const identity = encrypted('wrong');
  const request = at({ identity, passphrase: 'env:PHRASE' });
  const error = await rejection(ssh.open(request, { secret: () => 'wrong' }));
  expect(error).toMatchObject({ code: 'ERR_PASSPHRASE', message: expect.stringContaining('env:PHRASE') });
  expect(error.message).not.toContain('wrong)');
  await ssh.open(request, { secret: () => 'open sesame' });
});

test('without an identity the agent goes first, five keys at most, and then the keys in ~/.ssh', async () => {
  const home = mkdtempSync(join(dir, 'home-'));
  mkdirSync(join(home, '.ssh'));
  copyFileSync(sshd.identity, join(home, '.ssh', 'id_ed25519'));
  chmodSync(join(home, '.ssh', 'id_ed25519'), 0o600);
  await using agent = new Agent();
  for (let i = 0; i < 7; i++) agent.add(`agent-${i}`);
  const kept = { HOME: process.env.HOME, SSH_AUTH_SOCK: process.env.SSH_AUTH_SOCK };
  Object.assign(process.env, { HOME: home, SSH_AUTH_SOCK: agent.socket });
  try {
    const { identity: _, ...request } = at();
    const { run } = await new SshHarness().open(request);
    expect(await run('true')).toMatchObject({ code: 0 });
    const wrong = mkdtempSync(join(dir, 'home-'));
    process.env.HOME = wrong;
    const error = await rejection(new SshHarness().open(request));
    expect(error).toMatchObject({ code: 'ERR_AUTH' });
    expect(error.message).toMatch(/agent-0, agent key agent-1.*agent-4;.*2 of 7 keys \(too many keys/);
    expect(error.message).not.toContain('agent key agent-5');
    execFileSync('ssh-add', ['-q', sshd.identity], { env: { ...process.env, SSH_AUTH_SOCK: agent.socket } });
  } finally {
    for (const [name, value] of Object.entries(kept)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test('a key of the agent logs in', async () => {
  await using agent = new Agent();
  execFileSync('ssh-add', ['-q', sshd.identity], { env: { ...process.env, SSH_AUTH_SOCK: agent.socket } });
  const before = process.env.SSH_AUTH_SOCK;
  process.env.SSH_AUTH_SOCK = agent.socket;
  try {
    const { identity: _, ...request } = at();
    const { run } = await new SshHarness().open(request);
    expect(await run('true')).toMatchObject({ code: 0 });
  } finally {
    if (before === undefined) delete process.env.SSH_AUTH_SOCK;
    else process.env.SSH_AUTH_SOCK = before;
  }
});

test('a port where nothing listens is refused, and worth another try', async () => {
  await using quiet = new Quiet();
  await quiet.listen();
  const { port } = quiet;
  await quiet[Symbol.asyncDispose]();
  const error = await rejection(ssh.open(at({ port })));
  expect(error).toMatchObject({
    code: 'ERR_CONNECT',
    outcome: 'not_started',
    retryable: true,
    key: `127.0.0.1:${port}`,
  });
  expect(error.message).toContain('refused');
});

test.each([
  ['takes the connection and says nothing', { accept: 'mute' }, /no answer to the key exchange within/],
  ['resets the connection at once', { accept: 'rst' }, /was reset/],
  [
    'closes in the middle of the key exchange',
    { cut: { after: 200, direction: 'down', by: 'fin' } },
    /closed during key exchange/,
  ],
  [
    'resets in the middle of the key exchange',
    { cut: { after: 200, direction: 'down', by: 'rst' } },
    /(reset|closed) during key exchange/,
  ],
  [
    'falls silent in the middle of the key exchange',
    { cut: { after: 200, direction: 'down', by: 'blackhole' } },
    /no answer to the key exchange/,
  ],
] as const)('a server that %s is a failed connect, within the deadline', async (_what, fault, says) => {
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault });
  const error = await rejection(ssh.open(at({ port: proxy.port, hostKeys: 'insecure' }), {}, 500));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: true });
  expect(error.message).toMatch(says);
});

test('an open that is called off ends with the reason', async () => {
  await using quiet = new Quiet();
  await quiet.listen();
  const reason = new KeylaneError('ERR_CLOSED', 'no longer needed');
  const opening = ssh.open(at({ port: quiet.port }), {
    lookup: () => [],
  });
  const caught = rejection(opening);
  await quiet.connected;
  ssh.lastOpen?.controller.abort(reason);
  expect(await caught).toBe(reason);
  await quiet.disconnected;
});

test('a connection that dies while idle is reported', async () => {
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const { context, reusable } = await ssh.open(at({ port: proxy.port, hostKeys: 'insecure' }));
  proxy.connections[0]?.cut('rst');
  expect(await context.nextLoss).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
  expect(reusable()).toBe(false);
});

test('a peer that falls silent is lost after four intervals of its keepalive', async () => {
  const short = new SshHarness({ keepaliveMs: 300 });
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const { context } = await short.open(at({ port: proxy.port, hostKeys: 'insecure' }));
  const from = performance.now();
  proxy.connections[0]?.cut('blackhole');
  const lost = context.nextLoss;
  const lag = await worstLag(lost);
  expect((await lost).message).toContain('no sign of life');
  expect(performance.now() - from).toBeLessThan(1_500 + 2 * lag);
});

test('a quiet peer that answers the keepalive is not lost', async () => {
  const short = new SshHarness({ keepaliveMs: 20 });
  const { context, run } = await short.open(at());
  expect(await run('sleep 0.5')).toMatchObject({ code: 0 });
  expect(context.losses).toEqual([]);
  await short[Symbol.asyncDispose]();
});

test('close ends politely, is not reported as a loss, and leaves no socket', async () => {
  const { context, close, run, reusable } = await ssh.open(at());
  await close();
  await close();
  expect([context.losses, reusable()]).toEqual([[], false]);
  expect(await rejection(run('true'))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started' });
});

test('close of a peer that is silent ends by force', async () => {
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const { close } = await ssh.open(at({ port: proxy.port, hostKeys: 'insecure' }));
  proxy.connections[0]?.cut('blackhole');
  await close();
});

function copyOf(name: string, mode: number): string {
  const file = join(dir, name);
  copyFileSync(sshd.identity, file);
  chmodSync(file, mode);
  return file;
}

function withText(name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function encrypted(name: string): string {
  const file = copyOf(name, 0o600);
  execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-a', '1', '-f', file], { stdio: 'ignore' });
  return file;
}

/** An ssh-agent of our own. */
class Agent implements AsyncDisposable {
  readonly socket: string;
  readonly #pid: number;

  constructor() {
    const said = execFileSync('ssh-agent', ['-s'], { encoding: 'utf8' });
    this.socket = /SSH_AUTH_SOCK=([^;]+)/.exec(said)?.[1] as string;
    this.#pid = Number(/SSH_AGENT_PID=(\d+)/.exec(said)?.[1]);
  }

  add(comment: string): void {
    const file = join(dir, comment);
    rmSync(file, { force: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file]);
    execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: this.socket }, stdio: 'ignore' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.#pid);
  }
}

/** Takes connections and never says a word. */
class Quiet implements AsyncDisposable {
  readonly connected: Promise<void>;
  readonly disconnected: Promise<void>;
  readonly #server: TcpServer;
  port = 0;

  constructor() {
    let connected!: () => void;
    let disconnected!: () => void;
    this.connected = new Promise((resolve) => {
      connected = resolve;
    });
    this.disconnected = new Promise((resolve) => {
      disconnected = resolve;
    });
    this.#server = createServer((socket) => {
      socket
        .resume()
        .on('error', () => undefined)
        .on('close', disconnected);
      connected();
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = portOf(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
