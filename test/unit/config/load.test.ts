import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { entriesOf } from '../../../src/config/entries.js';
import { type LoadConfigOptions, loadConfig } from '../../../src/config/load.js';
import { merge } from '../../../src/config/merge.js';
import { KeylaneError } from '../../../src/errors.js';

let root: string;
let home: string;
let project: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'keylane-config-'));
  home = join(root, 'home');
  project = join(home, 'project');
  mkdirSync(join(home, '.config', 'keylane'), { recursive: true });
  mkdirSync(project);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const inProject = (text: string) => writeFileSync(join(project, 'keylane.yaml'), text);
const ofUser = (text: string) => writeFileSync(join(home, '.config', 'keylane', 'keylane.yaml'), text);
const load = ({ env, ...options }: LoadConfigOptions = {}) =>
  loadConfig({ cwd: project, env: { HOME: home, ...env }, ...options });

async function problem(options?: LoadConfigOptions): Promise<string> {
  const error = await load(options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KeylaneError);
  expect((error as KeylaneError).code).toBe('ERR_CONFIG');
  return (error as Error).message.replaceAll(root, '');
}

test('without a file the configuration is the defaults', async () => {
  const config = await load();
  expect(config).toMatchObject({ engine: {}, groups: {}, inventories: [], allowCommands: false, files: [] });
  expect(config.entries().every(({ origin }) => origin.from === 'default')).toBe(true);
  expect(config.entries()).toContainEqual({ path: 'limits.idleMs', value: 300_000, origin: { from: 'default' } });
});

test('defaults weigh less than the project, the user more, variables more than these, and flags most', async () => {
  inProject('shards: 2\nmaxQueued: 2\ncloseTimeoutMs: 2\nmoveKeys: false\nlimits:\n  idleMs: 2\n  opensPerKey: 2\n');
  ofUser('maxQueued: 3\ncloseTimeoutMs: 3\nlimits:\n  opensPerKey: 3\n');
  const env = { KEYLANE_CLOSE_TIMEOUT_MS: '4', KEYLANE_MOVE_KEYS: 'true' };
  const config = await load({ env, flags: { moveKeys: false }, defaults: { shards: 1, shardBlockedMs: 1_001 } });
  expect(config.engine).toEqual({
    shards: 2,
    maxQueued: 3,
    closeTimeoutMs: 4,
    shardBlockedMs: 1_001,
    moveKeys: false,
    limits: { idleMs: 2, opensPerKey: 3 },
  });
  const file = join(project, 'keylane.yaml');
  const user = join(home, '.config', 'keylane', 'keylane.yaml');
  expect(config.files).toEqual([file, user]);
  const origins = new Map(config.entries().map(({ path, origin }) => [path, origin]));
  expect(origins.get('shards')).toEqual({ from: 'file', file, line: 1 });
  expect(origins.get('maxQueued')).toEqual({ from: 'file', file: user, line: 1 });
  expect(origins.get('closeTimeoutMs')).toEqual({ from: 'variable', name: 'KEYLANE_CLOSE_TIMEOUT_MS' });
  expect(origins.get('moveKeys')).toEqual({ from: 'flag' });
  expect(origins.get('shardBlockedMs')).toEqual({ from: 'default' });
  expect(origins.get('limits.idleMs')).toEqual({ from: 'file', file, line: 6 });
  expect(origins.get('limits.opensPerKey')).toEqual({ from: 'file', file: user, line: 4 });
  expect(origins.get('limits.queuedPerKey')).toEqual({ from: 'default' });
});

test('a list, and what is no object, is taken as a whole', async () => {
  inProject('ssh:\n  identity: [/a, /b]\nlimits:\n  breaker: {failures: 2}\n');
  ofUser('ssh:\n  identity: [/c]\nlimits:\n  breaker: false\n');
  const config = await load();
  expect(config.engine).toMatchObject({ ssh: { identity: ['/c'] }, limits: { breaker: false } });
  expect(config.entries().filter(({ path }) => path.startsWith('limits.breaker'))).toHaveLength(1);
});

test('a name with nothing after it says nothing', async () => {
  inProject('limits:\n  # idleMs: 1\nshards:\nssh:\n  user: deploy\n');
  expect((await load()).engine).toEqual({ ssh: { user: 'deploy' } });
  inProject('# nothing at all\n');
  expect((await load()).engine).toEqual({});
});

