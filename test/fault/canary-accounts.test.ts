import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canary, foundIn } from '../support/canaries.js';
import { portOf } from '../support/ports.js';
import { descendants } from '../support/process-tree.js';
import { type Sshd, startSshd } from '../support/sshd.js';

/** PROMISES X2: at rest there are references, never secrets. Each is a word that nothing else in the world has. */
const SECRETS = {
  password: canary(),
  clientSecret: canary(),
  refreshToken: canary(),
  rotated: canary(),
  command: canary(),
  accessToken: canary(),
  answer: canary(),
  inline: canary(),
};
const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../support/programs/canary-accounts.mjs', import.meta.url));

let dir: string;
let dataDir: string;
let sshd: Sshd;
let server: Server;
/** What the token server was sent. */
let sent = '';
/** What can be seen of the processes while they run, and what they say. */
const seen: Record<string, string> = { arguments: '', output: '' };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-canary-accounts-'));
  dataDir = join(dir, 'data');
  sshd = await startSshd({ addresses: ['127.71.1.1', '127.71.1.2'], config: ['PasswordAuthentication yes'] });
  server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (data: string) => {
      sent += data;
    });
    request.once('end', () => {
      const [status, body] = ANSWERS[request.url ?? ''] ?? [404, {}];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  writeFileSync(join(dir, 'refresh'), `${SECRETS.refreshToken}\n`, { mode: 0o600 });
  writeFileSync(join(dir, 'command'), `${SECRETS.command}\n`, { mode: 0o600 });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await sshd.stop();
  rmSync(dir, { recursive: true, force: true });
});

const token = { access_token: SECRETS.accessToken, token_type: 'bearer', expires_in: 3600 };
const ANSWERS: Readonly<Record<string, [number, object]>> = {
  '/good': [200, token],
  '/rotates': [200, { ...token, refresh_token: SECRETS.rotated }],
  // Servers like to repeat what they were sent.
  '/refuses': [400, { error: 'invalid_client', error_description: `${SECRETS.clientSecret} ${SECRETS.answer}` }],
  '/breaks': [500, { message: SECRETS.answer, secret: SECRETS.clientSecret }],
};

