import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import { makeSshSpec, type SshOptions, type SshTarget, sshOptions } from '../../../src/specs/ssh.js';
import type { SshRequest } from '../../../src/ssh-types.js';
import { check } from '../../../src/util/check.js';

const spec = makeSshSpec();
const parse = (request: unknown) => spec.parse(request as SshRequest);

function refusal(request: unknown): KeylaneError {
  try {
    parse(request);
  } catch (error) {
    expect(error).toBeInstanceOf(KeylaneError);
    return error as KeylaneError;
  }
  throw new Error(`not refused: ${JSON.stringify(request)}`);
}

const fine = { host: 'web-17', command: 'uptime' };

test.each<[string, unknown, RegExp]>([
  ['no host', { command: 'x' }, /^ssh\.host: .*missing/],
  ['an empty host', { ...fine, host: '' }, /^ssh\.host: .*empty/],
  ['a host that looks like an option', { ...fine, host: '-oProxyCommand=x' }, /^ssh\.host: .*begin with -/],
  ['a host with white space', { ...fine, host: 'a b' }, /^ssh\.host: .*white space/],
  ['a host with a variable', { ...fine, host: '$HOME' }, /^ssh\.host: /],
  ['a host with a backtick', { ...fine, host: '`id`' }, /^ssh\.host: /],
  ['a host with a quote', { ...fine, host: "a'b" }, /^ssh\.host: /],
  ['a host with a token', { ...fine, host: '%h' }, /^ssh\.host: /],
  ['a host with a line end', { ...fine, host: 'a\nb' }, /^ssh\.host: /],
  ['a host with an invisible character', { ...fine, host: 'a\u200bb' }, /^ssh\.host: /],
  ['a host with its port', { ...fine, host: 'a:22' }, /^ssh\.host: .*`port`/],
  ['a host with its user', { ...fine, host: 'me@a' }, /^ssh\.host: .*`user`/],
  ['a zone on what is no IPv6 address', { ...fine, host: 'a%eth0' }, /^ssh\.host: /],
  ['a user that looks like an option', { ...fine, user: '-l' }, /^ssh\.user: .*begin with -/],
  ['a user with a slash', { ...fine, user: 'a/b' }, /^ssh\.user: /],
  ['a user that ends with an @', { ...fine, user: 'a@' }, /^ssh\.user: /],
  ['port 0', { ...fine, port: 0 }, /^ssh\.port: .*1 to 65535; got 0$/],
  ['port 65536', { ...fine, port: 65_536 }, /^ssh\.port: .*1 to 65535/],
  ['half a port', { ...fine, port: 22.5 }, /^ssh\.port: .*whole number/],
  ['a port as text', { ...fine, port: '22' }, /^ssh\.port: .*got "22"/],
  ['neither command nor argv', { host: 'a' }, /^ssh\.command: .*`argv`/],
  ['both command and argv', { ...fine, argv: ['x'] }, /^ssh\.argv: .*not both/],
  ['an empty argv', { host: 'a', argv: [] }, /^ssh\.argv: .*program/],
  ['a NUL in the command', { ...fine, command: 'a\0b' }, /^ssh\.command: .*NUL.*`stdin`/],
  ['a NUL in a word', { host: 'a', argv: ['x', 'a\0b'] }, /^ssh\.argv\[1\]: .*NUL/],
  ['half a surrogate pair', { host: 'a', argv: ['\ud800'] }, /^ssh\.argv\[0\]: .*surrogate/],
  ['a command of more than 1 MiB', { ...fine, command: 'x'.repeat((1 << 20) + 1) }, /^ssh\.command: .*`stdin`/],
  ['an argv of more than 4,096 words', { host: 'a', argv: Array(4_097).fill('x') }, /^ssh\.argv: .*4,096/],
  ['an argv of more than 1 MiB', { host: 'a', argv: Array(3).fill('x'.repeat(500_000)) }, /^ssh\.argv: .*1 MiB/],
  ['argv for PowerShell', { host: 'a', argv: ['x'], shell: 'powershell' }, /^ssh\.shell: .*powershell; give `command`/],
  ['argv for cmd', { host: 'a', argv: ['x'], shell: 'cmd' }, /^ssh\.shell: .*for cmd; give `command`/],
  ['an unknown shell', { host: 'a', argv: ['x'], shell: 'nu' }, /^ssh\.shell: .*'posix'.*got "nu"/],
  ['a shell for a command, which nobody quotes', { ...fine, shell: 'csh' }, /^ssh\.shell: .*`argv`/],
  ['a stdin of more than 16 MiB', { ...fine, stdin: Buffer.alloc((16 << 20) + 1) }, /^ssh\.stdin: .*16 MiB.*stream/],
  ['what is no base64 as stdin', { ...fine, stdin: { base64: 'a' } }, /^ssh\.stdin: .*base64/],
  ['a number as stdin', { ...fine, stdin: 5 }, /^ssh\.stdin: .*Uint8Array/],
  ['a variable with a bad name', { ...fine, env: { '1A': 'x' } }, /^ssh\.env\.1A: .*name/],
  ['a variable that is no text', { ...fine, env: { A: 1 } }, /^ssh\.env\.A: /],
  ['a NUL in a variable', { ...fine, env: { A: '\0' } }, /^ssh\.env\.A: .*NUL/],
  ['an unknown way with host keys', { ...fine, hostKeys: 'no' }, /^ssh\.hostKeys: .*'accept-new'.*got "no"/],
  ['an unknown encoding', { ...fine, encoding: 'latin1' }, /^ssh\.encoding: .*'utf8', 'buffer'/],
  ['negative output', { ...fine, maxOutputBytes: -1 }, /^ssh\.maxOutputBytes: /],
  ['more than 1 GiB of output', { ...fine, maxOutputBytes: 2 ** 31 }, /^ssh\.maxOutputBytes: .*1 GiB/],
  ['an empty identity', { ...fine, identity: '' }, /^ssh\.identity: .*path/],
  ['a misspelt field', { ...fine, prot: 22 }, /^ssh\.prot: unknown field; did you mean `port`\?$/],
  ['a field of another tool', { ...fine, become: true }, /^ssh\.become: unknown field; known are host, /],
  ['no object', 'web-17', /^ssh: expected an object/],
  ['null', null, /^ssh: expected an object; got null$/],
])('%s is refused by field, with the fix', (_what, request, says) => {
  const error = refusal(request);
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
  expect(error.message).toMatch(says);
});

