import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  for (const args of [
    ['exec', 'a', '--', 'true'],
    ['copy', file, 'a:b'],
    ['doctor', 'a'],
    ['config', 'show'],
  ]) {
    const { status, out, err } = await run(args);
    expect(err).toContain(`${file}:2: ssh.hostKeys: expected one of`);
    expect({ status, out }).toEqual({ status: 2, out: '' });
  }
});

it('config schema prints the JSON Schema for editors, and where it is', async () => {
  const { out } = await run(['config', 'schema', '--path']);
  expect((await run(['config', 'schema'])).out).toBe(readFileSync(out.trim(), 'utf8'));
  expect(JSON.parse(readFileSync(out.trim(), 'utf8'))).toHaveProperty('properties.shards.description');
});
