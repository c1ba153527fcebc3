import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Connection, Server } from 'ssh2';
import { expect, onTestFinished, test } from 'vitest';
import type { SshRequest } from '../../src/ssh-types.js';
import { systemClock } from '../../src/util/clock.js';
import { portOf } from '../support/ports.js';
import { type Opened, SshHarness } from '../support/ssh-harness.js';
import { count, loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const MIB = 1 << 20;
const CHANNELS = 8;
/** Bytes each way over all channels, how often sshd changes the keys, and how long whoever is asked thinks. */
const CASES = [
  { bytes: 8 * MIB, every: '1M', askedMs: 30 },
  ...(process.env.KEYLANE_LONG
    ? ['256K', '1M'].flatMap((every) => [0, 30, 500].map((askedMs) => ({ bytes: 64 * MIB, every, askedMs })))
    : []),
];

test.each(CASES)(
  '$bytes bytes each way on 8 channels come whole while the keys change every $every (S10, asked $askedMs ms)',
  async ({ bytes, every, askedMs }) => {
    const sshd = await startSshd({ config: [`RekeyLimit ${every}`, 'LogLevel DEBUG1'] });
    onTestFinished(() => sshd.stop());
    await using ssh = new SshHarness();
    const opened = await ssh.open(asking(sshd), {
      host_key: () => new Promise((resolve) => systemClock.timer(askedMs, () => resolve(true))),
      known_hosts: () => null,
    });
    expect(opened.context.asked.map(({ question }) => question)).toContain('host_key');
    await echoes(opened, bytes / CHANNELS);
    expect(opened.reusable()).toBe(true);
    expect(opened.context.losses).toEqual([]);
    // One for the start; the limit counts both ways.
    const least = bytes / (every === '1M' ? MIB : MIB / 4);
    expect(count(sshd, 'SSH2_MSG_NEWKEYS received')).toBeGreaterThan(least / 2);
  },
  120_000,
);

test('a server that changes keys in the middle of all hears nothing but the exchange until it is over (OpenSSH 10.4)', async () => {
  const server = await rekeyingServer();
  await using ssh = new SshHarness();
  const opened = await ssh.open({ host: '127.0.0.1', port: server.port, user: 'me', ...NOBODY });
  // ssh2's server ends a connection that sends anything else between the two.
  await echoes(opened, MIB / 2);
  expect(server.errors).toEqual([]);
  expect(server.rekeys).toBeGreaterThan(10);
  expect(opened.context.losses).toEqual([]);
});

const NOBODY = { hostKeys: 'insecure', knownHosts: '/nonexistent', agent: 'none' } as const;

/** The host is not known, so that somebody is asked. */
function asking(sshd: Sshd): Omit<SshRequest, 'command'> {
  return loginTo(sshd, { hostKeys: 'ask', knownHosts: join(sshd.dir, 'asked') });
}

/** Sends so much through `cat` on each of the channels at once. */
async function echoes({ run }: Opened, bytes: number): Promise<void> {
  const runs = Array.from({ length: CHANNELS }, async () => {
    const stdin = randomBytes(bytes);
    const response = await run({ command: 'cat', stdin, maxOutputBytes: bytes, encoding: 'buffer' });
    return { code: response.code, same: digest(response.stdout as Buffer) === digest(stdin) };
  });
  for (const said of await Promise.all(runs)) expect(said).toEqual({ code: 0, same: true });
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lets everybody in, sends back what a command is sent, and asks for new keys every 256 KiB. */
async function rekeyingServer() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const found = { port: 0, rekeys: 0, errors: [] as string[] };
  const connections = new Set<Connection>();
  const hostKey = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    let bytes = 0;
    connections.add(connection);
    connection.on('error', (error: Error) => found.errors.push(error.message));
    connection.on('authentication', (attempt) => attempt.accept());
    connection.on('session', (accept) => {
      accept().on('exec', (start) => {
        const channel = start();
        channel.on('data', (data: Buffer) => {
          bytes += data.length;
          channel.write(data);
          if (bytes < 256 << 10) return;
          bytes = 0;
          found.rekeys++;
          (connection as unknown as { rekey(): void }).rekey();
        });
        channel.on('end', () => {
          channel.exit(0);
          channel.end();
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const connection of connections) connection.end();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  found.port = portOf(server as never);
  return found;
}
