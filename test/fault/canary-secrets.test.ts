import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../e2e/exec-cli.js';
import { canary, formsOf } from '../support/canaries.js';
import { CRASH } from '../support/drivers/own.js';
import { freePort } from '../support/ports.js';
import { descendants } from '../support/process-tree.js';
import { type FaultProxy, startProxy } from '../support/proxy.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

/** PROMISES X1: no secret in any output, whatever goes wrong. Each is a word that nothing else in the world has. */
const SECRETS = {
  password: canary(),
  filePassword: canary(),
  passphrase: canary(),
  sudo: canary(),
  env: canary(),
  stdin: canary(),
  inline: canary(),
};

/** Notes what it and all processes around it were given, then asks as sudo does, and refuses. */
const SUDO = `#!/bin/sh
prompt=; while [ $# -gt 0 ]; do case $1 in -p) prompt=$2; shift ;; --) break ;; esac; shift; done
printf %s "$prompt" >&2; IFS= read -r line; printf %s "$line" >>"\${0%/*}/told"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >>"\${0%/*}/ps"
echo 'Sorry, try again.' >&2; echo 'sudo: 1 incorrect password attempt' >&2; exit 1
`;
/** In front of the real one: notes what it was given. */
const SSH = (log: string) => `#!/bin/sh
{ tr '\\0' ' ' </proc/$$/cmdline; echo; tr '\\0' '\\n' </proc/$$/environ; } >>'${log}'
exec /usr/bin/ssh "$@"
`;

