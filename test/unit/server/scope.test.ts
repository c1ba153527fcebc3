import { expect, test } from 'vitest';
import { principalOf } from '../../../src/server/access/principal.ts';
import type { TokenOptions } from '../../../src/server/access/token-options.ts';
import { httpRequest } from '../../../src/specs/http-schema.ts';
import { sshRequest } from '../../../src/specs/ssh-schema.ts';
import { stdioRequest } from '../../../src/specs/stdio-schema.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const bearer = (about: Partial<TokenOptions>) =>
  principalOf({ name: 'tenant', token: `sha256:${'0'.repeat(64)}`, ...about }, new FakeClock());
/** The field that a request is refused for; undefined where it is taken. */
const refused = (about: Partial<TokenOptions>, request: object, driver = 'ssh'): string | undefined => {
  try {
    bearer(about).checkRequest(driver, request);
  } catch (error) {
    const { code, fields } = error as { code: string; fields: { field: string }[] };
    expect(code).toBe('ERR_FORBIDDEN');
    return fields[0]?.field;
  }
  return undefined;
};

const LIMITED = { hosts: ['web-*'] };
const PLAIN = { host: 'web-1', command: 'true' };
/** Of each field of an `ssh` request a value that a schema takes. */
const FIELDS: Record<string, unknown> = {
  host: 'web-1',
  port: 22,
  user: 'root',
  identity: '/etc/ssh/ssh_host_ed25519_key',
  identitiesOnly: true,
  agent: '/run/agent.sock',
  forwardAgent: true,
  methods: ['publickey'],
  passphrase: 'env:HOME',
  password: 'file:/etc/shadow',
  knownHosts: '/dev/null',
  hostKeyAlias: 'elsewhere',
  hashKnownHosts: true,
  hostKeys: 'strict',
  algorithms: { kex: '+diffie-hellman-group1-sha1' },
  bindAddress: '127.0.0.1',
  addressFamily: 'inet',
  transport: 'openssh',
  jump: 'elsewhere',
  op: 'exec',
  command: 'true',
  argv: ['true'],
  shell: 'posix',
  stdin: 'x',
  env: { A: '1' },
  maxOutputBytes: 1,
  encoding: 'utf8',
  silenceMs: 1,
  killTree: true,
  pty: true,
  sudo: true,
  detach: true,
  id: 'a',
  local: '/etc/shadow',
  remote: 'x',
  mode: 0o600,
  preserve: true,
  parents: true,
  resume: true,
};

test('of each field that an ssh request knows it is decided what a token may say', () => {
  expect(Object.keys(FIELDS).sort()).toEqual(Object.keys(sshRequest.shape).sort());
  const forWhom = Object.fromEntries(
    Object.entries(FIELDS).map(([field, value]) => {
      const request = { ...PLAIN, [field]: value };
      const of = [refused({}, request) === undefined, refused(LIMITED, request) === undefined];
      return [field, of[1] ? 'anybody' : of[0] ? 'all hosts' : 'files'];
    }),
  );
  expect(forWhom).toMatchInlineSnapshot(`
    {
      "addressFamily": "anybody",
      "agent": "files",
      "algorithms": "all hosts",
      "argv": "anybody",
      "bindAddress": "all hosts",
      "command": "anybody",
      "detach": "anybody",
      "encoding": "anybody",
      "env": "anybody",
      "forwardAgent": "files",
      "hashKnownHosts": "files",
      "host": "anybody",
      "hostKeyAlias": "all hosts",
      "hostKeys": "anybody",
      "id": "anybody",
      "identitiesOnly": "all hosts",
      "identity": "files",
      "jump": "all hosts",
      "killTree": "anybody",
      "knownHosts": "files",
      "local": "files",
      "maxOutputBytes": "anybody",
      "methods": "anybody",
      "mode": "anybody",
      "op": "anybody",
      "parents": "anybody",
      "passphrase": "files",
      "password": "files",
      "port": "anybody",
      "preserve": "anybody",
      "pty": "anybody",
      "remote": "anybody",
      "resume": "anybody",
      "shell": "anybody",
      "silenceMs": "anybody",
      "stdin": "anybody",
      "sudo": "anybody",
      "transport": "all hosts",
      "user": "anybody",
    }
  `);
});