test('the nearest file upwards counts, not above home and not above a repository', async () => {
  const deep = join(project, 'a', 'b');
  mkdirSync(deep, { recursive: true });
  inProject('shards: 2');
  writeFileSync(join(home, 'keylane.yaml'), 'shards: 3');
  writeFileSync(join(root, 'keylane.yaml'), 'shards: 4');
  const shards = async (cwd: string) => (await load({ cwd })).engine.shards;
  expect(await shards(deep)).toBe(2);
  expect(await shards(home)).toBe(3);
  rmSync(join(home, 'keylane.yaml'));
  expect(await shards(home)).toBeUndefined();
  expect(await shards(root)).toBe(4);
  mkdirSync(join(project, 'a', '.git'));
  expect(await shards(deep)).toBeUndefined();
  writeFileSync(join(project, 'a', 'keylane.yaml'), 'shards: 5');
  expect(await shards(deep)).toBe(5);
});

test('$XDG_CONFIG_HOME says where the user keeps theirs, unless it is relative', async () => {
  const xdg = join(root, 'xdg');
  mkdirSync(join(xdg, 'keylane'), { recursive: true });
  writeFileSync(join(xdg, 'keylane', 'keylane.yaml'), 'shards: 7');
  ofUser('shards: 8');
  expect((await load({ env: { XDG_CONFIG_HOME: xdg } })).engine.shards).toBe(7);
  expect((await load({ env: { XDG_CONFIG_HOME: 'xdg' }, cwd: root })).engine.shards).toBe(8);
});

test('a file that is named counts alone; `none` is no file', async () => {
  inProject('shards: 2');
  ofUser('maxQueued: 3');
  const other = join(root, 'other.yaml');
  writeFileSync(other, 'moveKeys: true');
  expect((await load({ file: other })).engine).toEqual({ moveKeys: true });
  expect((await load({ env: { KEYLANE_CONFIG: other } })).engine).toEqual({ moveKeys: true });
  expect((await load({ file: 'none', env: { KEYLANE_CONFIG: other } })).engine).toEqual({});
  expect((await load({ env: { KEYLANE_CONFIG: '' } })).engine).toEqual({ shards: 2, maxQueued: 3 });
  expect(await problem({ file: '/nowhere.yaml' })).toBe('/nowhere.yaml: cannot be read: ENOENT');
});

test('paths are relative to the folder of the file that says them, ~ is home', async () => {
  inProject(`ssh:
  identity: [keys/a, ~/.ssh/b, /c]
  knownHosts: hosts
  config: ssh_config
  agent: none
  password: file:secrets/p
  passphrase: env:PHRASE
  jump: [{ host: bastion, identity: ../j }]
groups:
  db: { ssh: { identity: db.key } }
inventories:
  - file: hosts.ini
  - { file: /abs, format: list }
`);
  const config = await load({ env: { KEYLANE_SSH__KNOWN_HOSTS: '["k1","/k2"]' }, cwd: project });
  expect(config.engine.ssh).toEqual({
    identity: [join(project, 'keys/a'), join(home, '.ssh/b'), '/c'],
    knownHosts: [join(project, 'k1'), '/k2'],
    config: join(project, 'ssh_config'),
    agent: 'none',
    password: `file:${join(project, 'secrets/p')}`,
    passphrase: 'env:PHRASE',
    jump: [{ host: 'bastion', identity: join(home, 'j') }],
  });
  expect(config.groups.db?.ssh?.identity).toBe(join(project, 'db.key'));
  expect(config.inventories).toEqual([{ file: join(project, 'hosts.ini') }, { file: '/abs', format: 'list' }]);
});

test('a limit of a group is the limit of its name; two that differ are refused with both places', async () => {
  inProject('groups:\n  db: { limit: 1 }\n  web: { limit: 5 }\nlimits:\n  groups: { web: 5, prod: 9 }\n');
  expect((await load()).engine.limits?.groups).toEqual({ db: 1, web: 5, prod: 9 });
  ofUser('limits:\n  groups:\n    db: 2\n');
  expect(await problem()).toBe(
    '/home/project/keylane.yaml:2: groups.db.limit: 1 contradicts limits.groups.db (2, /home/.config/keylane/keylane.yaml:3); say it once',
  );
});

