import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type InventoryMap, loadInventory } from '../../../../src/index.js';

const dir = mkdtempSync(join(tmpdir(), 'keylane-inventory-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Writes a file and gives its path. */
function file(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const INI = `
# two hosts without a group
lone
web-[01:02].example ansible_user=deploy

[web]
web-[01:02].example:2222
a ansible_host=10.0.0.1 keylane_labels=blue,fast

[eu:children]
web

[eu:vars]
ansible_ssh_private_key_file = ~/.ssh/eu
color = red
`;
const YAML = `
all:
  hosts:
    lone:
  children:
    eu:
      vars: {color: red, ansible_ssh_private_key_file: ~/.ssh/eu}
      children:
        web:
          hosts:
            web-[01:02].example: {ansible_user: deploy, ansible_port: 2222}
            a: {ansible_host: 10.0.0.1, keylane_labels: [blue, fast]}
`;
const DYNAMIC = JSON.stringify({
  _meta: {
    hostvars: {
      'web-01.example': { ansible_user: 'deploy', ansible_port: 2222 },
      'web-02.example': { ansible_user: 'deploy', ansible_port: '2222' },
      a: { ansible_host: '10.0.0.1', keylane_labels: ['blue', 'fast'] },
      stranger: { color: 'green' },
    },
  },
  all: { children: ['ungrouped', 'eu'] },
  ungrouped: { hosts: ['lone'] },
  eu: { children: ['web'], vars: { color: 'red', ansible_ssh_private_key_file: '~/.ssh/eu' } },
  web: ['web-01.example', 'web-02.example', 'a'],
});

describe('the same hosts come from', () => {
  it.each([
    [
      'INI',
      'hosts',
      INI.replace('web-[01:02].example ansible_user=deploy', '').replace(':2222', ':2222 ansible_user=deploy'),
    ],
    ['YAML', 'hosts.yml', YAML],
    ['YAML without a name that says so', 'inventory', YAML],
    [
      'YAML written as JSON',
      'tree.json',
      JSON.stringify({
        all: {
          hosts: { lone: null },
          children: {
            eu: {
              vars: { color: 'red', ansible_ssh_private_key_file: '~/.ssh/eu' },
              children: {
                web: {
                  hosts: {
                    'web-[01:02].example:2222': { ansible_user: 'deploy' },
                    a: { ansible_host: '10.0.0.1', keylane_labels: 'blue fast' },
                  },
                },
              },
            },
          },
        },
      }),
    ],
    ['what a program in place of an inventory prints', 'dynamic', DYNAMIC],
  ])('%s', async (_, name, text) => {
    const inventory = await loadInventory(file(`same/${name}`, text));
    const { hosts, groups, find } = inventory;
    expect(groups).toEqual({
      all: expect.arrayContaining(['lone', 'web-01.example', 'web-02.example', 'a']),
      ungrouped: ['lone'],
      eu: ['web-01.example', 'web-02.example', 'a'],
      web: ['web-01.example', 'web-02.example', 'a'],
    });
    expect(hosts).toHaveLength(4);
    expect(find('lone')).toMatchObject({ name: 'lone', host: 'lone', groups: ['ungrouped'], labels: [], vars: {} });
    expect(find('web-02.example')).toMatchObject({
      host: 'web-02.example',
      port: 2222,
      user: 'deploy',
      identity: '~/.ssh/eu',
      groups: ['eu', 'web'],
    });
    expect(find('a')).toMatchObject({ host: '10.0.0.1', labels: ['blue', 'fast'], vars: { color: 'red' } });
    expect(find('a')).not.toHaveProperty('port');
    expect(find('stranger')).toBeUndefined();
  });
});

describe('JSON of any shape', () => {
  const VMS = [
    {
      name: 'vm-1',
      publicIps: '20.1.2.3,20.1.2.4',
      resourceGroup: 'Prod EU',
      location: 'westeurope',
      tags: { role: 'web', tier: '1' },
    },
    { name: 'vm-2', publicIps: '20.1.2.5', resourceGroup: 'prod', location: 'westeurope', tags: null },
  ];
  const map: InventoryMap = { host: 'publicIps', groups: ['resourceGroup', 'location'], labels: 'tags' };

  it('is read by a map of its fields: az vm list --show-details', async () => {
    const { groups, find } = await loadInventory({ file: file('vms.json', JSON.stringify(VMS)), map });
    expect(groups).toEqual({
      all: ['vm-1', 'vm-2'],
      ungrouped: [],
      Prod_EU: ['vm-1'],
      westeurope: ['vm-1', 'vm-2'],
      prod: ['vm-2'],
    });
    expect(find('vm-1')).toMatchObject({ host: '20.1.2.3', labels: ['role=web', 'tier=1'] });
    expect(find('vm-2')).toMatchObject({ host: '20.1.2.5', labels: [] });
  });

  it('is read where the list is within other things', async () => {
    const within = { file: file('within.json', JSON.stringify({ value: VMS, next: null })), map };
    expect((await loadInventory(within)).hosts).toHaveLength(2);
    const deeper = {
      file: file('deeper.json', JSON.stringify({ data: { list: [{ n: 'x', net: [{ ip: '10.0.0.1' }] }] } })),
    };
    const { hosts } = await loadInventory({ ...deeper, map: { items: 'data.list', name: 'n', host: 'net.0.ip' } });
    expect(hosts).toMatchObject([{ name: 'x', host: '10.0.0.1' }]);
  });

  it('leaves out a machine that has no address now, instead of dialing its name', async () => {
    const off = file('off.json', JSON.stringify([...VMS, { name: 'vm-3', publicIps: '' }]));
    await expect(loadInventory({ file: off, map })).rejects.toThrow(
      'off.json: [2]: expected an address at publicIps of vm-3',
    );
    const { hosts, warnings } = await loadInventory({ file: off, map }, { skipBad: true });
    expect(hosts).toHaveLength(2);
    expect(warnings).toEqual([expect.stringContaining('vm-3')]);
  });

  it('is a list of hosts as they are typed, or of their fields', async () => {
    const items = [
      'web-[1-2]',
      'root@db:2222',
      {
        host: '10.0.0.1',
        name: 'x',
        port: 22,
        user: 'me',
        identity: '/k',
        labels: ['l'],
        groups: ['g'],
        vars: { v: [1] },
      },
      { host: 'y' },
    ];
    const { groups, find } = await loadInventory(file('plain.json', JSON.stringify(items)));
    expect(groups.all).toEqual(['web-1', 'web-2', 'root@db:2222', 'x', 'y']);
    expect(groups.g).toEqual(['x']);
    expect(find('root@db:2222')).toMatchObject({ host: 'db', user: 'root', port: 2222 });
    expect(find('x')).toMatchObject({
      host: '10.0.0.1',
      port: 22,
      user: 'me',
      identity: '/k',
      labels: ['l'],
      vars: { v: [1] },
    });
  });
});

it('takes the names of an ssh_config for hosts, of the files that it includes too', async () => {
  const more = file('ssh/more', 'Host db-1 db-2\n  User root\n');
  const config = file(
    'ssh/ssh_config',
    `Include ${more}\nHost web-1 *.example !web-2\n  HostName 10.0.0.1\nHost *\nMatch user x\n`,
  );
  const { groups, find } = await loadInventory(config);
  expect(groups.all).toEqual(['db-1', 'db-2', 'web-1']);
  // What is said of it, whoever connects reads from ssh_config itself.
  expect(find('web-1')).toMatchObject({ host: 'web-1' });
});

it('reads a plain file: a host or a pattern a line, with comments', async () => {
  const { groups } = await loadInventory(file('plain', '# mine\nweb-[01-02]  # two\n\nroot@db\n::1\n'));
  expect(groups.all).toEqual(['web-01', 'web-02', 'root@db', '::1']);
});

it('joins several sources: the later add, and count more', async () => {
  const first = file('first.ini', '[web]\na ansible_user=one\nb\n[web:vars]\ncolor=red\nansible_port=22\n');
  const second = file('second.ini', '[web]\nc\n[db]\na ansible_user=two\n[web:vars]\ncolor=blue\n');
  const given = {
    groups: {
      site: { children: ['web', 'db'], user: 'deploy', labels: ['on-site'] },
      more: { hosts: 'x-[1-2],root@y:2222' },
    },
  };
  const { groups, find } = await loadInventory([first, second, given]);
  expect(groups).toMatchObject({
    web: ['a', 'b', 'c'],
    db: ['a'],
    site: ['a', 'b', 'c'],
    more: ['x-1', 'x-2', 'root@y:2222'],
  });
  expect(find('a')).toMatchObject({ user: 'two', port: 22, vars: { color: 'blue' }, labels: ['on-site'] });
  expect(find('b')).toMatchObject({ user: 'deploy', groups: ['site', 'web'] });
  expect(find('root@y:2222')).toMatchObject({ host: 'y', user: 'root', port: 2222 });
});

it('merges variables before it looks at them: as Ansible does, the ssh_ ones go first, wherever they stand', async () => {
  const text =
    'h ansible_host=10.0.0.1 ansible_user=own ansible_port=9 ansible_ssh_port=7\n[all:vars]\nansible_ssh_user=group\nansible_ssh_host=10.0.0.9\nansible_private_key_file=/a\nansible_ssh_private_key_file=/b\n';
  const { find } = await loadInventory(file('names.ini', text));
  // What `ansible h -m raw -a true -vvvv` gives to ssh.
  expect(find('h')).toMatchObject({ host: '10.0.0.9', user: 'group', port: 7, identity: '/b' });
});

it('gives a child group the last word, and a priority only among groups of one depth', async () => {
  const text =
    '[a]\nh\n[b]\nh\n[top:children]\na\n[a:vars]\nx=a\ny=a\nansible_group_priority=5\n[b:vars]\nx=b\n[top:vars]\ny=top\nz=top\n[all:vars]\nz=all\n';
  const { find } = await loadInventory(file('priority.ini', text));
  expect(find('h')?.vars).toEqual({ x: 'a', y: 'a', z: 'top' });
});

it('gives out nothing that can be changed', async () => {
  const { hosts, groups, warnings } = await loadInventory({
    groups: { g: { hosts: 'h', vars: { deep: { list: [1] } } } },
  });
  const deep = hosts[0]?.vars.deep as { list: number[] };
  for (const part of [
    hosts,
    hosts[0],
    hosts[0]?.labels,
    hosts[0]?.groups,
    hosts[0]?.vars,
    deep,
    deep.list,
    groups,
    groups.g,
    warnings,
  ])
    expect(Object.isFrozen(part)).toBe(true);
});

it('can be written as JSON, with all variables', async () => {
  const inventory = await loadInventory({ groups: { g: { hosts: 'h', user: 'me' } } });
  expect(JSON.parse(JSON.stringify(inventory))).toEqual({
    hosts: [{ name: 'h', host: 'h', user: 'me', labels: [], groups: ['g'], vars: { ansible_user: 'me' } }],
    groups: { all: ['h'], ungrouped: [], g: ['h'] },
    warnings: [],
  });
});