test('what is of the service machine is refused in hops and in sudo too, and taken where the token says files', () => {
  for (const [request, field] of [
    [{ ...PLAIN, sudo: { password: 'env:HOME' } }, 'request.sudo.password'],
    [{ ...PLAIN, jump: [{ host: 'b', identity: '/root/.ssh/id_rsa' }] }, 'request.jump[0].identity'],
    [{ ...PLAIN, jump: ['a', { host: 'b', hostKeys: 'insecure' }] }, 'request.jump[1].hostKeys'],
    [{ ...PLAIN, hostKeys: 'insecure' }, 'request.hostKeys'],
    [{ ...PLAIN, hostKeys: 'accept-new' }, 'request.hostKeys'],
    [{ host: 'web-1', op: 'put', remote: 'x', local: '/etc/shadow' }, 'request.local'],
  ] as const) {
    expect(refused({}, request)).toBe(field);
    expect(refused(LIMITED, request)).toBe(field.startsWith('request.jump') ? 'request.jump' : field);
    expect(refused({ files: true }, request)).toBeUndefined();
    expect(refused({ admin: true }, request)).toBeUndefined();
  }
});

test('a token for some hosts takes no other host, no account, no field of tomorrow', () => {
  for (const [request, field] of [
    [{ ...PLAIN, host: 'db-1' }, 'request.host'],
    [{ ...PLAIN, host: 'root@web-1' }, 'request.host'],
    [{ ...PLAIN, host: 'web-1:2222' }, 'request.host'],
    [{ ...PLAIN, port: 2222 }, 'request.host'],
    [{ ...PLAIN, port: '22' }, 'request.host'],
    [{ ...PLAIN, host: ['web-1'] }, 'request.host'],
    [{ ...PLAIN, host: { toString: 'web-1' } }, 'request.host'],
    [{ command: 'true' }, 'request.host'],
    [{}, 'request.host'],
    [{ account: 'a', command: 'true' }, 'request.account'],
    [{ ...PLAIN, jump: 'web-2' }, 'request.jump'],
    [{ ...PLAIN, newField: 1 }, 'request.newField'],
  ] as const)
    expect(refused(LIMITED, request), JSON.stringify(request)).toBe(field);
  for (const host of ['web-1', 'WEB-2', 'web-x']) expect(refused(LIMITED, { ...PLAIN, host })).toBeUndefined();
});

test('of echo the patterns are of the key; of drivers that nobody here knows it cannot be told', () => {
  expect(refused(LIMITED, { key: 'web-1' }, 'echo')).toBeUndefined();
  expect(refused(LIMITED, { key: 'db-1' }, 'echo')).toBe('request.key');
  expect(refused(LIMITED, { key: 1 }, 'echo')).toBe('request.key');
  expect(refused(LIMITED, { key: 'web-1', more: 1 }, 'echo')).toBe('request.more');
  expect(refused(LIMITED, { key: 'web-1' }, 'own')).toBe('driver');
  expect(refused({ ...LIMITED, drivers: ['own'] }, { key: 'web-1' }, 'own')).toBe('driver');
  expect(refused({}, { key: 'x' }, 'own')).toBe('driver');
  expect(refused({ drivers: ['own'] }, { key: 'x' }, 'own')).toBeUndefined();
  expect(refused({ drivers: ['own'] }, { key: 'x' }, 'echo')).toBe('driver');
});

test('of stdio the driver must be named, and the patterns are of the server', () => {
  const stdio = { server: 'memory', method: 'tools/list', params: {}, notify: true, session: 'tenant/s' };
  expect(Object.keys(stdio).sort()).toEqual(Object.keys(stdioRequest.shape).sort());
  expect(refused({}, stdio, 'stdio')).toBe('driver');
  expect(refused({ files: true }, stdio, 'stdio')).toBe('driver');
  expect(refused({ admin: true }, stdio, 'stdio')).toBeUndefined();
  const named = { drivers: ['stdio'] };
  expect(refused(named, stdio, 'stdio')).toBeUndefined();
  expect(refused(named, PLAIN)).toBe('driver');
  const some = { ...named, hosts: ['mem*', 'everything'] };
  expect(refused(some, stdio, 'stdio')).toBeUndefined();
  expect(refused(some, { ...stdio, server: 'everything' }, 'stdio')).toBeUndefined();
  expect(refused(some, { ...stdio, server: 'files' }, 'stdio')).toBe('request.server');
  expect(refused(some, { ...stdio, server: ['memory'] }, 'stdio')).toBe('request.server');
  expect(refused(some, { method: 'x' }, 'stdio')).toBe('request.server');
  // Nobody shares a process with another token.
  for (const session of [undefined, '', 's', 'tenant', 'tenants/s', 'other/tenant/s', ['tenant/s'], 7])
    expect(refused(named, { ...stdio, session }, 'stdio'), String(session)).toBe('request.session');
  for (const field of ['command', 'args', 'env', 'cwd', 'newField'])
    expect(refused(some, { ...stdio, [field]: 'x' }, 'stdio')).toBe(`request.${field}`);
});

