import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.js';
import type { SshRequest } from '../../src/types.js';
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

test('what the look-up rejects with goes to the caller', async () => {
  const lookup = () => Promise.reject(new KeylaneError('ERR_DNS', 'no such name'));
  expect(await rejection(ssh.open(at({ host: 'nowhere' }), { lookup }))).toMatchObject({
    code: 'ERR_DNS',
    message: 'no such name',
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
  expect(error).toMatchObject({ code: 'ERR_INPUT', message: expect.stringContaining('env:PHRASE') });
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
    expect(error.message).toMatch(/agent-0, agent key agent-1.*agent-4;.*2 of the agent's 7 keys/);
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

test('an unknown host is refused with the command that adds it, and that command does', async () => {
  const knownHosts = join(dir, 'empty');
  writeFileSync(knownHosts, '');
  const error = await rejection(ssh.open(at({ knownHosts })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
  expect(error.message).toContain(fingerprintOf(sshd.hostKeyPublic));
  const [command] = /ssh-keyscan .*?'(?= )/.exec(error.message) ?? [];
  execFileSync('sh', ['-c', command as string], { stdio: 'ignore' });
  await ssh.open(at({ knownHosts }));
});

test('a missing known_hosts file is said to be missing', async () => {
  const knownHosts = join(dir, 'no-such-file');
  const error = await rejection(ssh.open(at({ knownHosts })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: expect.stringContaining(`there is no ${knownHosts}`) });
});

test('a hashed entry is as good as a plain one', async () => {
  const knownHosts = join(dir, 'hashed');
  copyFileSync(sshd.knownHosts, knownHosts);
  execFileSync('ssh-keygen', ['-H', '-f', knownHosts], { stdio: 'ignore' });
  expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|/);
  await ssh.open(at({ knownHosts }));
});

test.each(['strict', 'accept-new'] as const)(
  'a changed key is refused with file, line and both fingerprints (%s)',
  async (hostKeys) => {
    const other = newKey(join(dir, `host-${hostKeys}`));
    const knownHosts = join(dir, `changed-${hostKeys}`);
    writeFileSync(knownHosts, `# a comment\n[127.0.0.1]:${sshd.port} ${other}\n`);
    const error = await rejection(ssh.open(at({ knownHosts, hostKeys })));
    expect(error).toMatchObject({ code: 'ERR_HOST_KEY', retryable: false });
    for (const part of [`${knownHosts}:2`, fingerprintOf(sshd.hostKeyPublic), fingerprintOf(other)]) {
      expect(error.message).toContain(part);
    }
    await ssh.open(at({ knownHosts, hostKeys: 'insecure' }));
  },
);

test.each(['strict', 'accept-new', 'insecure'] as const)('a revoked key is refused (%s)', async (hostKeys) => {
  const knownHosts = join(dir, `revoked-${hostKeys}`);
  copyFileSync(sshd.knownHosts, knownHosts);
  appendFileSync(knownHosts, `@revoked * ${sshd.hostKeyPublic}\n`);
  const error = await rejection(ssh.open(at({ knownHosts, hostKeys })));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: expect.stringContaining('is revoked by') });
});

test('accept-new writes the key of a new host before the connection is used, once for many connections', async () => {
  const knownHosts = join(dir, 'new');
  const write = ({ file, line }: { file: string; line: string }) => {
    appendFileSync(file, `${line}\n`);
    return null;
  };
  const request = at({ knownHosts, hostKeys: 'accept-new' });
  const opened = await Promise.all(Array.from({ length: 5 }, () => ssh.open(request, { known_hosts: write })));
  expect(readFileSync(knownHosts, 'utf8')).toBe(
    `[127.0.0.1]:${sshd.port} ${sshd.hostKeyPublic.split(' ').slice(0, 2).join(' ')}\n`,
  );
  expect(opened.flatMap(({ context }) => context.asked)).toHaveLength(1);
  await ssh.open(at({ knownHosts }));
});

test('accept-new without a place to write to does not connect', async () => {
  const knownHosts = join(dir, 'unwritable');
  const write = () => Promise.reject(new KeylaneError('ERR_HOST_KEY', 'the disk is full'));
  const error = await rejection(ssh.open(at({ knownHosts, hostKeys: 'accept-new' }), { known_hosts: write }));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', message: 'the disk is full' });
});

test('insecure asks for no file', async () => {
  const { run } = await ssh.open(at({ knownHosts: join(dir, 'no-such-file'), hostKeys: 'insecure' }));
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('a host of which only one type of key is known is asked for that type', async () => {
  const ecdsa = join(dir, 'host_ecdsa');
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', ecdsa]);
  await using both = await startSshd({ config: [`HostKey ${ecdsa}`] });
  const knownHosts = join(dir, 'ecdsa-only');
  writeFileSync(knownHosts, `[127.0.0.1]:${both.port} ${readFileSync(`${ecdsa}.pub`, 'utf8')}`);
  const { close } = await ssh.open({
    host: '127.0.0.1',
    port: both.port,
    user: both.user,
    identity: both.identity,
    knownHosts,
  });
  await close();
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
  expect((await context.nextLoss).message).toContain('no sign of life');
  expect(performance.now() - from).toBeLessThan(2_000);
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

function fingerprintOf(publicKey: string): string {
  return execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: publicKey, encoding: 'utf8' }).split(' ')[1] as string;
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
