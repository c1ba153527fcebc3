import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SshRequest } from 'keylane';
import { until } from '../support/engine.js';
import { freePort } from '../support/ports.js';
import { startProxy } from '../support/proxy.js';
import { loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';
import type { DriverUnderTest } from './contract.js';

/** The driver `ssh` by one of its transports, on a real sshd behind a proxy that can cut. */
export function sshUnderTest(transport: NonNullable<SshRequest['transport']>): DriverUnderTest<'ssh'> {
  return { name: 'ssh', streams: 10, setup: () => sshPeer(transport) };
}

async function sshPeer(transport: NonNullable<SshRequest['transport']>) {
  const sshd = await startSshd();
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const closed = await freePort(['127.0.0.1']);
  // For everybody: the commands run as the user of the fixture. Each tells by a file of its own that it runs.
  const dir = mkdtempSync(join(tmpdir(), 'keylane-contract-'));
  chmodSync(dir, 0o777);
  let last = 0;
  const hang = () => ask(`touch ${join(dir, String(++last))}; exec sleep 60`);
  const ask = (command: string, port = proxy.port) => loginTo(sshd, { command, port, hostKeys: 'insecure', transport });
  return {
    ok: (i: number) => ask(`echo ${i}`),
    answer: ({ code, stdout }: { code: number | null; stdout: unknown }) => ({ code, stdout }),
    expected: (i: number) => ({ code: 0, stdout: `${i}\n` }),
    failing: () => ask('exit 3'),
    refused: () => ask('true', closed),
    hanging: hang,
    started: () => until(() => existsSync(join(dir, String(last)))),
    losing: hang,
    async lose() {
      await Promise.all(proxy.connections.map((connection) => connection.destroy()));
    },
    talking: (said: string) => ask(`printf '%s' '${said}'; exec cat`),
    async stop() {
      await proxy.stop();
      await sshd.stop();
      rmSync(dir, { recursive: true });
    },
  };
}