/** Of each field of an `http` request a value that a schema takes. */
const HTTP_FIELDS: Record<string, unknown> = {
  ...{
    url: 'https://web-1/x',
    method: 'POST',
    headers: { a: 'b' },
    body: 'x',
    json: {},
    redirects: 0,
    maxBodyBytes: 1,
  },
  ...{ events: true, encoding: 'buffer', http2: true, servername: 'elsewhere', proxy: 'http://elsewhere', ca: '/ca' },
  ...{ proxyPassword: 'env:P', cert: '/c', key: 'file:/etc/shadow', passphrase: 'env:Q', bearer: 'env:TOKEN' },
};

test('of http each field is decided: files, secrets and proxies need `files`, and no field leads to another host', () => {
  expect(Object.keys(HTTP_FIELDS).sort()).toEqual(Object.keys(httpRequest.shape).sort());
  const some = { drivers: ['http'] };
  const machine = ['proxy', 'proxyPassword', 'ca', 'cert', 'key', 'passphrase', 'bearer'];
  for (const [field, value] of Object.entries(HTTP_FIELDS)) {
    const request = { url: 'https://web-1/', redirects: 0, [field]: value };
    const isOfTheMachine = machine.includes(field);
    expect(refused({}, request, 'http')).toBe('driver');
    expect(refused(some, request, 'http')).toBe(isOfTheMachine ? `request.${field}` : undefined);
    expect(refused({ ...some, files: true }, request, 'http')).toBeUndefined();
    const elsewhere = isOfTheMachine || field === 'servername';
    for (const files of [false, true])
      expect(refused({ ...some, ...LIMITED, files }, request, 'http')).toBe(elsewhere ? `request.${field}` : undefined);
  }
  expect(refused({ admin: true }, HTTP_FIELDS, 'http')).toBeUndefined();
});

test('of http the patterns are of the host and the port that the URL means, and nothing may lead on', () => {
  const some = { drivers: ['http'], hosts: ['web-*', 'api.example:8443', '10.0.0.1', 'deploy@db', '[::1]:*'] };
  const field = (url: unknown, more: object = { redirects: 0 }) => refused(some, { url, ...more }, 'http');
  for (const url of [
    'https://web-1/',
    'http://WEB-2:80/x',
    'https://api.example:8443/',
    'http://0x0a.1/',
    'http://[::1]:9/',
  ])
    expect(field(url), url).toBeUndefined();
  for (const url of [
    ...[
      'https://db-1/',
      'https://web-1:8443/',
      'https://web-1:22/',
      'http://web-1:443/',
      'https://web-1.evil.example/',
    ],
    ...['https://api.example/', 'http://deploy@db/', 'http://db/', 'https://evil.example/web-1', 'https://web-1./'],
    ...['https://web-1@evil.example/', 'https://evil.example#web-1', 'https://evil.example\\@web-1/', 'ftp://web-1/'],
    ...['web-1', 'unix:/web-1', '', undefined, 7, ['https://web-1/'], { href: 'https://web-1/' }],
  ])
    expect(field(url), String(url)).toBe('request.url');
  expect(field('https://web-1/', {})).toBe('request.redirects');
  expect(field('https://web-1/', { redirects: 1 })).toBe('request.redirects');
  expect(field('https://web-1/', { redirects: 0, newField: 1 })).toBe('request.newField');
  for (const [key, sees] of [
    ['https://web-1', true],
    ['http://web-1', true],
    ['https://web-1:8443', false],
    ['https://api.example:8443', true],
    ['https://db-1', false],
  ] as const)
    expect(bearer(some).seesKey(key), key).toBe(sees);
});

test('who may only look runs nothing, who may only run changes nothing of the whole service', () => {
  const codes = (about: Partial<TokenOptions>) =>
    (['nothing', 'read', 'run', 'admin'] as const).filter((needs) => {
      try {
        bearer(about).check(needs);
        return true;
      } catch {
        return false;
      }
    });
  expect(codes({ readOnly: true })).toEqual(['nothing', 'read']);
  expect(codes({})).toEqual(['nothing', 'read', 'run']);
  expect(codes({ admin: true })).toEqual(['nothing', 'read', 'run', 'admin']);
  expect(() => bearer({ readOnly: true }).checkRequest('echo', { key: 'k' })).toThrow('may look, and run nothing');
  expect([bearer({}).sees('tenant'), bearer({}).sees('other'), bearer({}).sees(undefined)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(bearer({ admin: true }).sees('other')).toBe(true);
});
