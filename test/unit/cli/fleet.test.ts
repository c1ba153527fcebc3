import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeIo, runExec } from './fake-exec.ts';

let dir: string;
let ini: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-fleet-'));
  ini = file(
    'hosts.ini',
    `lone
[web]
w1 ansible_host=10.0.0.1 ansible_user=deploy ansible_port=2201 ansible_ssh_private_key_file=/k/w1
w2 ansible_host=10.0.0.2
[db]
d1 ansible_host=10.0.0.9
[eu]
w2
d1
[web:vars]
ansible_user=www
`,
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

/** What each host is asked, without the command. */
async function asked(flags: readonly string[], io = new FakeIo()) {
  const { engine, err, status } = await runExec(['-q', ...flags], { io }).catch((error: Error) => ({
    engine: undefined,
    err: error.message,
    status: 2,
  }));
  const requests = engine?.requests.map(({ command: _, encoding: __, ...request }) => request) ?? [];
  return { requests, hosts: requests.map(({ host }) => host), err, status };
}

describe('the hosts of an inventory', () => {
  it.each([
    [['@web'], ['10.0.0.1', '10.0.0.2']],
    [['@all'], ['lone', '10.0.0.1', '10.0.0.2', '10.0.0.9']],
    [['@ungrouped'], ['lone']],
    [['@web&@eu'], ['10.0.0.2']],
    [['@web,@db'], ['10.0.0.1', '10.0.0.2', '10.0.0.9']],
    [
      ['@all', '-x', '@web'],
      ['lone', '10.0.0.9'],
    ],
    [
      ['@all', '-x', 'w1,lone'],
      ['10.0.0.2', '10.0.0.9'],
    ],
    [
      ['@all', '-x', '10.0.0.1'],
      ['lone', '10.0.0.2', '10.0.0.9'],
    ],
    [['@web', '-x', 'deploy@w1'], ['10.0.0.2']],
    [
      ['@web', '-x', 'root@w1'],
      ['10.0.0.1', '10.0.0.2'],
    ],
    [['@web', '-x', 'w1:2201'], ['10.0.0.2']],
    [
      ['w[1-2]', 'other'],
      ['10.0.0.1', '10.0.0.2', 'other'],
    ],
  ])('%j are %j', async (args, hosts) => {
    expect((await asked(['--inventory', ini, ...args])).hosts).toEqual(hosts);
  });

  it('are reached as it says: what is typed goes first, then flags, then the inventory', async () => {
    const of = async (...args: string[]) => (await asked(['--inventory', ini, ...args])).requests[0];
    expect(await of('w1')).toEqual({ host: '10.0.0.1', port: 2201, user: 'deploy', identity: '/k/w1' });
    // What a flag says is the engine's, for all hosts: the request leaves it to that.
    expect(await of('-l', 'me', '-p', '22', 'w1')).toEqual({ host: '10.0.0.1', identity: '/k/w1' });
    expect(await of('root@w1:2222')).toEqual({ host: '10.0.0.1', port: 2222, user: 'root', identity: '/k/w1' });
    expect(await of('-i', ini, 'w1')).toEqual({ host: '10.0.0.1', port: 2201, user: 'deploy' });
    expect(await of('w2')).toEqual({ host: '10.0.0.2', user: 'www' });
  });

  it('are called what the inventory calls them', async () => {
    const { out } = await runExec(['--inventory', ini, '--format', 'ndjson', 'w1']);
    expect(JSON.parse(out)).toMatchObject({ id: 'w1', host: 'w1', key: '10.0.0.1:22' });
  });

  it('come from several files', async () => {
    const more = file('more.yml', 'web: {hosts: {w3: {ansible_host: 10.0.0.3}}}\n');
    expect((await asked(['--inventory', ini, '--inventory', more, '@web'])).hosts).toEqual([
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
  });

  it.each([
    [['--inventory', '/nowhere/i', '@web'], '/nowhere/i: the inventory cannot be read: ENOENT'],
    [['--inventory', 'INI', '@wbe'], '@wbe is no group that is known'],
    [['--inventory', 'INI', '@web&w1'], '"w1" is no group that is known'],
    [['--inventory', 'INI'], 'a group as @all'],
    [['--inventory', 'BAD', '@web'], 'bad.ini:2: expected name=value behind the host'],
  ])('are not guessed: %j', async (args, message) => {
    const bad = file('bad.ini', '[web]\nw1 oops\nw2\n');
    const { err } = await asked(args.map((word) => word.replace('INI', ini).replace('BAD', bad)));
    expect(err).toContain(message);
  });

  it('are the good ones with --skip-bad, and each bad one is told', async () => {
    const bad = file('bad.ini', '[web]\nw1 oops\nw2\n');
    const { hosts, err } = await asked(['--inventory', bad, '--skip-bad', '@web']);
    expect(hosts).toEqual(['w2']);
    expect(err).toBe(`keylane: ${bad}:2: expected name=value behind the host; left out\n`);
  });
});

describe('the groups of keylane.yaml', () => {
  const io = (yaml: string) => {
    const fake = new FakeIo();
    fake.env.KEYLANE_CONFIG = file('keylane.yaml', yaml);
    return fake;
  };

  it('join those of inventories, with how their hosts are reached', async () => {
    const yaml = `
inventories: [{file: hosts.ini}]
groups:
  edge: {hosts: '@db, x[1-2]', ssh: {user: edge, jump: bastion, port: 2022}}
`;
    const { requests } = await asked(['@edge'], io(yaml));
    expect(requests).toEqual([
      { host: 'x1', user: 'edge', jump: 'bastion', port: 2022 },
      { host: 'x2', user: 'edge', jump: 'bastion', port: 2022 },
      { host: '10.0.0.9', user: 'edge', jump: 'bastion', port: 2022 },
    ]);
    expect((await asked(['-J', 'none', '@edge&@db'], io(yaml))).requests).toEqual([
      { host: '10.0.0.9', user: 'edge', port: 2022 },
    ]);
  });

  it('bound the requests to their hosts by labels', async () => {
    const yaml = "groups: {web: {hosts: 'w[1-2]', labels: [eu, free], limit: 2}}\nlimits: {groups: {eu: 5}}\n";
    const { engine } = await runExec(['-q', '@web,other'], { io: io(yaml) });
    const labels = engine.options.labels as (request: unknown, index: number) => readonly string[] | undefined;
    const given = [0, 1, 2].map((index) => [...(labels(engine.requests[index], index) ?? [])].sort());
    expect(given).toEqual([['eu', 'free', 'web'], ['eu', 'free', 'web'], []]);
  });

  it('run a command for an inventory only where that is allowed', async () => {
    const yaml = `inventories: [{command: [printf, 'a\\nb\\n']}]\n`;
    expect((await asked(['@all'], io(yaml))).err).toContain('command printf: is not run for an inventory');
    const allowed = io(`allowCommands: true\ndataDir: ${join(dir, 'data')}\n${yaml}`);
    expect((await asked(['@all'], allowed)).hosts).toEqual(['a', 'b']);
  });
});