test('each problem has a line of its own', () => {
  const { message } = refusal({ host: '-x', command: 'x', port: 0, user: '' });
  expect(message.split('\n').map((line) => line.split(':')[0])).toEqual(['ssh.host', 'ssh.port', 'ssh.user']);
});

test.each(['password', 'passphrase'])('a %s in the open is refused, and not shown', (field) => {
  const { message } = refusal({ ...fine, [field]: 'hunter2' });
  expect(message).toMatch(new RegExp(`^ssh\\.${field}: .*\`env:NAME\` or \`file:PATH\``));
  expect(message).not.toContain('hunter2');
});

test('what may hold a secret is not shown', () => {
  for (const request of [
    { ...fine, env: { A: 'hunter2\0' } },
    { host: 'a', argv: ['hunter2\0'] },
    { host: 'a', command: 'hunter2\0' },
  ]) {
    expect(refusal(request).message).not.toContain('hunter2');
  }
});

test.each([
  ['Web-17', 22, 'web-17:22'],
  ['10.0.0.1', 2222, '10.0.0.1:2222'],
  ['::1', 22, '[::1]:22'],
  ['[FE80::1%eth0]', 22, '[fe80::1%eth0]:22'],
])('%s port %i has the key %s', (host, port, key) => {
  expect(parse({ ...fine, host, port }).key).toBe(key);
});

