import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { loginFlags, MAIN, run } from './exec-cli.ts';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

function argvOf(knownHosts: string): string[] {
  const policy = ['--host-keys', 'ask', '--attempts', '1', '-q'];
  return ['exec', ...loginFlags({ ...sshd, knownHosts }), ...policy, '127.0.0.1', '--', 'echo the-command-ran'];
}

/** On a terminal, where a person types `answer` when they are asked. */
async function onTerminal(knownHosts: string, answer: string): Promise<{ shown: string; status: number | null }> {
  const words = [process.execPath, MAIN, ...argvOf(knownHosts)].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', words, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  let asked = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (asked || !shown.includes('(yes/no/[fingerprint])?')) return;
    asked = true;
    child.stdin.write(`${answer}\n`);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { shown, status };
}

test('yes on the terminal adds the key and goes on', async () => {
  const knownHosts = join(sshd.dir, 'asked-yes');
  const { shown, status } = await onTerminal(knownHosts, 'yes');
  expect(shown).toContain(`The host [127.0.0.1]:${sshd.port} is not known. Its ssh-ed25519 key is SHA256:`);
  expect(shown).toContain('the-command-ran');
  expect(status).toBe(0);
  expect(readFileSync(knownHosts, 'utf8')).toBe(`[127.0.0.1]:${sshd.port} ${sshd.hostKeyPublic}\n`);
});

test('no on the terminal refuses the host', async () => {
  const knownHosts = join(sshd.dir, 'asked-no');
  const { shown, status } = await onTerminal(knownHosts, 'no');
  expect(shown).not.toMatch(/: the-command-ran/);
  expect(status).toBe(3);
  expect(existsSync(knownHosts)).toBe(false);
});

test('without a terminal nobody is asked', async () => {
  const { status, err } = await run(argvOf(join(sshd.dir, 'not-asked')));
  expect(err).toContain('--host-keys ask: there is no terminal to ask on');
  expect(status).toBe(2);
});
