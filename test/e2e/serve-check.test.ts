import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { portOf } from '../support/ports.ts';
import { Cli } from './exec-cli.ts';

let dir = '';
const at = (name: string) => join(dir, name);
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-check-'));
  for (const [name, days] of [
    ['good', '365'],
    ['soon', '3'],
  ] as const) {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', at(`${name}.key`)];
    const cert = ['-days', days, '-subj', '/CN=localhost', '-out', at(`${name}.pem`)];
    execFileSync('openssl', ['req', '-x509', ...key, ...cert], { stdio: 'ignore' });
    chmodSync(at(`${name}.key`), 0o600);
  }
  writeFileSync(at('known_hosts'), '');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What `--check` finds with these flags, by what it looked at; and its status. */
async function check(...flags: string[]) {
  const own = ['--config', 'none', '--data-dir', at('data'), '--known-hosts', at('known_hosts'), '-F', 'none'];
  const { status, out, err } = await new Cli(['serve', '--check', '--listen', '127.0.0.1:0', ...own, ...flags]).end();
  const problems = out.split('\n').filter((line) => line.startsWith('problem'));
  return { status, out, err, problems: problems.join('\n') };
}

test('what could start is told line by line, and nothing is made', async () => {
  const { status, out, problems } = await check('--tls-cert', at('good.pem'), '--tls-key', at('good.key'));
  expect(problems).toBe('');
  expect(status).toBe(0);
  for (const line of [/^ok {6}tls +valid until .*, 36[45] days$/m, /^ok {6}address +127\.0\.0\.1:0 is free$/m])
    expect(out).toMatch(line);
  expect(out).toContain(`${at('data')} will be made`);
  expect(existsSync(at('data'))).toBe(false);
});

test.each([
  ['tls', 'ends in 2 days', () => ['--tls-cert', at('soon.pem'), '--tls-key', at('soon.key')]],
  ['tls', 'is not the key of', () => ['--tls-cert', at('good.pem'), '--tls-key', at('soon.key')]],
  ['tls', 'cannot be read: ENOENT', () => ['--tls-cert', at('none.pem'), '--tls-key', at('good.key')]],
  ['tls', 'is no certificate in PEM', () => ['--tls-cert', at('good.key'), '--tls-key', at('good.key')]],
  ['options', 'can be reached from outside', () => ['--listen', '0.0.0.0:0']],
  ['known_hosts', 'with --host-keys strict every host is refused', () => ['--known-hosts', at('nowhere')]],
  ['data directory', 'is not a directory', () => ['--data-dir', join(at('known_hosts'), 'below')]],
])('a problem of %s is told with what to do: %s', async (what, says, flags) => {
  const { status, problems } = await check(...flags());
  expect(problems).toMatch(new RegExp(`^problem ${what} +.*${says}`));
  expect(problems.split('\n')).toHaveLength(1);
  expect(status).toBe(2);
});

test('an address that is taken is a problem, and ssh_config that cannot be read', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  writeFileSync(at('ssh_config'), 'Host *\n  Port many\n');
  const { status, problems } = await check('--listen', `127.0.0.1:${portOf(server)}`, '-F', at('ssh_config'));
  server.close();
  expect(problems).toMatch(/^problem address +cannot listen on .*: another process does/m);
  expect(problems).toMatch(/^problem ssh_config .*ssh_config:2/m);
  expect(status).toBe(2);
});
