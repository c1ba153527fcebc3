import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.js';
import { makeSshSpec, type SshOptions, type SshTarget } from '../../../src/specs/ssh.js';
import type { SshRequest } from '../../../src/ssh-types.js';
import type { Parsed } from '../../../src/types.js';

function file(text: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-config-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'config');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function parse(config: string, request: Partial<SshRequest>, options: SshOptions = {}): Promise<Parsed> {
  const spec = makeSshSpec({ config: file(config), ...options });
  return spec.parse(
    await (spec.resolve as (input: unknown) => Promise<never>)({ host: 'web', command: 'x', ...request }),
  );
}

async function targetOf(...given: Parameters<typeof parse>): Promise<SshTarget> {
  return (await parse(...given)).target as SshTarget;
}

async function refusal(...given: Parameters<typeof parse>): Promise<KeylaneError> {
  const error = await parse(...given).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KeylaneError);
  return error as KeylaneError;
}

const CONFIG = `
Host web
  HostName 10.0.0.7
  User deploy
  Port 2222
  IdentityFile /keys/one
  IdentityFile /keys/two
  UserKnownHostsFile /kh/a /kh/b
  GlobalKnownHostsFile none
  StrictHostKeyChecking accept-new
  HostKeyAlias alias
  HashKnownHosts yes
  ConnectTimeout 3
  ServerAliveInterval 7
  ServerAliveCountMax 2
  Ciphers +aes128-cbc
  BindAddress 127.0.0.9
  AddressFamily inet
`;

test('what the file says becomes the target', async () => {
  const { key, target } = await parse(CONFIG, {});
  expect(key).toBe('10.0.0.7:2222');
  expect(target).toMatchObject({
    host: '10.0.0.7',
    port: 2222,
    user: 'deploy',
    identities: ['/keys/one', '/keys/two'],
    identitiesOnly: false,
    knownHosts: ['/kh/a', '/kh/b'],
    hostKeys: 'accept-new',
    hostKeyAlias: 'alias',
    hashKnownHosts: true,
    connectTimeoutMs: 3_000,
    keepaliveMs: 7_000,
    keepaliveCount: 2,
    algorithms: { ciphers: '+aes128-cbc' },
    bindAddress: '127.0.0.9',
    addressFamily: 'inet',
    transport: 'ssh2',
  });
});

test('what decides about log-ins and terminals becomes fields of the target', async () => {
  const config =
    'PasswordAuthentication no\nRequiredRSASize 3072\nPubkeyAcceptedAlgorithms ssh-ed25519\nConnectionAttempts 3\n';
  expect(await targetOf(config, {})).toMatchObject({
    methods: ['gssapi-with-mic', 'hostbased', 'publickey', 'keyboard-interactive'],
    requiredRsaBits: 3_072,
    pubkeyAlgorithms: ['ssh-ed25519'],
    attempts: 3,
  });
  expect((await targetOf('PreferredAuthentications none,publickey,gssapi-with-mic\n', {})).methods).toEqual([
    'publickey',
    'gssapi-with-mic',
  ]);
  expect((await targetOf('', {})).methods).toBeUndefined();
});

test('ForwardAgent names a socket, a variable of ours, or the agent in use', async () => {
  process.env.KEYLANE_TEST_AGENT = '/run/b';
  expect((await targetOf('ForwardAgent /run/a\nIdentityAgent /run/c\n', {})).forwardAgent).toBe('/run/a');
  expect((await targetOf('ForwardAgent $KEYLANE_TEST_AGENT\n', {})).forwardAgent).toBe('/run/b');
  expect((await targetOf('ForwardAgent yes\nIdentityAgent /run/c\n', {})).forwardAgent).toBe('/run/c');
  expect((await targetOf('ForwardAgent no\nIdentityAgent /run/c\n', {})).forwardAgent).toBeUndefined();
  expect((await targetOf('ForwardAgent $KEYLANE_TEST_UNSET\nIdentityAgent /run/c\n', {})).forwardAgent).toBeUndefined();
});

test('nobody is asked about a host key where BatchMode is on', async () => {
  expect((await targetOf('StrictHostKeyChecking ask\nBatchMode yes\n', {})).hostKeys).toBe('strict');
  expect((await targetOf('StrictHostKeyChecking ask\n', {})).hostKeys).toBe('ask');
});

test('request goes before engine, engine before file, file before defaults', async () => {
  const options = { user: 'engine', hostKeys: 'strict' } as const;
  const target = await targetOf(CONFIG, { user: 'request' }, options);
  expect(target).toMatchObject({ user: 'request', hostKeys: 'strict', port: 2222, streams: 10 });
  expect((await targetOf(CONFIG, {}, options)).user).toBe('engine');
  expect(await targetOf('Host other\n  Port 7\n', {})).toMatchObject({ host: 'web', port: 22, hostKeys: 'strict' });
});