test('bounds that cannot both hold are refused by where the narrower was said, over files too', async () => {
  inProject('limits:\n  connectionsPerLane: 50\n');
  ofUser('limits:\n  connectionsPerShard: 10\n');
  expect(await problem()).toContain('/home/project/keylane.yaml:2: limits.connectionsPerLane: 50 is more than');
  ofUser('limits:\n  breaker: {maxOpenMs: 5}\n');
  inProject('limits:\n  breaker: {openMs: 50}\n');
  expect(await problem()).toContain('limits.breaker.maxOpenMs: must be at least `openMs`');
});

test('what is returned is frozen', async () => {
  inProject('groups: {db: {hosts: [a]}}');
  const config = await load();
  expect(Object.isFrozen(config) && Object.isFrozen(config.engine) && Object.isFrozen(config.groups.db?.hosts)).toBe(
    true,
  );
});

test('an anchor may be used over and over', async () => {
  inProject('groups:\n  a: &a { ssh: { user: x, identity: k } }\n  b: *a\n');
  const { groups } = await load();
  expect(groups.b).toEqual(groups.a);
  expect(groups.a?.ssh?.identity).toBe(join(project, 'k'));
});

test.each([
  [
    'a name that is nearly known',
    'limits:\n  conectionsPerLane: 1',
    ':2: limits.conectionsPerLane: unknown field; did you mean `connectionsPerLane`?',
  ],
  ['a name at the top that is nearly known', 'shard: 1', ':1: shard: unknown field; did you mean `shards`?'],
  [
    'a name of a group that is nearly known',
    'groups:\n  db:\n    host: a',
    ':3: groups.db.host: unknown field; did you mean `hosts`?',
  ],
  ['a function of the library', 'onEvent: x', ':1: onEvent: unknown field'],
  ['a function of ssh', 'ssh:\n  confirmHostKey: x', ':2: ssh.confirmHostKey: unknown field'],
  ['a text for a number', 'shards: many', ':1: shards: expected a number; got "many"'],
  [
    'a number as source code has it',
    'limits: {idleMs: 60_000}',
    ':1: limits.idleMs: expected a number; got "60_000"; write 60000',
  ],
  ['a time with its unit', 'limits: {idleMs: 5m}', ':1: limits.idleMs: expected a number; got "5m"; write 300000'],
  [
    'a time of an operation',
    'cache: {ttlMs: {ssh: 2h}}',
    ':1: cache.ttlMs.ssh: expected a number; got "2h"; write 7200000',
  ],
  [
    'bytes with their unit',
    'cache: {diskBytes: 64k}',
    ':1: cache.diskBytes: expected a number; got "64k"; write 65536',
  ],
  ['a fraction', 'shards: 1.5', ':1: shards: expected'],
  ['too small', 'shards: 0', ':1: shards: expected at least 1; got 0'],
  ['too large', 'shards: 1000', ':1: shards: expected at most 256; got 1000'],
  ['infinity', 'closeTimeoutMs: .inf', ':1: closeTimeoutMs: expected'],
  ['not a number', 'closeTimeoutMs: .nan', ':1: closeTimeoutMs: expected a number; got NaN'],
  ['a list for an object', 'limits: [1]', ':1: limits: expected an object; got an array of 1'],
  ['an object for a number', 'shards: {a: 1}', ':1: shards: expected a number; got an object'],
  ['a text for a truth', 'moveKeys: yes', ':1: moveKeys: expected a boolean; got "yes"'],
  ['a wrong choice', 'ssh:\n  hostKeys: maybe', ":2: ssh.hostKeys: expected one of 'strict'"],
  ['a wrong port', 'ssh:\n  port: 70000', ':2: ssh.port: expected a port from 1 to 65535; got 70000'],
  [
    'a wrong port of a group',
    'groups:\n  a:\n    ssh:\n      port: x',
    ':4: groups.a.ssh.port: expected a whole number from 1 to 65535',
  ],
  [
    'a user that could be an option',
    'ssh: {user: -oProxyCommand=x}',
    ':1: ssh.user: a user name must not begin with -',
  ],
  ['a wrong label', 'groups: {a: {labels: [""]}}', ':1: groups.a.labels[0]: expected at least 1 characters'],
  ['a wrong limit', 'groups: {a: {limit: 0}}', ':1: groups.a.limit: expected at least 1; got 0'],
  ['a name that is no group', 'groups: {"a b": {}}', ':1: groups.a b: a name of letters'],
  ['hosts that are no text', 'groups: {a: {hosts: 5}}', ':1: groups.a.hosts: expected host patterns'],
  [
    'an inventory with two sources',
    'inventories:\n  - {file: a, command: [b]}',
    ':2: inventories[0]: expected either `file` or `command`',
  ],
  ['an inventory without a source', 'inventories:\n  - file: a\n  - {}', ':3: inventories[1]: expected either'],
  [
    'a command with a shell in mind',
    'inventories: [{command: az vm list}]',
    ':1: inventories[0].command: expected an array',
  ],
  [
    'a time that goes with commands',
    'inventories: [{file: a, ttlMs: 5}]',
    ':1: inventories[0].ttlMs: goes with `command` only',
  ],
  ['an unknown format', 'inventories: [{file: a, format: xml}]', ":1: inventories[0].format: expected one of 'ini'"],
  ['a wrong rate', 'limits: {ratePerKey: -1}', ':1: limits.ratePerKey: expected at least 0.0001; got -1'],
  ['a bound of no use', 'limits: {burstPerKey: 5}', ':1: limits.burstPerKey: is of no use without limits.ratePerKey'],
  ['no mapping', '- a\n- b', ':1: expected options by name'],
  ['a text alone', 'hello', ':1: expected options by name'],
  ['a key twice', 'shards: 1\nshards: 2', ':2: "shards" is there twice; it is in line 1 already'],
  ['no YAML', 'shards: [1', ':1: '],
  ['a tag', 'shards: !!js/function x', ':1: has a tag'],
  ['the name of a prototype', '__proto__: {shards: 1}', ':1: __proto__: unknown field'],
  ['the name of a constructor', 'ssh: {constructor: 1}', ':1: ssh.constructor: unknown field'],
  ['a jump to nowhere', 'ssh:\n  jump: "a b"', ':2: ssh.jump: '],
])('%s is refused with file, line, path and what was expected', async (_, text, said) => {
  inProject(text);
  expect(await problem()).toContain(`/home/project/keylane.yaml${said}`);
});

