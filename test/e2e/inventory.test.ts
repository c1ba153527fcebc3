import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, loadInventory } from 'keylane';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { Cli } from './exec-cli.ts';

const HOSTS = ['127.7.0.1', '127.7.0.2', '127.7.0.3', '127.7.0.4'];
let sshd: Sshd;
let dir: string;
let ini: string;

beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
  dir = mkdtempSync(join(tmpdir(), 'keylane-fleet-'));
  ini = join(dir, 'hosts.ini');
  writeFileSync(
    ini,
    `# a fleet on loopback
[web]
web-[1:2] color=blue
web-1 ansible_host=127.7.0.1
web-2 ansible_host=127.7.0.2

[db]
db-1 ansible_host=127.7.0.3

[idle]
idle-1 ansible_host=127.7.0.4

[site:children]
web
db

[all:vars]
ansible_user=${sshd.user}
ansible_port=${sshd.port}
ansible_ssh_private_key_file=${sshd.identity}
`,
  );
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Where and as whom: nothing of it is on the command line. */
const COMMAND = 'set -- $SSH_CONNECTION; echo $3 $(id -un)';
const exec = (args: readonly string[], env: Record<string, string> = {}) =>
  new Cli(['exec', '-q', '-F', 'none', '--known-hosts', sshd.knownHosts, ...args], env).end();
const lines = (text: string) => text.trim().split('\n').sort();

describe('keylane exec over the hosts of an Ansible inventory, against real sshd', () => {
  it('runs on the hosts of a group, each by its address, port, user and key', async () => {
    const { status, out, err } = await exec(['--inventory', ini, '@site', '--', COMMAND]);
    expect(err).toBe('');
    expect(lines(out)).toEqual([
      `db-1: 127.7.0.3 ${sshd.user}`,
      `web-1: 127.7.0.1 ${sshd.user}`,
      `web-2: 127.7.0.2 ${sshd.user}`,
    ]);
    expect(status).toBe(0);
  });

  it('leaves a group out with -x, and takes what two groups share', async () => {
    expect(lines((await exec(['--inventory', ini, '@all', '-x', '@web', '--', COMMAND])).out)).toEqual([
      `db-1: 127.7.0.3 ${sshd.user}`,
      `idle-1: 127.7.0.4 ${sshd.user}`,
    ]);
    expect(lines((await exec(['--inventory', ini, '@site&@db', '--', COMMAND])).out)).toEqual([
      `db-1: 127.7.0.3 ${sshd.user}`,
    ]);
  });

  it('asks a command for the inventory once: the next process finds its answer', async () => {
    const config = join(dir, 'keylane.yaml');
    const command = ['sh', '-c', `echo run >> ${dir}/runs; cat ${ini}`];
    writeFileSync(
      config,
      JSON.stringify({ allowCommands: true, dataDir: join(dir, 'data'), inventories: [{ command }] }),
    );
    for (let run = 0; run < 2; run++) {
      const { status, out } = await exec(['--config', config, '@db', '--', COMMAND]);
      expect([status, out]).toEqual([0, `db-1: 127.7.0.3 ${sshd.user}\n`]);
    }
    expect(readFileSync(join(dir, 'runs'), 'utf8')).toBe('run\n');
  });

  it('is the same by the library', async () => {
    const { groups, find } = await loadInventory(ini);
    const engine = await createEngine({ shards: 1, ssh: { knownHosts: sshd.knownHosts } });
    try {
      const requests = groups.web?.map((name) => {
        const { host, port, user, identity } = find(name)!;
        return { host, ...(port && { port }), ...(user && { user }), ...(identity && { identity }), command: COMMAND };
      });
      const said: unknown[] = [];
      for await (const { response } of engine.batch('ssh', requests ?? [])) said.push(response?.stdout);
      expect(said.sort()).toEqual([`127.7.0.1 ${sshd.user}\n`, `127.7.0.2 ${sshd.user}\n`]);
    } finally {
      await engine.close();
    }
  });
});
