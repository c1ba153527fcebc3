import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openAccounts } from 'keylane';
import { afterEach, beforeEach, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../support/programs/add-accounts.mjs', import.meta.url));
const PROCESSES = process.env.KEYLANE_LONG ? 50 : 12;
const EACH = process.env.KEYLANE_LONG ? 100 : 50;

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'keylane-accounts-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test('processes that add and change accounts at once lose none of each other’s changes (D10)', async () => {
  const accounts = openAccounts({ dataDir });
  try {
    await accounts.add({ name: 'shared', driver: 'ssh', endpoint: { host: 'h' }, labels: ['kept'] });
    const children = Array.from({ length: PROCESSES }, (_, i) => {
      const args = [PROGRAM, dataDir, String(i), String(EACH)];
      return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    });
    const ends = children.map((child) => once(child, 'close'));
    await Promise.all(children.map(({ stdout }) => once(stdout, 'data')));
    for (const { stdin } of children) stdin.write('go\n');
    for (const [status] of await Promise.all(ends)) expect(status).toBe(0);

    const all = await accounts.list();
    expect(all).toHaveLength(PROCESSES * EACH + 1);
    const meant = Array.from({ length: PROCESSES * EACH }, (_, i) => `p${Math.floor(i / EACH)}-${i % EACH}`);
    expect(all.map(({ name }) => name).sort()).toEqual([...meant, 'shared'].sort());
    expect(all.find(({ name }) => name === 'p1-7')?.endpoint).toEqual({ host: 'p1-7.example' });
    const last = EACH - 1 - ((EACH - 1) % 3);
    expect(await accounts.get('shared')).toEqual({
      name: 'shared',
      driver: 'ssh',
      endpoint: { host: 'h', port: 1 + last, jump: `j${last}`, knownHosts: `/h${last}` },
      user: `u${last}`,
      identity: `/k${last}`,
      secrets: { password: `env:P${last}`, passphrase: `env:Q${last}` },
      limits: { timeoutMs: 1 + last, maxOutputBytes: last },
      labels: ['kept'],
    });
  } finally {
    await accounts.close();
  }
}, 300_000);

test('of processes that add one account at once exactly one does, and the others are told who it is', async () => {
  const program = `
    import { openAccounts } from 'keylane';
    const accounts = openAccounts({ dataDir: process.argv[1] });
    const account = { name: 'one', driver: 'ssh', endpoint: { host: 'h' + process.pid } };
    const end = await accounts.add(account).then(() => 'added', ({ code, message }) => code + ' ' + message);
    process.stdout.write(process.pid + ' ' + end);
    await accounts.close();`;
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const told = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, dataDir], {
        cwd,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let out = '';
      child.stdout.on('data', (data) => {
        out += data;
      });
      await once(child, 'close');
      return out;
    }),
  );
  const added = told.filter((line) => line.endsWith(' added'));
  expect(added).toHaveLength(1);
  for (const line of told)
    if (line !== added[0]) expect(line).toMatch(/^\d+ ERR_EXISTS there is an account one already$/);
  const accounts = openAccounts({ dataDir });
  expect((await accounts.get('one')).endpoint.host).toBe(`h${added[0]?.split(' ')[0]}`);
  await accounts.close();
});