test('everything that is wrong is told at once, from all sources', async () => {
  inProject('shards: x\nssh:\n  port: 0\n');
  ofUser('maxQueued: -1');
  const told = await problem({ env: { KEYLANE_MAX_IN_FLIGHT: 'lots' } });
  expect(told.split('\n')).toEqual([
    '/home/project/keylane.yaml:1: shards: expected a number; got "x"',
    '/home/project/keylane.yaml:3: ssh.port: expected a port from 1 to 65535; got 0',
    '/home/.config/keylane/keylane.yaml:1: maxQueued: expected at least 0; got -1',
    'KEYLANE_MAX_IN_FLIGHT: maxInFlight: expected a number; got "lots"',
  ]);
});

test('a secret in the open is refused, and told nowhere', async () => {
  for (const text of [
    'ssh: {password: canary-1}',
    'ssh: {passphrase: canary-1}',
    'groups: {a: {ssh: {password: canary-1}}}',
    'ssh: {jump: [{host: a, password: canary-1}]}',
    'ssh: {jump: "user:canary-1@host"}',
    'ssh: {password: [canary-1]}',
    'password: canary-1',
    'inventories: [{command: "curl -H canary-1"}]',
    'ssh: {password: "canary-1',
    'inventories: [{file: x, command: [curl, canary-1]}]',
  ]) {
    inProject(text);
    expect(await problem()).not.toContain('canary-1');
  }
  inProject('ssh: {password: canary-1}');
  expect(await problem()).toContain('expected a reference, `env:NAME` or `file:PATH`');
  inProject('');
  expect(await problem({ env: { KEYLANE_SSH__PASSWORD: 'canary-1' } })).toMatch(
    /^KEYLANE_SSH__PASSWORD: (?!.*canary)/s,
  );
  expect(await problem({ env: { KEYLANE_SSH__PASSWORD: '12345' } })).not.toContain('12345');
});

test('what would run code is not taken from a file that was only found', async () => {
  const code = 'drivers: [./evil.js]\nssh:\n  allowExec: true\nallowCommands: true\n';
  inProject(code);
  const told = (await problem()).split('\n');
  expect(told.map((line) => line.slice(0, line.indexOf(': would run code')))).toEqual([
    '/home/project/keylane.yaml:1: drivers',
    '/home/project/keylane.yaml:3: ssh.allowExec',
    '/home/project/keylane.yaml:4: allowCommands',
  ]);
  expect((await load({ file: 'keylane.yaml' })).allowCommands).toBe(true);
  inProject('drivers: []');
  expect(await problem()).toContain('drivers: would run code');
  inProject('');
  ofUser(code);
  const config = await load();
  expect(config.engine.drivers).toEqual([join(home, '.config/keylane/evil.js')]);
  expect(config.allowCommands).toBe(true);
});

