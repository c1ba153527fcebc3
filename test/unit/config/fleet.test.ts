import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LoadFleetOptions, loadFleet } from '../../../src/config/fleet.js';
import { loadConfig } from '../../../src/config/load.js';
import { expandHosts } from '../../../src/targets/hosts.js';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-fleet-'));
  file = join(dir, 'keylane.yaml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function fleet(text: string, options?: LoadFleetOptions) {
  writeFileSync(file, text);
  return loadFleet(await loadConfig({ file, env: { HOME: dir } }), options);
}

test('a group is its hosts and those of the groups in it', async () => {
  const { hostsOf } = await fleet(
    'groups:\n  web: {hosts: "web-[1-2]"}\n  all-of-us: {hosts: ["db-1, @web", "root@x:22"]}\n',
  );
  expect(hostsOf('web')).toEqual(['web-1', 'web-2']);
  expect(expandHosts('@all-of-us', hostsOf).sort()).toEqual(['db-1', 'root@x:22', 'web-1', 'web-2']);
  expect(() => expandHosts('@wbe,a', hostsOf)).toThrow(/^@wbe is no group that is known/);
});

test('what a group says goes for its hosts however they are named, its name is a label', async () => {
  const { of } = await fleet(
    'groups:\n  db: {hosts: ["db-[1-2]", "root@db-3:22"], labels: [prod], ssh: {user: postgres, port: 2222}}\n',
  );
  const labels = expect.arrayContaining(['db', 'prod']) as unknown;
  expect(of('db-1')).toEqual({ request: { host: 'db-1', user: 'postgres', port: 2_222 }, labels });
  expect(of('DB-1')).toMatchObject({ request: { user: 'postgres' }, labels });
  expect(of('admin@db-1:22')).toEqual({ request: { host: 'db-1', user: 'admin', port: 22 }, labels });
  expect(of('db-3')).toMatchObject({ labels });
  expect(of('root@db-3:22')).toEqual({ request: { host: 'db-3', user: 'root', port: 22 }, labels });
  expect(of('web-1')).toEqual({ request: { host: 'web-1' }, labels: [] });
});

test('of several groups the first says, field by field; the labels are those of all', async () => {
  const { of } = await fleet(
    'groups:\n  a: {hosts: h, ssh: {user: first}}\n  b: {hosts: h, labels: [x], ssh: {user: second, port: 7}}\n  c: {hosts: "@b", labels: [y]}\n',
  );
  expect(of('h').request).toEqual({ host: 'h', user: 'first', port: 7 });
  expect([...of('h').labels].sort()).toEqual(['a', 'b', 'c', 'x', 'y']);
});

test('an inventory says where a host is, and its groups join those of the configuration', async () => {
  writeFileSync(
    join(dir, 'hosts.ini'),
    '[web]\nweb-1 ansible_host=10.0.0.1 ansible_user=deploy\nweb-9\n[db]\ndb-1 ansible_port=99\n',
  );
  const { hostsOf, of } = await fleet(
    'inventories: [{file: hosts.ini}]\ngroups:\n  web: {hosts: web-2, limit: 3, ssh: {user: www, hostKeys: strict}}\n  both: {hosts: "@web,@db"}\n',
  );
  expect([...(hostsOf('web') ?? [])].sort()).toEqual(['web-1', 'web-2', 'web-9']);
  expect([...(hostsOf('both') ?? [])].sort()).toEqual(['db-1', 'web-1', 'web-2', 'web-9']);
  expect(of('web-1').request).toEqual({ host: '10.0.0.1', user: 'deploy', hostKeys: 'strict' });
  expect(of('web-9').request).toEqual({ host: 'web-9', user: 'www', hostKeys: 'strict' });
  expect(of('db-1').request).toEqual({ host: 'db-1', port: 99 });
  expect(of('db-1').labels).toContain('both');
  expect(of('root@web-1').request).toMatchObject({ host: '10.0.0.1', user: 'root' });
});

test('inventories of a command line are read beside those of the configuration', async () => {
  writeFileSync(join(dir, 'more'), 'm-1\nm-2\n');
  const { hostsOf } = await fleet('groups: {db: {hosts: d}}', { inventories: [join(dir, 'more')] });
  expect(hostsOf('all')).toEqual(expect.arrayContaining(['m-1', 'm-2', 'd']));
});

test('a group that is neither of the configuration nor of an inventory is refused', async () => {
  writeFileSync(join(dir, 'hosts.ini'), '[web]\nweb-1\n');
  await expect(fleet('inventories: [{file: hosts.ini}]\ngroups: {a: {hosts: "@webb"}}')).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: 'groups.a.hosts: @webb is no group that is known; did you mean @web?',
  });
});

test('a bad line of an inventory is refused by its line, or left out with a warning', async () => {
  writeFileSync(join(dir, 'hosts'), 'web-1\nweb-[2\n');
  const text = 'inventories: [{file: hosts, format: list}]';
  await expect(fleet(text)).rejects.toThrow(/hosts:2/);
  const { hostsOf, warnings } = await fleet(text, { skipBad: true });
  expect(hostsOf('all')).toEqual(['web-1']);
  expect(warnings.join()).toContain('hosts:2');
});

test('a command is run only where the configuration may allow it', async () => {
  const told = join(dir, 'ran');
  const text = `inventories: [{command: [sh, -c, "echo x >> ${told}; echo web-1"], format: list}]\n`;
  await expect(fleet(text)).rejects.toThrow(/allowCommands/);
  const { hostsOf } = await fleet(`${text}allowCommands: true`);
  expect(hostsOf('all')).toEqual(['web-1']);
});

test('labels that have a limit come before others, and too many of them are refused', async () => {
  const groups = (limited: number) =>
    Array.from({ length: 60 }, (_, i) => `  g${i}: {hosts: h${i >= 60 - limited ? ', limit: 5' : ''}}`).join('\n');
  const { of } = await fleet(`groups:\n${groups(32)}\n`);
  const { labels } = of('h');
  expect(labels).toHaveLength(32);
  expect([...labels].sort()).toEqual(Array.from({ length: 32 }, (_, i) => `g${i + 28}`).sort());
  const more = await fleet(`groups:\n${groups(33)}\n`);
  expect(() => more.of('h')).toThrow('h is in more than 32 groups that have a limit');
});

test('without groups and inventories nothing is read and hosts are what they are', async () => {
  const { of, hostsOf, warnings } = await fleet('shards: 2');
  expect(of('root@a:22')).toEqual({ request: { host: 'a', user: 'root', port: 22 }, labels: [] });
  expect(hostsOf('web')).toBeUndefined();
  expect(warnings).toEqual([]);
});