test('argv arrives quoted, and the rest as it was', () => {
  const { request } = parse({ host: 'a', argv: ['echo', "it's"], stdin: 'in', env: { A: 'b' } });
  expect(request).toEqual({
    op: 'exec',
    command: "'echo' 'it'\\''s'",
    stdin: 'in',
    env: { A: 'b' },
    maxOutputBytes: 1 << 20,
    encoding: 'utf8',
  });
});

test('bytes on stdin may be base64, as JSON has to have them', () => {
  const { request } = parse({ host: 'a', command: 'cat', stdin: { base64: '/wD+' } });
  expect(request).toMatchObject({ stdin: Buffer.from([0xff, 0, 0xfe]) });
});

test('a path means one file for ever', () => {
  const { target } = parse({ ...fine, identity: 'keys/a', knownHosts: '~/kh' }) as { target: SshTarget };
  expect(target.identities).toEqual([`${process.cwd()}/keys/a`]);
  expect(target.knownHosts).toEqual([expect.stringMatching(/^\/.*\/kh$/)]);
});

test('an identity leaves the other keys of the agent out', () => {
  const before = process.env.SSH_AUTH_SOCK;
  process.env.SSH_AUTH_SOCK = '/run/agent';
  try {
    const targetOf = (other: object) => parse({ ...fine, host: 'with-agent', ...other }).target as SshTarget;
    expect(targetOf({})).toMatchObject({ agent: '/run/agent', identitiesOnly: false });
    expect(targetOf({ identity: '/k' })).toMatchObject({ agent: '/run/agent', identitiesOnly: true });
    expect(targetOf({ agent: '/other' }).agent).toBe('/other');
    expect(targetOf({ agent: 'none' }).agent).toBeUndefined();
  } finally {
    if (before === undefined) delete process.env.SSH_AUTH_SOCK;
    else process.env.SSH_AUTH_SOCK = before;
  }
});

test('ok is status 0 and no signal', () => {
  const response = { stdout: '', stderr: '', truncated: false };
  expect(spec.ok({ ...response, code: 0, signal: null })).toBe(true);
  expect(spec.ok({ ...response, code: 1, signal: null })).toBe(false);
  expect(spec.ok({ ...response, code: null, signal: 'SIGTERM' })).toBe(false);
});

const who = fc.record(
  {
    host: fc.constantFrom('a', 'A', 'b', '::1', '[::1]'),
    port: fc.constantFrom(22, 2222),
    user: fc.constantFrom('me', 'you'),
    identity: fc.constantFrom('/k1', '/k2', ['/k1', '/k2']),
    identitiesOnly: fc.boolean(),
    agent: fc.constantFrom('/a1', 'none'),
    passphrase: fc.constantFrom('env:P1', 'env:P2'),
    password: fc.constantFrom('env:W1', 'file:/w'),
    knownHosts: fc.constantFrom('/h1', '/h2', ['/h1', '/h2']),
    hostKeys: fc.constantFrom('strict', 'accept-new', 'ask', 'insecure'),
    hostKeyAlias: fc.constantFrom('x', 'y'),
    hashKnownHosts: fc.boolean(),
    algorithms: fc.constantFrom({}, { kex: '+x' }, { macs: '+x' }),
    bindAddress: fc.constantFrom('127.0.0.1', '127.0.0.2'),
    addressFamily: fc.constantFrom('any', 'inet', 'inet6'),
    transport: fc.constantFrom('ssh2', 'openssh'),
    jump: fc.constantFrom('none', 'j', 'k:2222', 'me@j,k', ['k', { host: 'j', identity: '/k1' }]),
  },
  { requiredKeys: ['host'] },
);

test('two requests share a lane exactly if their targets are equal', () => {
  fc.assert(
    fc.property(who, who, (one, other) => {
      const [a, b] = [parse({ ...one, command: 'x' }), parse({ ...other, command: 'y' })];
      const equal =
        JSON.stringify(Object.entries(a.target as object).sort()) ===
        JSON.stringify(Object.entries(b.target as object).sort());
      expect(a.lane === b.lane).toBe(equal);
      if (equal) expect(a.key).toBe(b.key);
    }),
    { numRuns: 1_000 },
  );
});

