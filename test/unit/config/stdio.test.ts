import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LoadConfigOptions, loadConfig } from '../../../src/config/load.ts';
import { KeylaneError } from '../../../src/errors.ts';

let home: string;
let project: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keylane-config-'));
  project = join(home, 'project');
  mkdirSync(join(home, '.config', 'keylane'), { recursive: true });
  mkdirSync(project);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const folder = () => join(home, '.config', 'keylane');
const inProject = (text: string) => writeFileSync(join(project, 'keylane.yaml'), text);
const ofUser = (text: string) => writeFileSync(join(folder(), 'keylane.yaml'), text);
const load = ({ env, ...options }: LoadConfigOptions = {}) =>
  loadConfig({ cwd: project, env: { HOME: home, ...env }, ...options });

async function problem(options?: LoadConfigOptions): Promise<string> {
  const error = await load(options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KeylaneError);
  expect((error as KeylaneError).code).toBe('ERR_CONFIG');
  return (error as Error).message.replaceAll(home, '');
}

const SERVERS = `stdio:
  servers:
    memory:
      command: node
      args: [server.js, --token, canary-1, "postgres://u:canary-2@h/db"]
      env:
        MEMORY_KEY: env:MEMORY_KEY
        CERT: file:tls/cert.pem
        UNSUSPECTED: canary-3
    local: { command: bin/serve, cwd: work }
    tilde: { command: ~/serve, cwd: / }
`;

test("servers of the user's own file are taken, with paths as that file means them", async () => {
  ofUser(SERVERS);
  const { engine } = await load();
  expect(engine.stdio?.servers).toMatchObject({
    memory: {
      command: 'node',
      args: ['server.js', '--token', 'canary-1', 'postgres://u:canary-2@h/db'],
      cwd: folder(),
      env: { MEMORY_KEY: 'env:MEMORY_KEY', CERT: `file:${folder()}/tls/cert.pem`, UNSUSPECTED: 'canary-3' },
    },
    local: { command: join(folder(), 'bin/serve'), cwd: join(folder(), 'work') },
    tilde: { command: join(home, 'serve'), cwd: '/' },
  });
});

test('they are not taken from a file that was only found, not even to add to one of the user', async () => {
  inProject(SERVERS);
  expect(await problem()).toMatch(
    /^\/project\/keylane\.yaml:\d: stdio\.servers: would start commands, and this file was only found; write it in your own/,
  );
  ofUser(SERVERS);
  inProject('stdio: { servers: { memory: { command: node, env: { NODE_OPTIONS: --require=/evil } } } }');
  expect(await problem()).toContain('/project/keylane.yaml:1: stdio.servers: would start commands');
  // Whoever names it means it.
  inProject(SERVERS);
  expect(Object.keys((await load({ file: 'keylane.yaml' })).engine.stdio?.servers ?? {})).toHaveLength(3);
});

test.runIf(process.getuid?.() === 0)('they are not taken from a file of another user, named or not', async () => {
  inProject(SERVERS);
  chownSync(join(project, 'keylane.yaml'), 12_345, 12_345);
  expect(await problem({ file: 'keylane.yaml' })).toMatch(
    /^\/project\/keylane\.yaml:\d: stdio\.servers: would start commands, and the file belongs to another user/,
  );
});

test('a variable can say more of a server that it names whole, and no other file is meant', async () => {
  ofUser(SERVERS);
  const env = { KEYLANE_STDIO__SERVERS__MEMORY: '{"command":"other","cwd":"/srv"}' };
  expect((await load({ env })).engine.stdio?.servers?.memory).toMatchObject({ command: 'other', cwd: '/srv' });
});

test('what may be secret of a server is masked, whatever its name', async () => {
  ofUser(SERVERS);
  const entries = (await load()).entries().map(({ path, value }) => [path, value]);
  expect(JSON.stringify(entries)).not.toContain('canary');
  expect(Object.fromEntries(entries)).toMatchObject({
    'stdio.servers.memory.command': 'node',
    'stdio.servers.memory.args': ['server.js', '--token', '****', 'postgres://u:****@h/db'],
    'stdio.servers.memory.env.MEMORY_KEY': 'env:MEMORY_KEY',
    'stdio.servers.memory.env.UNSUSPECTED': '****',
  });
});

test.each([
  ['a name with a space', 'stdio: { servers: { a b: { command: x } } }', ':1: stdio.servers.a b: a name of letters'],
  ['no command', 'stdio: { servers: { a: { args: [x] } } }', ':1: stdio.servers.a.command: expected a string; it is'],
  [
    'a command line',
    'stdio: { servers: { a: { command: [x, y] } } }',
    ':1: stdio.servers.a.command: expected a string',
  ],
  [
    'a slip',
    'stdio:\n  servers:\n    a:\n      command: x\n      arg: []',
    ':5: stdio.servers.a.arg: unknown field; did',
  ],
  ['a shell', 'stdio: { servers: { a: { command: x, shell: true } } }', ':1: stdio.servers.a.shell: unknown field'],
  [
    'a framing',
    'stdio: { servers: { a: { command: x, framing: sse } } }',
    ':1: stdio.servers.a.framing: expected one of',
  ],
  [
    'a handshake',
    'stdio: { servers: { a: { command: x, initialize: lsp } } }',
    ':1: stdio.servers.a.initialize: expect',
  ],
  [
    'a time',
    'stdio: { servers: { a: { command: x, idleMs: 5m } } }',
    ':1: stdio.servers.a.idleMs: expected a number; got',
  ],
  [
    'no servers',
    'stdio: { server: { a: { command: x } } }',
    ':1: stdio.server: unknown field; did you mean `servers`?',
  ],
])('%s is refused with file, line, path and what was expected', async (_, text, said) => {
  ofUser(text);
  expect(await problem()).toContain(`/.config/keylane/keylane.yaml${said}`);
});

test('a secret of a server is told in no error', async () => {
  for (const text of [
    'stdio: { servers: { a: { command: x, env: { A: ["canary-1"] } } } }',
    'stdio: { servers: { a: { command: x, env: "canary-1" } } }',
    'stdio: { servers: { a: { command: x, args: "--token canary-1" } } }',
    'stdio: { servers: { a: { command: x, args: ["canary-1\\0"] } } }',
  ]) {
    ofUser(text);
    expect(await problem()).not.toContain('canary-1');
  }
});