let dir: string;
let sshd: Sshd;
let hostile: ChildProcess;
let hostilePort: number;
let mute: FaultProxy;
/** Each host is for one scenario: two refused log-ins, and a host is let alone. */
let hosts: string[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-canary-'));
  for (const folder of ['tmp', 'bin', 'remote']) mkdirSync(join(dir, folder));
  chmodSync(dir, 0o755);
  hosts = Array.from({ length: 14 }, (_, i) => `127.71.0.${i + 1}`);
  sshd = await startSshd({
    addresses: hosts,
    config: ['PasswordAuthentication yes', 'PermitUserEnvironment yes', 'AcceptEnv CANARY_TAKEN'],
  });
  const keys = join(sshd.dir, 'authorized_keys');
  chmodSync(join(dir, 'remote'), 0o777);
  writeFileSync(keys, `environment="PATH=${join(dir, 'remote')}:/usr/bin:/bin" ${readFileSync(keys, 'utf8')}`);
  writeFileSync(join(dir, 'remote', 'sudo'), SUDO, { mode: 0o755 });
  writeFileSync(join(dir, 'bin', 'ssh'), SSH(join(dir, 'ssh-seen')), { mode: 0o755 });
  writeFileSync(join(dir, 'password'), `${SECRETS.filePassword}\n`, { mode: 0o600 });
  const other = newKey(join(dir, 'other'));
  writeFileSync(join(dir, 'changed'), hosts.map((at) => `[${at}]:${sshd.port} ${other}\n`).join(''));
  newKey(join(dir, 'stranger'));
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', randomUUID(), '-f', join(dir, 'locked')]);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', SECRETS.passphrase, '-f', join(dir, 'opened')]);
  mute = await startProxy({ to: { host: '127.0.0.1', port: 1 }, fault: { accept: 'mute' } });
  const program = fileURLToPath(new URL('../support/programs/hostile-server.mjs', import.meta.url));
  const hostKey = readFileSync(join(dir, 'stranger'), 'utf8');
  hostile = fork(program, { execArgv: [], env: { ...process.env, HOST_KEY: hostKey } });
  hostilePort = await new Promise((resolve) => {
    hostile.on('message', ({ port }: { port?: number }) => port !== undefined && resolve(port));
  });
});
afterAll(async () => {
  hostile.kill('SIGKILL');
  await Promise.all([sshd.stop(), mute.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

test('the search finds a secret in whatever form it is printed', () => {
  const { stdin } = SECRETS;
  const bytes = Buffer.from(`xx${stdin}yy`);
  for (const text of [
    `says ${stdin}.`,
    bytes.toString('base64'),
    bytes.subarray(1).toString('base64url'),
    bytes.toString('hex').toUpperCase(),
    JSON.stringify(bytes),
    `<Buffer ${bytes.toString('hex').replace(/../g, '$& ')}>`,
  ])
    expect(found({ text })).toEqual(['stdin in text']);
});

test('no secret is in any error, event, log line, argument, environment or file, whatever goes wrong (X1)', async () => {
  const { ended, text } = await runScenarios();
  expect(ended).toMatchObject(expectedEnds());
  // They were there to be found: the host got them.
  expect(ended.taken).toBe(`ok ${sha256(SECRETS.env)} ${sha256(SECRETS.stdin)}`);
  expect(ended['taken, openssh']).toBe(`ok ${sha256(SECRETS.env)} ${sha256(SECRETS.stdin)}`);
  expect(readFileSync(join(dir, 'remote', 'told'), 'utf8')).toBe(SECRETS.sudo);
  expect(found(text)).toEqual([]);
  expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
});

test('the command line tells no secret either (X1)', async () => {
  process.env.CANARY_PASSWORD = SECRETS.password;
  process.env.CANARY_PASSPHRASE = SECRETS.passphrase;
  const host = hosts[12] as string;
  const login = ['-p', String(sshd.port), '-l', sshd.user, '--known-hosts', sshd.knownHosts, '-F', 'none'];
  const refused = [...login, '--password', 'env:CANARY_PASSWORD', '-i', join(dir, 'stranger')];
  const locked = [...login, '--passphrase', 'env:CANARY_PASSPHRASE', '-i', join(dir, 'locked')];
  const file = ['--password', `file:${join(dir, 'password')}`];
  const lines = await Promise.all([
    run(['exec', '--format', 'ndjson', ...refused, host, '--', 'true']),
    run(['exec', ...locked, ...file, hosts[13] as string, '--', 'true']),
    run(['exec', ...login, '--password', SECRETS.inline, host, '--', 'true']),
    run(['doctor', '--json', ...locked, ...file, host]),
  ]);
  expect(lines.map(({ status }) => status)).toEqual([3, 3, 2, expect.any(Number)]);
  expect(lines.map(({ out, err }) => out + err).join('')).toContain('ERR_AUTH');
  expect(found({ output: lines.map(({ out, err }) => out + err).join('\n') })).toEqual([]);
});

/** A request with everything secret in it that a request can have. */
function secretly(host: string, other: object = {}): object {
  const { port, user, identity, knownHosts } = sshd;
  const login = { host, port, user, identity, knownHosts, agent: 'none' };
  const secrets = { password: 'env:CANARY_PASSWORD', passphrase: 'env:CANARY_PASSPHRASE', stdin: SECRETS.stdin };
  return { ...login, ...secrets, env: { CANARY_TAKEN: SECRETS.env }, command: 'cat >/dev/null', ...other };
}

interface Scenario {
  name: string;
  ends: string | RegExp;
  request?: object;
  options?: object;
  [other: string]: unknown;
}

const TAKEN = 'h() { sha256sum | cut -c1-64; }; printf %s "$CANARY_TAKEN" | h; h';

function scenarios(): Scenario[] {
  const at = (index: number) => hosts[index] as string;
  const to = (index: number, other: object = {}) => secretly(at(index), other);
  const openssh = { transport: 'openssh' };
  const [stranger, locked, opened] = ['stranger', 'locked', 'opened'].map((name) => join(dir, name));
  const filePassword = { password: `file:${join(dir, 'password')}` };
  const changed = { knownHosts: join(dir, 'changed') };
  const bad = (user: string, other: object = {}) =>
    secretly('127.0.0.1', {
      port: hostilePort,
      user,
      hostKeys: 'insecure',
      knownHosts: '/dev/null',
      env: {},
      ...other,
    });
  const both = (name: string, ends: Scenario['ends'], index: number, other: object, more: object = {}): Scenario[] => [
    { name, ends, request: to(index, other), ...more },
    { name: `${name}, openssh`, ends, request: to(index + 1, { ...other, ...openssh }), ...more },
  ];
  const sudo = { user: 'root', password: 'env:CANARY_SUDO' };
  return [
    { name: 'an option that is not there', ends: 'ERR_CONFIG', options: { ssh: { pasword: SECRETS.inline } } },
    { name: 'a password for a reference', ends: 'ERR_CONFIG', options: { ssh: { password: SECRETS.inline } } },
    { name: 'a field that is not there', ends: 'ERR_INPUT', request: to(0, { pasword: SECRETS.inline }) },
    { name: 'an inline password', ends: 'ERR_INPUT', request: to(0, { password: SECRETS.inline }) },
    { name: 'an inline passphrase', ends: 'ERR_INPUT', request: to(0, { passphrase: SECRETS.inline }), kind: 'batch' },
    { name: 'an inline sudo password', ends: 'ERR_INPUT', request: to(0, { sudo: { password: SECRETS.inline } }) },
    { name: 'a bad variable', ends: 'ERR_INPUT', request: to(0, { env: { 'A B': SECRETS.inline } }) },
    { name: 'a bad value', ends: 'ERR_INPUT', request: to(0, { env: { A: [SECRETS.inline] } }) },
    { name: 'a bad stdin', ends: 'ERR_INPUT', request: to(0, { stdin: { text: SECRETS.inline } }) },
    { name: 'a password in a jump', ends: 'ERR_', request: to(0, { jump: `me:${SECRETS.inline}@${at(0)}` }) },
    {
      name: 'a key for its path',
      ends: 'ERR_INPUT',
      request: to(0, { identity: readFileSync(stranger as string, 'utf8') }),
    },
    { name: 'no such secret', ends: 'ERR_INPUT', request: to(0, { identity: stranger, password: 'env:CANARY_NONE' }) },
    // Before the first `ssh` is started, which gets no variable that is known to hold a secret.
    { name: 'sudo', ends: 'ERR_SUDO', request: to(0, { sudo, stdin: undefined, command: 'true' }) },
    ...both('taken', 'ok', 0, { command: TAKEN }),
    ...both('refused', 'ERR_AUTH not_started', 2, { identity: stranger, ...filePassword }, { kind: 'batch' }),
    ...both('wrong passphrase', 'ERR_', 4, { identity: locked }),
    { name: 'refused with a key that opens', ends: 'ERR_AUTH', request: to(6, { identity: opened }), kind: 'prewarm' },
    ...both('changed host key', 'ERR_HOST_KEY not_started', 7, changed),
    ...both('cut', /^ERR_CONNECTION_LOST unknown$/, 9, { command: 'kill -9 $PPID; sleep 9' }),
    { name: 'cut stream', ends: 'ERR_CONNECTION_LOST', request: to(0, { command: 'kill -9 $PPID' }), kind: 'stream' },
    { name: 'refused variable', ends: 'ERR_', request: to(0, { env: { CANARY_NOT: SECRETS.env } }) },
    { name: 'nobody listens', ends: 'ERR_CONNECT', request: secretly('127.0.0.1', { port: closedPort }) },
    { name: 'and again', ends: 'ERR_BREAKER_OPEN', request: secretly('127.0.0.1', { port: closedPort }) },
    { name: 'mute', ends: 'ERR_TIMEOUT', request: secretly('127.0.0.1', { port: mute.port }), how: { timeoutMs: 400 } },
    ...both('cancel', 'ERR_CANCELED canceled', 0, { command: 'sleep 9' }, { abortMs: 600 }),
    { name: 'deadline', ends: 'ERR_TIMEOUT', request: to(0, { command: 'sleep 9' }), how: { timeoutMs: 300 } },
    { name: 'silence', ends: 'ERR_TIMEOUT', request: to(0, { command: 'sleep 9', silenceMs: 200 }) },
    ...['banners', 'prompts', 'good-bye'].map((user) => ({
      name: `hostile: ${user}`,
      ends: 'ERR_',
      request: bad(user),
      how: { timeoutMs: 1_000 },
    })),
    { name: 'crowd', ends: '', request: to(11, { command: 'sleep 9' }), kind: 'crowd', how: { timeoutMs: 1_000 } },
    {
      name: 'killed shard',
      ends: 'ERR_SHARD_DIED unknown',
      request: to(0, { command: 'sleep 9' }),
      kind: 'beside',
      beside: { driver: 'crash', request: { key: 'k', id: 1, witness: '/dev/null', die: 'throw' } },
    },
  ];
}

let closedPort = 0;

function expectedEnds(): Record<string, unknown> {
  return Object.fromEntries(scenarios().map(({ name, ends }) => [name, expect.stringMatching(ends)]));
}

/** Runs them all in a process of its own, as verbose as Node can be, and gathers what can be seen of it meanwhile. */
async function runScenarios(): Promise<{ ended: Record<string, string>; text: Record<string, string> }> {
  closedPort = await freePort(['127.0.0.1']);
  const program = fileURLToPath(new URL('../support/programs/canary-secrets.mjs', import.meta.url));
  const child = spawn(process.execPath, ['--trace-warnings', program], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    // child_process: what every process that is started gets, its environment too.
    env: {
      PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
      HOME: join(dir, 'tmp'),
      TMPDIR: join(dir, 'tmp'),
      NODE_DEBUG: 'child_process,net,worker,dns,fs',
    },
  });
  const text: Record<string, string> = { stdout: '', stderr: '', ends: '', processes: '' };
  const names = ['stdout', 'stderr', 'ends'];
  for (const [i, stream] of [child.stdout, child.stderr, child.stdio[3]].entries()) {
    const name = names[i] as string;
    (stream as NodeJS.ReadableStream).setEncoding('utf8').on('data', (data: string) => {
      text[name] += data;
      // Every time it says something: what runs below it now.
      if (name !== 'stderr') text.processes += processesOf(child.pid as number);
    });
  }
  const env = {
    CANARY_PASSWORD: SECRETS.password,
    CANARY_PASSPHRASE: SECRETS.passphrase,
    CANARY_SUDO: SECRETS.sudo,
  };
  const list = scenarios().map(({ ends: _, ...scenario }) => scenario);
  child.stdin.end(JSON.stringify({ env, ssh: {}, drivers: [CRASH.href], scenarios: list }));
  const status = await new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  if (status !== 0) throw new Error(`the program ended with ${status}:\n${text.stdout?.slice(-2_000)}`);
  const ended: Record<string, string> = {};
  for (const line of text.ends?.trim().split('\n') ?? []) {
    const { name, ended: how, stdout } = JSON.parse(line) as { name: string; ended: string; stdout?: string };
    ended[name] = stdout ? `${how} ${stdout.trim().replace(/\s+/g, ' ')}` : how;
  }
  text.ssh = readFileSync(join(dir, 'ssh-seen'), 'utf8');
  text.remote = readFileSync(join(dir, 'remote', 'ps'), 'utf8');
  text.files = filesBelow(join(dir, 'tmp'));
  return { ended, text };
}

/** Arguments and environments of all processes below one. */
function processesOf(root: number): string {
  return descendants(root)
    .flatMap((pid) => ['cmdline', 'environ'].map((file) => readOr(`/proc/${pid}/${file}`)))
    .join('\n');
}

function filesBelow(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.map((file) => `${file}\n${readOr(join(folder, file))}`).join('\n');
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Which secrets are where, in any form that a log could have them in. Key files count by their lines. */
function found(texts: Record<string, string>): string[] {
  const keys = ['stranger', 'locked', 'opened'].flatMap((name) =>
    readFileSync(join(dir, name), 'utf8')
      .trim()
      .split('\n')
      .slice(1, -1)
      .map((line, i) => [`${name}:${i + 1}`, line]),
  );
  // The first line of a key file is the same in all of them.
  const secrets = [...Object.entries(SECRETS), ...keys.filter(([name]) => !name?.endsWith(':1'))] as [string, string][];
  return Object.entries(texts).flatMap(([where, text]) => {
    const lower = text.toLowerCase();
    return secrets
      .filter(([, secret]) => formsOf(secret).some((form) => text.includes(form) || lower.includes(form)))
      .map(([name]) => `${name} in ${where}`);
  });
}
