import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KeylaneError, loadInventory } from '../../../../src/index.js';

const dir = mkdtempSync(join(tmpdir(), 'keylane-inventory-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
/** Writes a file and gives its path. */
function file(text: string, extension: string): string {
  const path = join(dir, `${++files}.${extension}`);
  writeFileSync(path, text);
  return path;
}

async function refusal(text: string, extension: string): Promise<KeylaneError> {
  const error: unknown = await loadInventory(file(text, extension)).then(
    () => new Error('it was taken'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KeylaneError)) throw error;
  return error;
}

describe('a bad entry is named, with what was expected', () => {
  it.each([
    ['ini', 'a\nb c\n', ':2: expected name=value behind the host'],
    ['ini', 'a\n[web\n', ':2: expected a "]"'],
    ['ini', 'a\n[web foo]\n', ':2: expected [group], [group:vars] or [group:children]'],
    ['ini', '[web:hosted]\na\n', ':1: expected [group]'],
    ['ini', 'a x="y\n', ':1: expected the double quote to be closed'],
    ['ini', 'a x=y\\\n', ':1: expected a character behind'],
    ['ini', 'web[1:x]\n', ':1: expected a range of numbers'],
    ['ini', 'web[3:1]\n', ':1: expected a range whose end is not before its start'],
    ['ini', 'web[01:100]\n', ':1: expected both ends of a padded range'],
    ['ini', 'web[1:5:0]\n', ':1: expected a step'],
    ['ini', 'web[1:9][1\n', ':1: expected a "]"'],
    ['ini', 'web:70000\n', ':1: expected a port'],
    ['ini', 'web:\n', ':1: expected a port'],
    ['ini', '-oProxyCommand=x\n', ':1: host "-oProxyCommand=x" starts with "-"'],
    ['ini', 'a ansible_port=ssh\n', ':1: expected a port from 1 to 65535'],
    ['ini', 'a ansible_host="x y"\n', ':1: host "x y" has " " in the host name'],
    ['ini', 'a ansible_user=-l\n', ':1: a user name must not begin with -'],
    ['ini', 'a ansible_host="{{ ip }}"\n', ':1: expected a host name or an address, not a template'],
    ['ini', '[web:vars]\nx=1\n', ':1: expected a section [web] somewhere, because [web:vars] names it'],
    ['ini', '[web:children]\ndb\n', ':2: expected a section [db] somewhere'],
    ['ini', '[web:children]\nweb\n', ':2: expected another group'],
    ['ini', '[web:children]\nall\n', ':2: expected another group than all'],
    ['ini', '[a:children]\nb\n[b:children]\nc\n[c:children]\na\n', 'expected no circle'],
    ['ini', '[a,b]\nx\n', ":1: expected a group's name"],
    ['ini', '[a]\nx\n[a:vars]\nnothing\n', ':4: expected name=value'],
    ['ini', '[a]\nx\n[a:vars]\nansible_group_priority=high\n', ':4: expected a whole number'],
    ['ini', 'a\n\u001bevil\n', ':2: expected UTF-8 without control characters'],
    ['yml', 'all:\n  hosts:\n    - a\n', ':2: expected names and colons below "hosts", not a list'],
    ['yml', 'all:\n  hosts:\n    a:\n      - x\n', ':3: expected variables below the host "a"'],
    ['yml', 'all:\n  hosts:\n    a[1-2]:\n', ':3: expected a range as [01:20]'],
    ['yml', '- a\n', ':1: expected groups by name'],
    ['yml', 'plugin: azure_rm\n', ':1: expected an inventory, not the settings of a plugin'],
    ['yml', 'a:\n  children:\n    b:\n      children:\n        a:\n', ':5: expected no circle'],
    ['yml', 'all: {hosts: {a: {ansible_port: 0}}}\n', ':1: expected a port'],
    ['yml', 'all: [\n', ':2: is indented wrongly'],
    ['json', '{"web": {"hosts": "a"}}', ': web: expected a list in "hosts"'],
    ['json', '{"web": {"hosts": ["a", 1]}}', ': web.hosts.1: expected a name in quotes'],
    ['json', '{"_meta": {"hostvars": {"a": 1}}, "web": ["a"]}', ': _meta.hostvars.a: expected an object'],
    ['json', '["a",\n]', ':2: is not valid JSON'],
    ['json', '[1]', ': [0]: expected a host'],
    ['json', '{"a": 1}', ': expected a list of hosts'],
    ['txt', 'a\nweb-[1-\n', ':2: host "web-[1-" has a "["'],
  ])('%s: %j', async (extension, text, message) => {
    const error = await refusal(text, extension);
    expect(error.code).toMatch(/^ERR_CONFIG/);
    expect(error.message).toContain(join(dir, `${files}.${extension}`));
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('\u001b');
  });

  it('also a file that is not there', async () => {
    await expect(loadInventory(join(dir, 'none'))).rejects.toThrow('none: the inventory cannot be read: ENOENT');
  });

  it.each([
    ['an unknown field', { file: 'x', formatt: 'ini' }, 'source.formatt: unknown field; did you mean `format`?'],
    ['a format that is none', { file: 'x', format: 'toml' }, 'source.format: expected one of'],
    ['an empty command', { command: [] }, 'source.command'],
    ['a negative TTL', { command: ['x'], ttlMs: -1 }, 'source.ttlMs: expected at least 0'],
    ['NaN', { command: ['x'], ttlMs: Number.NaN }, 'source.ttlMs'],
  ])('also of what a program asks for: %s', async (_, source, message) => {
    await expect(loadInventory(source as never)).rejects.toThrow(message);
  });
});

describe('with skipBad', () => {
  it('the rest is kept, and each that is left out is told', async () => {
    const text = 'a\nb c\n[web\n[db]\nd\ne ansible_port=x\n[bad section]\nlost\n[eu:children]\ndb\nnone\n';
    const { groups, warnings } = await loadInventory(file(text, 'ini'), { skipBad: true });
    expect(groups).toMatchObject({ all: ['a', 'd'], db: ['d'], eu: ['d'] });
    expect(warnings.map((warning) => /:(\d+): /.exec(warning)?.[1])).toEqual(['2', '3', '6', '7', '11']);
  });

  it('a circle is cut where it closes', async () => {
    const text = '[a]\nx\n[a:children]\nb\n[b:children]\na\n[b]\ny\n';
    const { groups, warnings } = await loadInventory(file(text, 'ini'), { skipBad: true });
    expect(groups.a).toEqual(['x', 'y']);
    expect(warnings).toEqual([expect.stringContaining(':6: expected no circle')]);
  });

  it('what nothing can be made of is refused still', async () => {
    await expect(loadInventory(file('all: [', 'yml'), { skipBad: true })).rejects.toThrow(KeylaneError);
  });

  it('a file of nothing but bad entries is refused', async () => {
    await expect(loadInventory(file('a b\n'.repeat(10_001), 'ini'), { skipBad: true })).rejects.toThrow(
      ':10001: expected name=value behind the host; and so are 10,000 before it: is it another format?',
    );
  });

  it('warnings are bounded', async () => {
    const { warnings } = await loadInventory(file('a b\n'.repeat(1_000), 'ini'), { skipBad: true });
    expect(warnings).toHaveLength(101);
    expect(warnings.at(-1)).toBe('and 900 more like these');
  });
});

describe('a secret in clear', () => {
  const CANARY = 'hunter2-canary';
  it.each([
    ['ini', `a ansible_password=${CANARY}\n`],
    ['ini', `a ansible_ssh_pass='${CANARY}'\n`],
    ['ini', `a x="{'db_password': '${CANARY}'}"\n`],
    ['ini', `a\n[all:vars]\nansible_become_password = ${CANARY}\n`],
    ['ini', `a\n[all:vars]\nbecomePass=${CANARY}\n`],
    ['ini', `a mysql_pwd=${CANARY}\n`],
    ['ini', `a\n[all:vars]\napiToken = ${CANARY} # x\n`],
    ['yml', `all: {vars: {ansible_become_pass: ${CANARY}}}\n`],
    ['yml', `all: {hosts: {a: {db: {users: [{password: ${CANARY}}]}}}}\n`],
    ['yml', `all: {vars: {secret: [${CANARY}]}}\n`],
    ['json', `{"web": {"hosts": ["a"], "vars": {"ansible_password": "${CANARY}"}}}`],
    ['json', `[{"host": "a", "vars": {"token": "${CANARY}"}}]`],
    ['json', `[{"host": "a", "labels": {"password": "${CANARY}"}}]`],
    ['ini', `a key='-----BEGIN OPENSSH PRIVATE KEY-----${CANARY}'\n`],
  ])('is refused and never printed: %s %s', async (extension, text) => {
    const error = await refusal(text, extension);
    expect(error.message).toContain('secret in clear: write where it is, as env:NAME or file:PATH');
    expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain(CANARY);
    const map = extension === 'json' && text.startsWith('[') ? { map: { labels: 'labels' } } : {};
    const loaded = await loadInventory({ file: join(dir, `${files}.${extension}`), ...map }, { skipBad: true });
    expect(JSON.stringify(loaded)).not.toContain(CANARY);
    expect(loaded.warnings).toHaveLength(1);
  });

  it('is none where it is a reference, a template or encrypted', async () => {
    const text =
      'all:\n  vars:\n    ansible_password: env:SSH_PW\n    db_password: "{{ vault_db }}"\n    token: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      6162\n    bypass: all\n';
    const { hosts, find } = await loadInventory([file(text, 'yml'), { groups: { g: { hosts: 'a' } } }]);
    expect(hosts).toHaveLength(1);
    expect(find('a')).toMatchObject({ password: 'env:SSH_PW', vars: { db_password: '{{ vault_db }}', bypass: 'all' } });
  });

  it('appears in no message about something else on its line', async () => {
    for (const text of [`a ${CANARY}\n`, `a x="${CANARY}\n`, `[all:vars]\n${CANARY}\n`])
      expect((await refusal(text, 'ini')).message).not.toContain(CANARY);
    expect((await refusal(`{"a": "${CANARY}`, 'json')).message).not.toContain(CANARY);
  });
});

describe('what does not fit is told', () => {
  it.each([
    ['a ansible_connection=local\n', 'ansible_connection is not followed'],
    ['a ansible_ssh_common_args="-J b"\n', 'ansible_ssh_common_args is not followed: write ProxyJump'],
  ])('%s', async (text, warning) => {
    const { hosts, warnings } = await loadInventory(file(text, 'ini'));
    expect(hosts).toHaveLength(1);
    expect(warnings).toEqual([expect.stringContaining(`:1: ${warning}`)]);
  });
});
