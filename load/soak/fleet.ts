import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CutBy, type Direction, type Fault, type FaultProxy, startProxy } from '../../test/support/proxy.js';
import type { Random } from '../../test/support/random.js';
import { startSshServers } from '../peers/ssh-server.js';
import { startSshd } from '../peers/sshd.js';

/** A host as the engine under test sees it: an address of the fault proxy. */
export interface SoakHost {
  host: string;
  port: number;
  user: string;
  identity: string;
}

export interface SoakHosts {
  /** Real sshd: they run commands and keep files. */
  real: SoakHost[];
  /** Every command of these prints `ok` and exits 0; some take a while, some never answer. */
  light: SoakHost[];
  /** Behind `real[0]`, with no proxy on the way between the two. */
  inner: SoakHost;
  knownHosts: string;
  /** Where the real hosts keep files. */
  files: string;
}

export interface Fleet extends SoakHosts {
  /** How many connections had which fault. */
  readonly faults: Record<string, number>;
  stop(): Promise<void>;
}

const REAL = 6;
const LIGHT = 44;

/** 50 hosts, each behind a proxy of its own that does something to about half of its connections. */
export async function startFleet(random: Random): Promise<Fleet> {
  const inner = '127.61.2.1';
  const sshd = await startSshd([...Array.from({ length: REAL }, (_, i) => `127.61.1.${i + 1}`), inner]);
  const addresses = Array.from({ length: LIGHT }, (_, i) => `127.62.1.${i + 1}`);
  const [hang, slow] = [addresses.slice(0, 2), addresses.slice(2, 6)];
  const servers = await startSshServers({ addresses, mode: 'light', hang, slow, slowMs: 300 });
  const files = mkdtempSync(join(tmpdir(), 'keylane-soak-'));
  chmodSync(files, 0o777);
  const knownHosts = join(files, 'known_hosts');
  const faults: Record<string, number> = {};
  const fault = () => {
    const [name, what] = anyFault(random);
    faults[name] = (faults[name] ?? 0) + 1;
    return what;
  };
  const proxies: FaultProxy[] = [];
  const lines: string[] = [];
  const behind = async (to: { addresses: readonly string[]; port: number } & Login, third: number) => {
    const key = hostKeyOf(to.knownHosts);
    return await Promise.all(
      to.addresses.map(async (address, i): Promise<SoakHost> => {
        const proxy = await startProxy({
          to: { host: address, port: to.port },
          address: `127.63.${third}.${i + 1}`,
          fault,
          random: () => random.next(),
          keeps: false,
        });
        proxies.push(proxy);
        lines.push(`[${proxy.address}]:${proxy.port} ${key}\n`);
        return { host: proxy.address, port: proxy.port, user: to.user, identity: to.identity };
      }),
    );
  };
  const real = await behind({ ...sshd, addresses: sshd.addresses.slice(0, REAL) }, 1);
  const light = await behind(servers, 2);
  lines.push(`[${inner}]:${sshd.port} ${hostKeyOf(sshd.knownHosts)}\n`);
  writeFileSync(knownHosts, lines.join(''));
  return {
    real,
    light,
    inner: { host: inner, port: sshd.port, user: sshd.user, identity: sshd.identity },
    knownHosts,
    files,
    faults,
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await Promise.all([sshd.stop(), servers.stop()]);
      rmSync(files, { recursive: true, force: true });
    },
  };
}

interface Login {
  user: string;
  identity: string;
  knownHosts: string;
}

/** All lines of a peer's known_hosts show one key. */
function hostKeyOf(knownHosts: string): string {
  const [line = ''] = readFileSync(knownHosts, 'utf8').split('\n');
  return line.slice(line.indexOf(' ') + 1);
}

/** A handshake is about 3,000 bytes each way, a command some hundreds: most cuts are within the first or soon after. */
const FAR = 8_000;

function anyFault(random: Random): [string, Fault] {
  const direction = random.pick<Direction>(['up', 'down']);
  const cut = (by: CutBy): Fault => ({ cut: { after: random.below(FAR), direction, by } });
  const kinds: [string, number, () => Fault][] = [
    ['none', 50, () => ({})],
    ['latency', 10, () => ({ delayMs: random.below(30), jitterMs: random.below(30) })],
    ['slices', 8, () => ({ sliceBytes: 1 + random.below(200) })],
    ['bandwidth', 4, () => ({ bytesPerSecond: 5_000 + random.below(100_000) })],
    ['reset', 6, () => cut('rst')],
    ['end', 5, () => cut('fin')],
    ['black hole', 4, () => cut('blackhole')],
    ['limit', 4, () => ({ limit: { [direction]: random.below(FAR) } })],
    ['slow close', 5, () => ({ closeDelayMs: random.below(1_000) })],
    ['mute', 2, () => ({ accept: 'mute' })],
    ['reset on arrival', 2, () => ({ accept: 'rst' })],
  ];
  let at = random.below(kinds.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [name, weight, make] of kinds) {
    at -= weight;
    if (at < 0) return [name, make()];
  }
  return ['none', {}];
}
