import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startProxy } from '../test/support/proxy.js';
import { freePort } from './free-port.js';
import { messages } from './mail.js';
import { startHttpServer } from './peers/http-server.js';
import { startSmtpSink } from './peers/smtp-sink.js';
import { startSshServers } from './peers/ssh-server.js';
import { treeOf } from './proc.js';
import type { Mix } from './programs/keylane-mixed.js';

const SERVER = fileURLToPath(new URL('./peers/json-rpc-server.js', import.meta.url));
const CALLERS = { callers: 20, pauseMs: 10 };

/** What the mixed run asks, of whom, and what goes wrong there. */
export interface MixedPeers {
  mixes: Record<string, Mix>;
  /** The servers of the driver `stdio`. */
  servers: Record<string, { command: string; args: string[]; initialize: 'none'; restartsPerMinute: number }>;
  /** Cuts one connection of each kind that can be cut; kills a process that `program` has started. Returns what was hurt. */
  hurt(program: number): Record<string, number>;
  stop(): Promise<void>;
}

export async function startMixedPeers(): Promise<MixedPeers> {
  const ssh = await startSshServers({ addresses: { count: 1, base: '127.8.0.1' }, mode: 'light' });
  const [sink, grumpy, http] = [await startSmtpSink(), await startSmtpSink(['-r', 'MAIL']), await startHttpServer(5)];
  const [toSsh, toSink] = [
    await startProxy({ to: { host: ssh.addresses[0]!, port: ssh.port }, keeps: false }),
    await startProxy({ to: sink, keeps: false }),
  ];
  const closed = await freePort();
  const login = { user: ssh.user, identity: ssh.identity, hostKeys: 'insecure', command: 'true' };
  const [atSsh, atSink] = [
    { host: toSsh.address, port: toSsh.port },
    { host: toSink.address, port: toSink.port },
  ];
  const mixes: Record<string, Mix> = {
    echo: {
      ...CALLERS,
      requests: Array.from({ length: 10 }, (_, i) => ({ key: `echo-${i}`, payload: 'uptime' })),
      faulty: [
        { key: 'echo-1', fault: 'ERR_CONNECTION_LOST' },
        { key: 'echo-2', fault: 'hang' },
      ],
    },
    ssh: {
      ...CALLERS,
      callers: 10,
      requests: [{ ...atSsh, ...login }],
      faulty: [{ host: '127.0.0.1', port: closed, ...login }],
    },
    smtp: { ...CALLERS, requests: messages({ ...sink, ...atSink }, 4), faulty: messages(grumpy, 1) },
    stdio: {
      ...CALLERS,
      requests: [{ server: 'echo', method: 'echo', params: { name: 'status' } }],
      faulty: [{ server: 'broken', method: 'echo' }],
    },
    http: {
      ...CALLERS,
      requests: http.origins.slice(1).map((origin) => ({ url: `${origin}/` })),
      faulty: [{ url: `${http.origins[0]}/cut` }, { url: `${http.origins[0]}/busy` }],
    },
  };
  const server = (file: string) => ({
    command: process.execPath,
    args: [file],
    initialize: 'none' as const,
    restartsPerMinute: 1_000,
  });
  return {
    mixes,
    servers: { echo: server(SERVER), broken: server('/dev/null') },
    hurt(program) {
      for (const proxy of [toSsh, toSink]) void proxy.connections[0]?.destroy();
      const pid = treeOf(program).find((pid) => commandOf(pid).includes(SERVER));
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      return { connections: 2, processes: pid === undefined ? 0 : 1 };
    },
    async stop() {
      await Promise.all([toSsh.stop(), toSink.stop()]);
      await Promise.all([ssh.stop(), sink.stop(), grumpy.stop(), http.stop()]);
    },
  };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
