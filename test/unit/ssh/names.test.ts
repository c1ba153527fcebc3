import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import { makeSshSpec } from '../../../src/specs/ssh.js';
import { jumpProblem, parseJump } from '../../../src/specs/ssh-jump.js';
import type { SshRequest } from '../../../src/ssh-types.js';
import { expandHosts, parseHost } from '../../../src/targets/hosts.js';

const spec = makeSshSpec();
const parse = (request: Partial<SshRequest>) => spec.parse({ host: 'web-1', command: 'true', ...request });

/** No host, user or jump host may be called so: an option, or a sign that a shell, ssh or a file of OpenSSH reads. */
const HOSTILE = [
  ...['-', '-oProxyCommand=x', '--', '-l', '', ' ', ' a', 'a ', 'a b', 'a\tb', 'a\nb', 'a\rb', 'a\0b', 'a\u001b[2J'],
  ...['$HOME', '$(id)', '`id`', 'a`b', 'a\\', '\\a', "a'b", 'a"b', '%h', 'a%%b', '%r@x', 'a;b', 'a&b', 'a|b', 'a<b'],
  ...[
    'a>b',
    'a(b',
    'a)b',
    '{a,b}',
    '*',
    'web-*',
    'a?',
    '!a',
    '#a',
    'a#b',
    '~',
    '~root',
    'a,b',
    'a/b',
    '../a',
    '@',
    'a^b',
  ],
  ...[
    '|1|a|b',
    '[a]',
    'a]',
    '[a',
    'a\u0085b',
    'a\u00a0b',
    'a\u200bb',
    'a\u202eb',
    'a\u2028b',
    '\ud800',
    'a\ufeff',
    'a＠b',
  ],
  'x'.repeat(256),
];

function refused(work: () => unknown): KeylaneError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT' && error.outcome === 'not_started') return error;
    throw error;
  }
  throw new Error('not refused');
}