test('user and port that are given count for Match, as -l and -p do', async () => {
  const config = 'Match user root\n  Port 7\nMatch user app\n  Port 8\n';
  expect((await targetOf(config, { user: 'root' })).port).toBe(7);
  expect((await targetOf(config, {}, { user: 'app' })).port).toBe(8);
});

test('hops come from ProxyJump, each with its own file entries, and a hop that has a way of its own is reached by it', async () => {
  const config = `
Host web
  ProxyJump me@inner
Host inner
  HostName 10.0.0.1
  IdentityFile /keys/inner
  ProxyJump outer:2200
Host outer
  HostName 10.9.9.9
  User gate
`;
  const { key, target } = await parse(config, {});
  expect(key).toBe('10.9.9.9:2200');
  const { jump } = target as SshTarget;
  expect(jump).toMatchObject({ host: '10.0.0.1', user: 'me', identities: ['/keys/inner'] });
  expect(jump?.jump).toMatchObject({ host: '10.9.9.9', port: 2200, user: 'gate' });
  expect((await targetOf(config, { jump: 'none' })).jump).toBeUndefined();
});

test('a way that leads back to itself is refused by name', async () => {
  const error = await refusal('Host *\n  ProxyJump bastion\n', {});
  expect(error.message).toMatch(/jumps? through itself|loops|twice/);
});

test.each([
  ['CertificateFile /c', 'CertificateFile'],
  ['KnownHostsCommand none\n  SecurityKeyProvider /s', 'SecurityKeyProvider'],
  ['PKCS11Provider /p', 'PKCS11Provider'],
])('%s fails closed by its name, unless the other transport is allowed', async (line, directive) => {
  const config = `Host web\n  ${line}\n`;
  const error = await refusal(config, {});
  expect(error).toMatchObject({ code: 'ERR_CONFIG_UNSUPPORTED', outcome: 'not_started' });
  expect(error.message).toContain(`: ${directive}`);
  expect(error.message).toContain('`transport`');
  expect(await targetOf(config, {}, { transport: 'auto' })).toMatchObject({
    transport: 'openssh',
    openSsh: { alias: 'web' },
  });
  expect(await targetOf(config, { host: 'other' }, { transport: 'auto' })).toMatchObject({ transport: 'ssh2' });
});

test.each(['RemoteCommand uptime', 'SessionType none', 'StdinNull yes', 'LocalForward 1234 a:80', 'ForwardX11 yes'])(
  '%s is refused whatever the transport',
  async (line) => {
    const error = await refusal(`Host web\n  ${line}\n`, {}, { transport: 'auto' });
    expect(error).toMatchObject({ code: 'ERR_CONFIG_UNSUPPORTED' });
  },
);

test.each(['ProxyCommand nc %h %p', 'KnownHostsCommand /bin/kh'])(
  '%s is not run unless that is allowed',
  async (line) => {
    for (const transport of ['auto', 'openssh'] as const) {
      const error = await refusal(`Host web\n  ${line}\n`, {}, { transport });
      expect(error).toMatchObject({ code: 'ERR_CONFIG_UNSUPPORTED' });
      expect(error.message).toContain('allowExec');
    }
    const target = await targetOf(`Host web\n  ${line}\n`, {}, { transport: 'auto', allowExec: true });
    expect(target.transport).toBe('openssh');
  },
);

test('Match exec is run only where that is allowed, and decides then', async () => {
  const config = 'Match exec "test %h = web"\n  Port 7\n';
  expect((await refusal(config, {})).message).toContain('Match exec');
  expect((await targetOf(config, {}, { allowExec: true })).port).toBe(7);
  expect((await targetOf(config, { host: 'other' }, { allowExec: true })).port).toBe(22);
});

test('a mistake names file, line and directive', async () => {
  const error = await refusal('Host web\n  Port many\n', {});
  expect(error).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started' });
  expect(error.message).toMatch(/config:2: Port/);
});

test('SetEnv and SendEnv are wishes that the server may refuse', async () => {
  process.env.KEYLANE_TEST_SENT = 'here';
  const { request } = await parse('Host web\n  SetEnv A=b\n  SendEnv KEYLANE_TEST_*\n', { env: { C: 'd' } });
  expect(request).toMatchObject({ env: { C: 'd' }, wishedEnv: { A: 'b', KEYLANE_TEST_SENT: 'here' } });
});

test('a changed file is another lane, an unchanged one the same', async () => {
  const spec = makeSshSpec({ config: file(CONFIG) });
  const once = async () =>
    spec.parse(await (spec.resolve as (input: unknown) => Promise<never>)({ host: 'web', command: 'x' })).lane;
  expect(await once()).toBe(await once());
});
