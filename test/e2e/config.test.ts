import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { Cli } from './exec-cli.ts';

const HOSTS = ['127.6.7.1', '127.6.7.2', '127.6.7.3'];
let sshd: Sshd;
let dir: string;
let file: string;

beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
  dir = mkdtempSync(join(tmpdir(), 'keylane-config-e2e-'));
  // Whoever sshd lets in may be another user.
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'to'));
  chmodSync(join(dir, 'to'), 0o777);
  file = join(dir, 'keylane.yaml');
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const login = () =>
  `config: false, user: ${sshd.user}, port: ${sshd.port}, identity: ${sshd.identity}, knownHosts: ${sshd.knownHosts}`;

/** In the project's folder, as a user would. */
const run = (args: string[], env: Record<string, string> = {}) =>
  new Cli(args, { KEYLANE_CONFIG: '', HOME: dir, ...env }, dir).end();

it('exec needs no flags where keylane.yaml of the project says how', async () => {
  writeFileSync(file, `ssh: { ${login()} }\n`);
  const { status, out } = await run(['exec', '-q', HOSTS[0] as string, '--', 'echo hello']);
  expect({ status, out }).toEqual({ status: 0, out: `${HOSTS[0]}: hello\n` });
});

it('a flag goes before a variable, a variable before the file', async () => {
  writeFileSync(file, `ssh: { ${login().replace(sshd.user, 'nobody-of-file')} }\n`);
  const exec = ['exec', '-q', HOSTS[0] as string, '--', 'id -un'];
  const byVariable = await run(exec, { KEYLANE_SSH__USER: sshd.user });
  expect(byVariable).toMatchObject({ status: 0, out: `${HOSTS[0]}: ${sshd.user}\n` });
  const byFlag = await run([...exec.slice(0, 2), '-l', sshd.user, ...exec.slice(2)], {
    KEYLANE_SSH__USER: 'nobody-of-variable',
  });
  expect(byFlag).toMatchObject({ status: 0, out: `${HOSTS[0]}: ${sshd.user}\n` });
});

it('copy and doctor take it too', async () => {
  writeFileSync(file, `ssh: { ${login()} }\n`);
  const copied = await run(['copy', '-q', file, `${HOSTS[0]}:${dir}/to/copied`]);
  expect(copied.status).toBe(0);
  expect(readFileSync(join(dir, 'to', 'copied'), 'utf8')).toBe(readFileSync(file, 'utf8'));
  const looked = await run(['doctor', HOSTS[0] as string]);
  expect(looked.out).toContain('Nothing to mend.');
  expect(looked.status).toBe(0);
});

it('what is not valid ends every command with 2, file and line', async () => {
  writeFileSync(file, 'ssh:\n  hostKeys: never\n');
  const commands = [
    ['exec', 'a', '--', 'true'],
    ['copy', file, 'a:b'],
    ['doctor', 'a'],
    ['config', 'show'],
  ];
  for (const { status, out, err } of await Promise.all(commands.map((args) => run(args)))) {
    expect(err).toContain(`${file}:2: ssh.hostKeys: expected one of`);
    expect({ status, out }).toEqual({ status: 2, out: '' });
  }
});

it('config schema prints the JSON Schema for editors, and where it is', async () => {
  const { out } = await run(['config', 'schema', '--path']);
  expect((await run(['config', 'schema'])).out).toBe(readFileSync(out.trim(), 'utf8'));
  expect(JSON.parse(readFileSync(out.trim(), 'utf8'))).toHaveProperty('properties.shards.description');
});

it('a group whose limit is 1 never runs two commands at once, however its hosts are named', async () => {
  writeFileSync(
    file,
    `ssh: { ${login()} }\ngroups:\n  db: { hosts: "127.6.7.[1-3]", limit: 1 }\n  free: { hosts: "127.6.7.[1-3]" }\n`,
  );
  const named = [['@db'], ['127.6.7.[1-2]', `${sshd.user}@127.6.7.3`], ['@free']];
  const all = named.map(async (hosts, index) => {
    const log = join(dir, 'to', `log${index}`);
    writeFileSync(log, '');
    chmodSync(log, 0o666);
    const ran = await run(['exec', '-c', '3', ...hosts, '--', `echo in >> ${log}; sleep 0.2; echo out >> ${log}`]);
    return { ...ran, log: readFileSync(log, 'utf8') };
  });
  for (const { status, err, log } of await Promise.all(all)) {
    expect(err).toContain('3 ok');
    expect(status).toBe(0);
    expect(log).toBe('in\nout\n'.repeat(3));
  }
});

it('without the limit they run together', async () => {
  const log = join(dir, 'to', 'together');
  writeFileSync(file, `ssh: { ${login()} }\ngroups:\n  db: { hosts: "127.6.7.[1-3]" }\n`);
  writeFileSync(log, '');
  chmodSync(log, 0o666);
  // Each waits for the others: alone it would wait for ever.
  const command = `echo in >> ${log}; until [ $(wc -l < ${log}) -ge 3 ]; do sleep 0.05; done`;
  expect(await run(['exec', '-q', '-c', '3', '--timeout', '60s', '@db', '--', command])).toMatchObject({ status: 0 });
});

it('a group says how its hosts are reached, a flag and what is typed go before it', async () => {
  const { user, port, identity, knownHosts } = sshd;
  const ssh = `user: nobody-of-group, port: ${port}, identity: ${identity}, knownHosts: ${knownHosts}`;
  writeFileSync(file, `ssh: { config: false }\ngroups:\n  db: { hosts: "127.6.7.1", ssh: { ${ssh} } }\n`);
  expect((await run(['exec', '-q', '--attempts', '1', '@db', '--', 'true'])).status).toBe(3);
  expect((await run(['exec', '-q', '-l', user, '@db', '--', 'true'])).status).toBe(0);
  expect((await run(['exec', '-q', `${user}@127.6.7.1`, '--', 'true'])).status).toBe(0);
});

it('an inventory of the configuration names hosts and where they are', async () => {
  writeFileSync(join(dir, 'hosts.ini'), `[web]\nfirst ansible_host=127.6.7.1\nsecond ansible_host=127.6.7.2\n`);
  writeFileSync(file, `ssh: { ${login()} }\ninventories: [{ file: hosts.ini }]\n`);
  const { status, out } = await run([
    'exec',
    '-q',
    '--ordered',
    '@web',
    '-x',
    'second',
    '--',
    'set -- $SSH_CONNECTION; echo $3',
  ]);
  expect({ status, out }).toEqual({ status: 0, out: 'first: 127.6.7.1\n' });
  const wrong = await run(['exec', '@webb', '--', 'true']);
  expect(wrong.err).toContain('@webb is no group that is known; did you mean @web?');
  expect(wrong.status).toBe(2);
});

it('accounts are kept where the configuration says, or the flag', async () => {
  writeFileSync(file, 'dataDir: kept\n');
  const add = ['accounts', 'add', 'web-1', '--host', HOSTS[0] as string];
  expect((await run(add)).status).toBe(0);
  expect(existsSync(join(dir, 'kept', 'accounts'))).toBe(true);
  expect((await run(['accounts', 'list'])).out).toContain('web-1');
  expect((await run(['accounts', 'list', '--data-dir', join(dir, 'elsewhere')])).out).not.toContain('web-1');
});