test.each(HOSTILE)('%j is refused wherever a name is given, before anything is opened', (name) => {
  expect(refused(() => parse({ host: name })).message).toMatch(/^ssh\.host: /);
  expect(refused(() => parse({ user: name })).message).toMatch(/^ssh\.user: /);
  expect(refused(() => parse({ jump: [{ host: name }] })).message).toMatch(/^ssh\.jump/);
  expect(refused(() => parse({ jump: [{ host: 'a', user: name }] })).message).toMatch(/^ssh\.jump/);
  expect(refused(() => parse({ jump: `${name}@a` })).message).toMatch(/^ssh\.jump: /);
  expect(refused(() => parse({ sudo: { user: name } })).message).toMatch(/^ssh\.sudo/);
  expect(refused(() => parseHost(`${name}@a`)).message).toMatch(/^host "/);
});

test.each(HOSTILE.filter((name) => name !== 'a,b' && name !== '{a,b}'))(
  '%j is refused as a jump host in a text',
  (name) => {
    expect(refused(() => parse({ jump: name })).message).toMatch(/^ssh\.jump: /);
    expect(refused(() => parse({ jump: `me@${name}:22` })).message).toMatch(/^ssh\.jump: /);
    expect(refused(() => parse({ jump: `ssh://${name}` })).message).toMatch(/^ssh\.jump: /);
    expect(refused(() => parse({ jump: ['b', `b,${name}`] })).message).toMatch(/^ssh\.jump: /);
  },
);

// White space and commas separate there, # and ! have other meanings: what is left must be fit names, or nothing.
test.each(HOSTILE)('of %j in a hosts file or on the command line comes nothing that ssh would refuse', (text) => {
  for (const pattern of [text, `me@${text}`, `${text}@web`, `web[1-2]${text}`, `${text}:22`]) {
    let hosts: string[];
    try {
      hosts = expandHosts(pattern);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_INPUT' });
      continue;
    }
    for (const host of hosts) expect(() => parse({ ...parseHost(host) }), host).not.toThrow();
  }
});

test.each(['web-1', 'a.b.example.', 'a_b', 'häuser.example', '10.0.0.1', '::1', '[::1]', 'fe80::1%eth0', 'a-'])(
  '%s is a host',
  (host) => {
    expect(() => parse({ host })).not.toThrow();
  },
);

test.each(['root', 'first.last', 'svc_1', 'a-b', 'me+ops', 'jürgen', '1000', 'me@corp.example'])(
  '%s is a user',
  (user) => {
    expect(() => parse({ user })).not.toThrow();
  },
);

test.each(['web', '[web]:2222', 'web.example'])('%s is a name for known_hosts', (hostKeyAlias) => {
  expect(() => parse({ hostKeyAlias })).not.toThrow();
});

test.each(['*', 'a,b', '!a', '|1|x|y', '#', '@revoked', 'a b', '-a', 'a?'])(
  '%j is no name for known_hosts, where it would be a pattern or a mark',
  (hostKeyAlias) => {
    expect(refused(() => parse({ hostKeyAlias })).message).toMatch(/^ssh\.hostKeyAlias: /);
  },
);

test.each(['a%$(id)', '::1%$(id)', '::1%a b', 'fe80::1%', 'fe80::1%-o;x'])('the zone of %j is refused', (host) => {
  expect(refused(() => parse({ host })).message).toMatch(/^ssh\.host: /);
});

test.each<[string, unknown]>([
  ['none', []],
  ['NONE', []],
  ['a', [{ host: 'a' }]],
  ['me@a:2222', [{ host: 'a', user: 'me', port: 2222 }]],
  ['a,me@b,c:23', [{ host: 'a' }, { host: 'b', user: 'me' }, { host: 'c', port: 23 }]],
  ['[::1]:22', [{ host: '[::1]', port: 22 }]],
  ['me@[fe80::1%eth0]', [{ host: '[fe80::1%eth0]', user: 'me' }]],
  ['::1,me@2001:db8::2', [{ host: '::1' }, { host: '2001:db8::2', user: 'me' }]],
  ['ssh://a', [{ host: 'a' }]],
  ['ssh://me@a:2222/', [{ host: 'a', user: 'me', port: 2222 }]],
  ['SSH://me@[::1]:1,ssh://b', [{ host: '[::1]', user: 'me', port: 1 }, { host: 'b' }]],
  ['ssh://j%C3%BCrgen@a', [{ host: 'a', user: 'jürgen' }]],
  ['a:65535', [{ host: 'a', port: 65_535 }]],
])('the jump hosts of %s are read as ssh reads them', (text, hops) => {
  expect(jumpProblem(text)).toBeUndefined();
  expect(parseJump(text)).toEqual(hops);
});

test.each<[string, RegExp]>([
  ['', /expected a host/],
  ['a,', /comma too many/],
  [',a', /comma too many/],
  ['a,,b', /comma too many/],
  ['none,a,', /comma too many/],
  ['me@', /names no host/],
  [':22', /names no host/],
  ['@a', /a user name, not an empty/],
  ['@b@a', /neither begin nor end with @/],
  ['a:', /1 to 65535/],
  ['a:0', /1 to 65535/],
  ['a:65536', /1 to 65535/],
  ['a:+22', /1 to 65535/],
  ['a:22x', /1 to 65535/],
  ['a: 22', /1 to 65535/],
  ['a:22:23', /several ":"/],
  ['[::1', /brackets/],
  ['[::1]22', /brackets/],
  ['[a]:22', /\[a\] is no IPv6 address/],
  ['me:secret@a', /without a password/],
  ['ssh://me:secret@a', /without a password/],
  ['ssh://me;fingerprint=x@a', /not ;/],
  ['ssh://a/path', /not \//],
  ['ssh://%zz@a', /% that stands for no character/],
  ['ssh://%2DoX@a', /begin with -/],
  ['ssh://%24(id)@a', /not \$/],
  ['ssh://a%00b@c', /not U\+0000/],
  ['http://a', /1 to 65535/],
  ['a,me@-oX', /^in "me@-oX": a host name must not begin with -/],
  ['a,b,c,d,e,f,g,h,i', /at most 8 hops, not 9/],
])('as jump hosts %j is refused, with the fix', (text, says) => {
  expect(jumpProblem(text)).toMatch(says);
  expect(refused(() => parse({ jump: text })).message).toMatch(/^ssh\.jump: /);
});

test('hops are counted over all texts of a list', () => {
  expect(refused(() => parse({ jump: ['a,b,c,d', 'e,f,g,h', { host: 'i' }] })).message).toMatch(/8 hops, not 9/);
  expect(() => parse({ jump: ['a,b,c,d', 'e,f,g', { host: 'h' }, 'none'] })).not.toThrow();
});

test('a password in a jump text is not shown', () => {
  for (const jump of ['me:hunter2@a', 'b,me:hunter2@a', 'ssh://me:hunter2@a', ['ssh://me:hunter2@a:x']])
    expect(refused(() => parse({ jump })).message).not.toContain('hunter2');
  expect(refused(() => parseHost('me:hunter2@a')).message).not.toContain('hunter2');
});

test.each([
  ['HostName', 'a;id'],
  ['HostName', '*'],
  ['HostName', '-oProxyCommand=id'],
  ['User', '$(id)'],
  ['User', '-l'],
  ['HostKeyAlias', '*'],
  ['HostKeyAlias', 'a,b'],
  ['ProxyJump', '-oX'],
  ['ProxyJump', 'a|id'],
  ['ProxyJump', 'me@*'],
  ['ProxyJump', '~@a'],
])('%s %s in an ssh_config is refused with its file and line', async (keyword, value) => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-names-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const config = join(dir, 'config');
  writeFileSync(config, `Host web\n  ${keyword} ${value}\n`, { mode: 0o600 });
  const configured = makeSshSpec({ config });
  const refusal = await (async () => configured.resolve?.({ host: 'web', command: 'x' }))().catch((error) => error);
  expect(refusal).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started' });
  expect(refusal.message).toMatch(/:\d+: /);
});
