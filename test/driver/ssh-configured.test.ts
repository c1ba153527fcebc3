import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let bastion: Sshd;
let sshd: Sshd;
let config: string;

beforeAll(async () => {
  [bastion, sshd] = await Promise.all([
    startSshd({ addresses: ['127.0.43.1'] }),
    startSshd({ addresses: ['127.0.43.2'], config: ['AcceptEnv GREETING'] }),
  ]);
  config = join(sshd.dir, 'ssh_config');
  const entry = (name: string, { addresses, port, user, identity, knownHosts }: Sshd) =>
    `Host ${name}\n  HostName ${addresses[0]}\n  Port ${port}\n  User ${user}\n  IdentityFile ${identity}\n` +
    `  IdentitiesOnly yes\n  UserKnownHostsFile ${knownHosts}\n`;
  writeFileSync(
    config,
    `${entry('gate', bastion)}${entry('web db', sshd)}  SetEnv GREETING=hello\n  SendEnv NOT_ACCEPTED*\nMatch originalhost db\n  ProxyJump gate\n`,
    { mode: 0o600 },
  );
  process.env.NOT_ACCEPTED_HERE = '1';
});
afterAll(() => Promise.all([bastion.stop(), sshd.stop()]));

test('a name of ssh_config is all that a request has to say', async () => {
  const engine = await startEngine({ ssh: { config } });
  const direct = await engine.run('ssh', { host: 'web', command: 'echo $GREETING from $SSH_CLIENT' });
  expect(direct.stdout).toMatch(/^hello from 127\.0\.0\.1 /);
  expect(await engine.run('ssh', { host: 'db', command: 'echo $GREETING' })).toMatchObject({ stdout: 'hello\n' });
  expect(bastion.log()).toContain('Accepted publickey');
});

test('without `config` the library reads none', async () => {
  const engine = await startEngine();
  expect(await failure(engine.run('ssh', { host: 'web', command: 'true' }))).toMatchObject({ code: 'ERR_DNS' });
});

test('a file that is missing is named', async () => {
  const engine = await startEngine({ ssh: { config: '/nowhere/config' } });
  const error = await failure(engine.run('ssh', { host: 'web', command: 'true' }));
  expect(error).toMatchObject({ code: 'ERR_CONFIG', outcome: 'not_started' });
  expect(error.message).toContain('/nowhere/config');
});

test("what only the system's ssh does goes by it, through the jump host of the same file", async () => {
  const needing = join(sshd.dir, 'needing_config');
  writeFileSync(needing, `${readFileSync(config, 'utf8')}\nMatch originalhost db\n  RevokedHostKeys /dev/null\n`, {
    mode: 0o600,
  });
  const engine = await startEngine({ ssh: { config: needing, transport: 'auto', agent: 'none' } });
  const { probe } = await engine.run('ssh', { host: 'db', op: 'probe' });
  expect(probe).toMatchObject({ transport: 'openssh' });
  const direct = await engine.run('ssh', { host: 'web', op: 'probe' });
  expect(direct.probe).toMatchObject({ transport: 'ssh2' });
});