test.each<[string, SshOptions]>([
  ['user', { user: 'other' }],
  ['port', { port: 2222 }],
  ['identity', { identity: '/k' }],
  ['passphrase', { passphrase: 'env:P' }],
  ['password', { password: 'env:W' }],
  ['knownHosts', { knownHosts: '/h' }],
  ['hostKeys', { hostKeys: 'accept-new' }],
  ['keepaliveMs', { keepaliveMs: 1 }],
  ['connectTimeoutMs', { connectTimeoutMs: 1 }],
  ['streams', { streams: 1 }],
  ['keepaliveCount', { keepaliveCount: 1 }],
  ['jump', { jump: 'bastion' }],
  ['algorithms', { algorithms: { ciphers: '+aes128-cbc' } }],
])('the default %s changes the lane', (_name, options) => {
  expect(check(sshOptions, options, 'ssh', 'ERR_CONFIG')).toEqual(options);
  expect(makeSshSpec(options).parse(fine).lane).not.toBe(parse(fine).lane);
});

test("a request's own field goes before the default", () => {
  const target = makeSshSpec({ user: 'a', port: 1, hostKeys: 'insecure' }).parse({
    ...fine,
    user: 'b',
    hostKeys: 'strict',
  }).target;
  expect(target).toMatchObject({ user: 'b', port: 1, hostKeys: 'strict' });
});

test('the key is the first hop, and the lane has all of them', () => {
  const parsed = parse({
    ...fine,
    jump: ['me@bastion:2222', { host: 'inner', identity: '/k', hostKeys: 'accept-new' }],
  });
  expect(parsed.key).toBe('bastion:2222');
  const { jump, ...target } = parsed.target as SshTarget;
  expect(target).toMatchObject({ host: 'web-17', port: 22 });
  expect(jump).toMatchObject({ host: 'inner', identities: ['/k'], hostKeys: 'accept-new' });
  expect(jump?.jump).toMatchObject({ host: 'bastion', port: 2222, user: 'me', hostKeys: 'strict' });
  expect(parse({ ...fine, jump: 'none' })).toEqual(parse(fine));
});

test("a hop takes the engine's defaults but user, port and password, and nothing of the request", () => {
  const own = parse({ ...fine, jump: 'bastion' }).target as SshTarget;
  const options: SshOptions = { user: 'a', port: 1, password: 'env:P', identity: '/k', hostKeys: 'accept-new' };
  const request = { ...fine, jump: 'bastion', user: 'b', hostKeys: 'insecure', knownHosts: '/h' } as const;
  const { jump } = makeSshSpec(options).parse(request).target as SshTarget;
  expect(jump).toMatchObject({ port: 22, identities: ['/k'], hostKeys: 'accept-new' });
  expect(jump?.user).toBe(own.jump?.user);
  expect(jump?.password).toBeUndefined();
  expect(jump?.knownHosts).toBeUndefined();
});

test.each<[Partial<SshRequest>, string]>([
  [{ op: 'put', remote: 'f', command: 'x' }, 'ssh.command: goes with exec, not with put'],
  [{ op: 'get' }, 'ssh.remote: expected a file on the host'],
  [{ op: 'poll' }, 'ssh.id: expected the id'],
  [{ op: 'collect', id: '../x' }, 'ssh.id: expected an id of letters'],
  [{ command: 'x', local: '/f' }, 'ssh.local: goes with put, get'],
  [{ command: 'x', jump: 'a,$(id)' }, 'ssh.jump: '],
])('%j is refused: %s', (request, says) => {
  expect(refusal({ host: 'a', ...request }).message).toContain(says);
});

test.each([
  { streams: 11 },
  { streams: 0 },
  { keepaliveMs: -1 },
  { connectTimeoutMs: 0 },
  { password: 'x' },
  { host: 'a' },
])('the options %j are refused', (options) => {
  expect(() => check(sshOptions, options, 'ssh', 'ERR_CONFIG')).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG' }),
  );
});