test('an agent is not lent out by a file that was only found', async () => {
  inProject(
    'ssh:\n  forwardAgent: true\n  jump: [{host: a, forwardAgent: /sock}]\ngroups:\n  a: {ssh: {forwardAgent: yes}}\n  b: {ssh: {forwardAgent: false}}\n',
  );
  const told = (await problem()).split('\n');
  expect(told.map((line) => line.slice(0, line.indexOf(': would lend out')))).toEqual([
    '/home/project/keylane.yaml:2: ssh.forwardAgent',
    '/home/project/keylane.yaml:3: ssh.jump[0].forwardAgent',
    '/home/project/keylane.yaml:5: groups.a.ssh.forwardAgent',
  ]);
  expect((await load({ file: 'keylane.yaml' })).engine.ssh?.forwardAgent).toBe(true);
});

test("what the user's own file allows is not for commands of a file that was only found", async () => {
  ofUser('allowCommands: true\nssh: {allowExec: true}\n');
  inProject(
    'inventories:\n  - file: a\n  - command: [evil]\ngroups:\n  a: {ssh: {password: "cmd:evil"}}\nssh:\n  config: evil\n',
  );
  const told = (await problem()).split('\n');
  expect(told.map((line) => line.slice(0, line.indexOf(': may run commands')))).toEqual([
    '/home/project/keylane.yaml:3: inventories[1].command',
    '/home/project/keylane.yaml:5: groups.a.ssh.password',
    '/home/project/keylane.yaml:7: ssh.config',
  ]);
  // Who says so for this run, or names the file, means it.
  const env = { KEYLANE_ALLOW_COMMANDS: 'true', KEYLANE_SSH__ALLOW_EXEC: 'true' };
  expect((await load({ env })).engine).toMatchObject({ allowCommands: true, ssh: { allowExec: true } });
  expect((await load({ file: 'keylane.yaml', env })).allowCommands).toBe(true);
  // Accounts lie there, and their references may be commands.
  inProject('dataDir: data');
  expect(await problem()).toContain('keylane.yaml:1: dataDir: may run commands');
  // Without commands there is nothing to allow.
  inProject('inventories: [{file: a}]');
  expect((await load()).allowCommands).toBe(true);
});

test('reading never runs anything', async () => {
  const told = join(root, 'ran');
  inProject(`inventories:\n  - command: [touch, ${told}]\nssh:\n  password: env:X\n`);
  const config = await load({ flags: { allowCommands: true } });
  expect(config.inventories).toEqual([{ command: ['touch', told], cwd: project }]);
  expect(() => execFileSync('ls', [told], { stdio: 'pipe' })).toThrow();
});

test.each([
  ['everybody', 0o666],
  ['everybody but its group', 0o646],
])('a file that %s may write is refused', async (_, mode) => {
  inProject('shards: 1');
  chmodSync(join(project, 'keylane.yaml'), mode);
  expect(await problem()).toContain('/home/project/keylane.yaml: may be written by others');
  expect(await problem({ file: 'keylane.yaml' })).toContain('may be written by others');
});

test('what is no file, is no text or is huge is refused by name', async () => {
  const file = join(project, 'keylane.yaml');
  mkdirSync(file);
  expect(await problem()).toBe('/home/project/keylane.yaml: is not a file');
  rmSync(file, { recursive: true });
  execFileSync('mkfifo', [file]);
  expect(await problem()).toBe('/home/project/keylane.yaml: is not a file');
  rmSync(file);
  symlinkSync('/dev/zero', file);
  expect(await problem()).toBe('/home/project/keylane.yaml: is not a file');
  rmSync(file);
  writeFileSync(file, Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));
  expect(await problem()).toBe('/home/project/keylane.yaml: is not UTF-8; save it as UTF-8');
  truncateSync(file, 5 * 1024 * 1024);
  expect(await problem()).toContain('/home/project/keylane.yaml: has 5242880 bytes');
});

test('a link to a file counts, one to nothing does not', async () => {
  writeFileSync(join(root, 'real.yaml'), 'shards: 3');
  symlinkSync(join(root, 'real.yaml'), join(project, 'keylane.yaml'));
  expect((await load()).engine.shards).toBe(3);
  rmSync(join(root, 'real.yaml'));
  expect((await load()).files).toEqual([]);
});