test('after adding, importing, verifying and failing no secret is in the data directory, the output or an argument (X2)', async () => {
  const url = (path: string) => `http://127.0.0.1:${portOf(server)}${path}`;
  const mail = (name: string, path: string, oauth: object = {}) => ({
    name,
    driver: 'smtp',
    endpoint: { host: 'mx.example' },
    oauth: {
      grant: 'client_credentials',
      tokenUrl: url(path),
      clientId: name,
      clientSecret: 'env:CANARY_CLIENT',
      ...oauth,
    },
  });
  const refresh = { grant: 'refresh_token', refreshToken: `file:${join(dir, 'refresh')}` };
  const web = (name: string, host: string, password: string) => ({
    name,
    driver: 'ssh',
    endpoint: { host, port: sshd.port, knownHosts: sshd.knownHosts },
    user: sshd.user,
    identity: join(dir, 'no-key'),
    secrets: { password },
  });
  const inline = { password: SECRETS.inline };

  const add = ['add', 'cli', '--host', '127.71.1.1', '-p', String(sshd.port), '-l', sshd.user];
  const cli = (...args: string[]) => keylane(['accounts', ...args, '--data-dir', dataDir]);
  expect(await cli(...add, '--password', 'env:CANARY_PASSWORD', '--known-hosts', sshd.knownHosts)).toBe(0);
  for (const [name, text, status] of [
    ['clear.csv', `name,driver,host,password\nclear,ssh,h,${SECRETS.inline}\n`, 2],
    ['shifted.csv', `name,driver,host,port,user\nclear,ssh,h,${SECRETS.inline},\nb,ssh,${SECRETS.inline} ,,\n`, 2],
    ['headless.csv', `${SECRETS.inline},ssh,h\n`, 2],
    ['long.csv', `name,driver,host\na,ssh,h,${SECRETS.inline}\n`, 2],
    ['torn.json', `[{"name":"a","driver":"ssh","secrets":{"password":"${SECRETS.inline}"`, 2],
    ['clear.json', JSON.stringify([{ ...web('clear', 'h', 'env:A'), secrets: inline }]), 2],
    ['mixed.ndjson', `${JSON.stringify(mail('good', '/good'))}\n{"name":"b","password":"${SECRETS.inline}"}\n`, 1],
  ] as const) {
    writeFileSync(join(dir, name), text);
    const skip = status === 1 ? ['--skip-bad'] : [];
    expect([name, await cli('import', ...skip, join(dir, name))]).toEqual([name, status]);
  }
  const input = {
    dataDir,
    tries: [
      { what: 'add', args: [{ ...web('x', 'h', 'env:A'), secrets: inline }] },
      { what: 'add', args: [{ ...web('x', 'h', 'env:A'), pasword: SECRETS.inline }] },
      { what: 'add', args: [mail('x', '/good', { clientSecret: SECRETS.inline })] },
      { what: 'add', args: [mail('x', '/good', { tokenUrl: `https://u:${SECRETS.inline}@h/` })] },
      { what: 'add', args: [{ ...web('x', 'h', 'env:A'), endpoint: { host: 'h', jump: `u:${SECRETS.inline}@j` } }] },
      { what: 'import', args: [[mail('refuses', '/refuses'), mail('breaks', '/breaks')]] },
      {
        what: 'import',
        args: [[mail('rotates', '/rotates', refresh), mail('none', '/good', { clientSecret: 'env:NO' })]],
      },
      { what: 'add', args: [web('refused', '127.71.1.2', `cmd:cat '${join(dir, 'command')}'`)] },
      { what: 'set', args: ['refused', { secrets: { passphrase: SECRETS.inline } }] },
      { what: 'verify', args: [] },
      { what: 'list', args: [] },
    ],
    request: { account: 'refused', command: 'true' },
  };
  expect(await start([PROGRAM], JSON.stringify(input))).toBe(0);
  expect(await cli('verify', '-F', 'none', '--format', 'json')).toBe(1);

  // They were there to be found: the servers got them, and what is told is told.
  for (const secret of [SECRETS.clientSecret, SECRETS.refreshToken]) expect(sent).toContain(secret);
  expect(readFileSync(join(dir, 'refresh'), 'utf8')).toBe(`${SECRETS.rotated}\n`);
  await expect.poll(() => sshd.log(), { timeout: 10_000 }).toContain('Failed password');
  for (const word of ['ERR_AUTH', 'ERR_INPUT', 'ERR_TOKEN', 'expected a reference', 'ended'])
    expect(seen.output).toContain(word);
  expect(seen.arguments).toContain('canary-accounts.mjs');
  const stored = contents(dataDir);
  expect(Object.keys(stored).length).toBeGreaterThan(3);
  expect(Object.values(stored).join('')).toContain('env:CANARY_PASSWORD');

  expect(foundIn(SECRETS, { ...seen, ...stored })).toEqual([]);
  expect(open(dataDir)).toEqual([]);
}, 120_000);

test('the search finds what is put there', () => {
  const file = join(dir, 'put');
  writeFileSync(file, Buffer.concat([Buffer.from([0, 255, 7]), Buffer.from(`x${SECRETS.rotated}`)]));
  expect(foundIn(SECRETS, { file: readFileSync(file, 'latin1') })).toEqual(['rotated in file']);
  chmodSync(file, 0o640);
  expect(open(dir)).toContain('put 640');
});

const keylane = (args: string[]) => start([MAIN, ...args]);

/** Runs Node under umask 000 and resolves with its status; notes all that can be seen of it meanwhile. */
async function start(args: string[], input = ''): Promise<number | null> {
  const child: ChildProcess = spawn(
    '/bin/sh',
    ['-c', 'umask 000; exec "$0" --trace-warnings "$@"', process.execPath, ...args],
    {
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        NODE_DEBUG: 'net,worker,dns,fs,http',
        CANARY_PASSWORD: SECRETS.password,
        CANARY_CLIENT: SECRETS.clientSecret,
      },
    },
  );
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      seen.output += text;
      for (const pid of descendants(process.pid)) seen.arguments += `${readOr(`/proc/${pid}/cmdline`)}\n`;
    });
  }
  child.stdin?.end(input);
  const [status] = await once(child, 'close');
  return status as number | null;
}

/** Every file below, its name too, byte for byte. */
function contents(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return Object.fromEntries(names.map((name) => [name, `${name}\n${readOr(join(folder, name))}`]));
}

/** What others than the owner may open, below and the folder itself. */
function open(folder: string): string[] {
  return ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })].flatMap((name) => {
    const stat = statSync(join(folder, name));
    const mode = stat.mode & 0o777;
    return mode === (stat.isDirectory() ? 0o700 : 0o600) ? [] : [`${name} ${mode.toString(8)}`];
  });
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
