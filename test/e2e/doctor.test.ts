import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { run } from './exec-cli.ts';

let sshd: Sshd;
let config: string;

beforeAll(async () => {
  sshd = await startSshd({ config: ['MaxSessions 3'] });
  config = join(sshd.dir, 'ssh_config');
  const { port, user, identity, knownHosts } = sshd;
  writeFileSync(
    config,
    `Host sick\n  HostName 127.0.0.1\n  Port ${port}\n  User ${user}\n  IdentityFile ${identity}\n  UserKnownHostsFile ${knownHosts}\n  VisualHostKey yes\n  ControlMaster auto\nHost certified\n  CertificateFile /c\nHost remote\n  RemoteCommand x\n`,
    { mode: 0o600 },
  );
});
afterAll(() => sshd.stop());

const doctor = (...args: string[]) => run(['doctor', '-F', config, ...args]);

test('a host that is well is told step by step', async () => {
  const { status, out, err } = await doctor('sick');
  expect(err).toBe('');
  for (const line of [
    `  port ${sshd.port}  (${config}:3)`,
    'ignored: ControlMaster',
    'ok   dns: 127.0.0.1 is 127.0.0.1',
    `ok   tcp: port ${sshd.port} answers`,
    'ok   key exchange: OpenSSH_',
    'not post-quantum',
    'ok   host key: ssh-ed25519 SHA256:',
    `ok   log-in: identity ${sshd.identity}: accepted`,
    "ok   sessions: 3 on one connection (sshd's MaxSessions)",
    'ok   exec: a command on the open connection',
    'Nothing to mend.',
  ])
    expect(out).toContain(line);
  expect(status).toBe(0);
});

test('--json is one object with all of it', async () => {
  const { out } = await doctor('--json', 'sick');
  const { config: said, findings, probe, mend } = JSON.parse(out);
  expect(said.values.user).toEqual({ value: sshd.user, file: config, line: 4 });
  expect(findings.every(({ ok }: { ok: boolean }) => ok)).toBe(true);
  expect(probe).toMatchObject({ transport: 'ssh2', sessions: 3, postQuantum: false, hostKey: { decision: 'known' } });
  expect(mend).toBe('Nothing to mend.');
});

test("by the system's ssh as much is told", async () => {
  const { status, out } = await doctor('--transport', 'openssh', 'sick');
  for (const line of [
    /ok {3}key exchange: OpenSSH_\S+ .*: \S+ \((not )?post-quantum\), \S+, mac \S+, (not )?strict/,
    /ok {3}host key: ssh-ed25519 SHA256:\S+ is known/,
    `ok   log-in: identity ${sshd.identity}: accepted`,
    'ok   sessions: 3 on one connection',
  ])
    expect(out).toMatch(line);
  expect(status).toBe(0);
});

test.each<[string, string[], string, string]>([
  ['no such port', ['-p', '1', 'sick'], 'FAIL tcp: ', 'sshd runs'],
  ['an unknown host key', ['--known-hosts', '/dev/null', 'sick'], 'FAIL host key: ERR_HOST_KEY', 'fingerprint'],
  ['another user', ['-l', 'nobody-here', 'sick'], 'FAIL log-in: ERR_AUTH', 'authorized_keys'],
])('%s is said to be what is to be mended', async (_what, args, line, advice) => {
  const { status, out } = await doctor(...args);
  expect(out).toContain(line);
  expect(out.trim().split('\n').at(-1)).toContain(advice);
  expect(status).toBe(1);
});

test('what the configuration asks for and nothing does is named', async () => {
  const { out } = await doctor('remote');
  expect(out).toContain('refused: RemoteCommand x');
  expect(out.trim().split('\n').at(-1)).toMatch(/^Take RemoteCommand out of /);
  expect((await doctor('certified')).out).toContain("by the system's ssh: CertificateFile /c");
});

test('--resolve prints what ssh -G prints, without a connection', async () => {
  const { status, out } = await doctor('--resolve', 'sick');
  expect(status).toBe(0);
  const theirs = execFileSync('ssh', ['-G', '-F', config, 'sick'], { encoding: 'utf8' });
  for (const keyword of ['host', 'hostname', 'port', 'user', 'identityfile', 'userknownhostsfile', 'visualhostkey']) {
    const line = (text: string) => text.split('\n').filter((one) => one.startsWith(`${keyword} `));
    expect(line(out), keyword).toEqual(line(theirs));
  }
});

test('a configuration with a mistake names file, line and directive, with status 2', async () => {
  const bad = join(sshd.dir, 'bad_config');
  writeFileSync(bad, 'Host sick\n  Prot 22\n', { mode: 0o600 });
  const { status, err } = await run(['doctor', '-F', bad, 'sick']);
  expect(err.toLowerCase()).toContain(`${bad}:2: prot`.toLowerCase());
  expect(status).toBe(2);
});