test.runIf(process.getuid?.() === 0)("another user's file is refused where it was only found", async () => {
  inProject('shards: 3');
  execFileSync('chown', ['12345:12345', join(project, 'keylane.yaml')]);
  expect(await problem()).toContain('/home/project/keylane.yaml: belongs to another user');
  expect((await load({ file: 'keylane.yaml' })).engine.shards).toBe(3);
  // The group of one's own, by its number, is nobody else; any other is.
  chmodSync(join(project, 'keylane.yaml'), 0o664);
  expect((await load({ file: 'keylane.yaml' })).engine.shards).toBe(3);
  execFileSync('chown', ['0:12345', join(project, 'keylane.yaml')]);
  expect(await problem()).toContain('may be written by others');
});

test.each([
  [
    'a bad pattern',
    '\n  db:\n    hosts:\n      - db-1\n      - db-[2',
    ':5: groups.db.hosts[1]: host "db-[2" has a "["',
  ],
  [
    'a group that is not there',
    '{db: {hosts: "@webb"}, web: {}}',
    ':1: groups.db.hosts: @webb is no group that is known; did you mean @web?',
  ],
  ['a group within itself', '{a: {hosts: "x,@a"}}', ':1: groups.a.hosts: is within itself: @a, @a'],
  [
    'groups in a circle',
    '\n  a: {hosts: ["@b"]}\n  b: {hosts: ["x @c"]}\n  c: {hosts: "@a"}',
    ':2: groups.a.hosts: is within itself: @a, @b, @c, @a',
  ],
  [
    'hosts that groups share',
    '{a: {hosts: "@b&@c"}, b: {}, c: {}}',
    ':1: groups.a.hosts: the hosts that two groups share',
  ],
  [
    'too many hosts',
    '{a: {hosts: "x[1-600000]"}, b: {hosts: "x[1-600000]"}}',
    ': groups: make more than 1,000,000 hosts',
  ],
])('groups with %s are refused', async (_, groups, said) => {
  inProject(`groups: ${groups}`);
  expect(await problem()).toContain(said);
});

test('a group that an inventory may have is not missed yet', async () => {
  inProject('groups: {db: {hosts: "@elsewhere"}}\ninventories: [{file: hosts.ini}]');
  expect((await load()).groups).toEqual({ db: { hosts: '@elsewhere' } });
});

test('each value is told with its origin, and what may be secret is masked', async () => {
  inProject(`ssh:
  password: env:PW
  passphrase: file:/run/p
  jump: [{host: bastion, password: env:JUMP}]
groups:
  db: {hosts: [db-1], labels: [prod], limit: 1}
inventories:
  - command: [az, --token, canary-1, "--api-key=canary-2", "SECRET=canary-3", "https://u:canary-4@h/", "Authorization: canary-5", list]
`);
  const config = await load();
  const entries = new Map(config.entries().map(({ path, value }) => [path, value]));
  expect(JSON.stringify([...entries])).not.toContain('canary');
  expect(entries.get('inventories')).toEqual([
    {
      command: ['az', '--token', '****', '--api-key=****', 'SECRET=****', 'https://u:****@h/', '****', 'list'],
      cwd: project,
    },
  ]);
  expect(entries.get('ssh.password')).toBe('env:PW');
  expect(entries.get('ssh.jump')).toEqual([{ host: 'bastion', password: 'env:JUMP' }]);
  expect(entries.get('groups.db.limit')).toBe(1);
  expect(entries.get('ssh.port')).toBe(22);
  expect([...entries.keys()].filter((path) => path.startsWith('limits.groups'))).toEqual([]);
});

test('a secret in the open is masked even where it came past the schema', () => {
  const values = {
    ssh: { password: 'canary', user: 'me', jump: [{ host: 'a', passphrase: 'canary' }] },
    x: { apiToken: 5 },
  };
  const merged = merge([{ values, originOf: () => ({ from: 'flag' }) }]);
  const entries = entriesOf(merged, {}, ['ssh', 'x']);
  expect(JSON.stringify(entries)).not.toContain('canary');
  expect(entries.map(({ path, value }) => [path, value])).toEqual([
    ['ssh.password', '****'],
    ['ssh.user', 'me'],
    ['ssh.jump', [{ host: 'a', passphrase: '****' }]],
    ['x.apiToken', 5],
  ]);
});
