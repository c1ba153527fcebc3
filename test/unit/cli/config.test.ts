import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { program } from '../../../src/cli/program.ts';
import { FakeIo, runExec } from './fake-exec.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-cli-config-'));
  file = join(dir, 'keylane.yaml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function run(args: string[], env: Record<string, string> = {}) {
  const io = new FakeIo();
  Object.assign(io.env, { KEYLANE_CONFIG: file, HOME: dir, ...env });
  const status = await program(['config', ...args], io);
  return { status, out: io.out.replaceAll(dir, ''), err: io.err.replaceAll(dir, '') };
}

test('config show prints each value that was said, and where', async () => {
  writeFileSync(
    file,
    'shards: 2\nssh:\n  user: deploy\n  password: env:PW\ngroups:\n  db: {hosts: "db-[1-3]", limit: 1}\n',
  );
  const { status, out, err } = await run(['show'], { KEYLANE_MAX_QUEUED: '9' });
  expect(out.replaceAll(/ +#/g, ' #')).toBe(
    `shards: 2 # /keylane.yaml:1
maxQueued: 9 # KEYLANE_MAX_QUEUED
ssh.user: deploy # /keylane.yaml:3
ssh.password: env:PW # /keylane.yaml:4
groups.db.hosts: "db-[1-3]" # /keylane.yaml:6
groups.db.limit: 1 # /keylane.yaml:6
`,
  );
  expect({ status, err }).toEqual({ status: 0, err: '' });
});

test('config show --all prints the defaults too, --format json one array', async () => {
  writeFileSync(file, 'shards: 2');
  expect((await run(['show', '--all'])).out).toMatch(/^limits\.idleMs: 300000 +# default$/m);
  const entries = JSON.parse((await run(['show', '--format', 'json'])).out) as unknown;
  expect(entries).toEqual([{ path: 'shards', value: 2, origin: { from: 'file', file: '/keylane.yaml', line: 1 } }]);
  writeFileSync(file, '');
  expect((await run(['show'])).out).toBe('nothing but defaults; --all shows them\n');
});

test('config show masks secrets and shows no control characters', async () => {
  writeFileSync(
    file,
    'inventories:\n  - command: [az, --token, canary-1]\ngroups:\n  db: {hosts: "db", labels: ["a\\u001b[2Jb"]}\n',
  );
  const { out } = await run(['show']);
  expect(out).toContain('["az","--token","****"]');
  expect(out).not.toContain('canary');
  expect(out).not.toContain('\u001b');
});

test('config check says all that is wrong with file and line, and ends with 2', async () => {
  writeFileSync(file, 'shards: 2\n');
  expect(await run(['check'])).toEqual({ status: 0, out: 'valid: /keylane.yaml; 0 groups\n', err: '' });
  writeFileSync(file, 'shard: 2\nssh:\n  password: canary-1\n');
  const { status, out, err } = await run(['check']);
  expect(err).toContain(
    '/keylane.yaml:1: shard: unknown field; did you mean `shards`?\n/keylane.yaml:3: ssh.password: expected',
  );
  expect(err).not.toContain('canary');
  expect({ status, out }).toEqual({ status: 2, out: '' });
});

test('config check reads the inventories that are files, and runs no command', async () => {
  writeFileSync(join(dir, 'hosts'), 'web-1\nweb-[2\n');
  writeFileSync(file, 'inventories:\n  - {file: hosts, format: list}\n');
  const bad = await run(['check']);
  expect(bad.err).toContain('/hosts:2: ');
  expect(bad.status).toBe(2);
  writeFileSync(join(dir, 'hosts'), 'web-1\n');
  const ran = join(dir, 'ran');
  writeFileSync(
    file,
    `allowCommands: true\ninventories:\n  - {file: hosts, format: list}\n  - command: [touch, ${ran}]\n`,
  );
  expect((await run(['check'])).out).toBe(
    'valid: /keylane.yaml; 0 groups; 1 inventory file; 1 inventory command not run\n',
  );
  expect(existsSync(ran)).toBe(false);
});

test('config path prints what is looked for', async () => {
  mkdirSync(join(dir, '.config', 'keylane'), { recursive: true });
  expect((await run(['path'])).out).toBe('/keylane.yaml  (named, not there)\n');
  expect((await run(['path'], { KEYLANE_CONFIG: '' })).out).toBe('/.config/keylane/keylane.yaml  (user, not there)\n');
  writeFileSync(join(dir, '.config', 'keylane', 'keylane.yaml'), '');
  expect((await run(['path'], { KEYLANE_CONFIG: '' })).out).toBe('/.config/keylane/keylane.yaml  (user)\n');
  expect((await run(['path', '--config', 'none'])).out).toBe('');
  const json = JSON.parse((await run(['path', '--format', 'json'])).out) as unknown;
  expect(json).toEqual([{ kind: 'named', file: '/keylane.yaml', found: false }]);
});

test.each([
  [['show', '--format', 'xml'], '--format "xml"'],
  [['shwo'], "unknown command 'shwo'"],
  [['check', '--config', '/nowhere.yaml'], '/nowhere.yaml: cannot be read: ENOENT'],
  [['show', '--config'], 'argument missing'],
])('config %j is refused with status 2', async (args, says) => {
  const { status, err, out } = await run(args);
  expect(err).toContain(says);
  expect({ status, out }).toEqual({ status: 2, out: '' });
});

test('exec takes the options of the configuration, and flags before them', async () => {
  writeFileSync(
    file,
    'shards: 2\nmaxInFlight: 9000\nlimits: {idleMs: 5, connectTimeoutMs: 7}\nssh: {user: conf, port: 1, transport: ssh2, config: false, maxOutputBytes: 5}\n',
  );
  const plain = await runExec(['--config', file, 'web-1']);
  expect(plain.engineOptions).toMatchObject({
    shards: 2,
    maxInFlight: 9_000,
    limits: { idleMs: 5, connectTimeoutMs: 7 },
    // Live output is not gathered, whatever is configured.
    ssh: { user: 'conf', port: 1, transport: 'ssh2', config: false, maxOutputBytes: 0 },
  });
  const flags = ['-l', 'flag', '--shards', '3', '--transport', 'auto', '--connect-timeout', '1s', '--ordered'];
  const flagged = await runExec(['--config', file, ...flags, 'web-1']);
  expect(flagged.engineOptions).toMatchObject({
    shards: 3,
    limits: { idleMs: 5, connectTimeoutMs: 1_000 },
    ssh: { user: 'flag', port: 1, transport: 'auto', connectTimeoutMs: 1_000, maxOutputBytes: 5 },
  });
});

test('exec without a configuration reads ssh_config, as ever', async () => {
  const { engineOptions } = await runExec(['web-1']);
  expect(engineOptions).toMatchObject({ maxInFlight: 4_096, ssh: { config: true, transport: 'auto' } });
});

test('exec refuses a configuration that is not valid before anything is started', async () => {
  writeFileSync(file, 'shards: many');
  await expect(runExec(['--config', file, 'web-1'])).rejects.toMatchObject({
    name: 'UsageError',
    message: `${file}:1: shards: expected a number; got "many"`,
  });
  writeFileSync(file, 'ssh: {hostKeys: ask}');
  await expect(runExec(['--config', file, 'web-1'])).rejects.toThrow('there is no terminal to ask on');
});
