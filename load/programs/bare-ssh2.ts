// The measured program with ssh2 and nothing else: all in one thread. keylane-ssh.ts is its twin.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Client } from 'ssh2';
import { runAll, stopwatch, type Work } from '../measure.js';
import { connect, exec, type Fleet } from '../peers/bare-ssh2.js';
import { serveProgram } from '../program.js';

export type BareSsh2 = typeof steps;

let fleet: Fleet;
let clients: Client[] = [];

const steps = {
  start(start: { fleet: Fleet }): void {
    fleet = start.fleet;
  },

  /** One connection to each address from `first` on. */
  async connect({ first = 0, count = fleet.addresses.length }: { first?: number; count?: number }): Promise<Work> {
    const work = stopwatch();
    const hosts = fleet.addresses.slice(first, first + count);
    clients.push(...(await Promise.all(hosts.map((host) => connect(fleet, host)))));
    return { count: hosts.length, ...work() };
  },

  async run({ count, streams }: { count: number; streams: number }): Promise<Work> {
    return await runAll(clients.length * streams, count, async (lane) => {
      const { code } = await exec(clients[lane % clients.length]!, 'true');
      if (code !== 0) throw new Error(`exit code ${code}`);
    });
  },

  async handshakes(_: undefined): Promise<{ p99Ms: number; maxMs: number; ms: number }> {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const work = stopwatch();
    await Promise.all(
      fleet.addresses.map(async (host) => {
        const client = await connect(fleet, host);
        await exec(client, 'true');
        clients.push(client);
      }),
    );
    const { ms } = work();
    delay.disable();
    return { p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6, ms };
  },

  close(_: undefined): void {
    for (const client of clients) client.end();
    clients = [];
  },
};

serveProgram(steps);
