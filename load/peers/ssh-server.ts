import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { newKeyPair } from './ed25519.js';

export interface SshServerOptions {
  /** Loopback addresses, one host each, all with the same free port. `count` of them from `base` on (127.1.0.1). */
  addresses: readonly string[] | { count: number; base?: string };
  /** `shell`: /bin/sh really runs the command. `light`: every command prints `output` and exits 0; no process. @default 'shell' */
  mode?: 'shell' | 'light';
  /** What a light server prints. @default 'ok\n' */
  output?: string;
  /** Addresses where nothing listens. */
  refuse?: readonly string[];
  /** Addresses that take a command and never answer. */
  hang?: readonly string[];
  /** Addresses that wait `slowMs` before they run a command. */
  slow?: readonly string[];
  /** @default 1_000 */
  slowMs?: number;
}

export interface SshServers extends AsyncDisposable {
  readonly port: number;
  readonly addresses: readonly string[];
  /** Any name opens the account; a command runs as the user of this process. */
  readonly user: string;
  /** Path of the private key that opens the account (ed25519, mode 0600). */
  readonly identity: string;
  /** Path of a known_hosts file with a line for each address. */
  readonly knownHosts: string;
  readonly pid: number;
  /** CPU time of the server process so far, in microseconds. */
  cpu(): Promise<NodeJS.CpuUsage>;
  /** Resident bytes of the server process. */
  rss(): Promise<number>;
  /** Ends the process and its commands, and removes the files. */
  stop(): Promise<void>;
}

/** What the server process is told first. */
export interface ServerStart extends Required<Omit<SshServerOptions, 'addresses'>> {
  listen: string[];
  hostKey: string;
  /** The base64 of the only public key that may log in. */
  clientKey: string;
}

/** What the server process says: once where it listens, then an answer to each 'usage'. */
export type ServerSays = { port: number } | { failed: string } | { cpu: NodeJS.CpuUsage; rss: number };

/** Starts SSH servers on ssh2 in a process of their own. It dies with this process. */
export async function startSshServers(options: SshServerOptions): Promise<SshServers> {
  const addresses = addressesOf(options.addresses);
  const refuse = new Set(options.refuse);
  const [host, client] = [newKeyPair(), newKeyPair()];
  const process = fork(PROCESS, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const start: ServerStart = {
    listen: addresses.filter((address) => !refuse.has(address)),
    hostKey: host.private,
    clientKey: client.public.split(' ')[1] ?? '',
    mode: options.mode ?? 'shell',
    output: options.output ?? 'ok\n',
    refuse: [...refuse],
    hang: options.hang ?? [],
    slow: options.slow ?? [],
    slowMs: options.slowMs ?? 1_000,
  };
  const says = await ask(process, start);
  if (!('port' in says)) throw new Error(`the SSH servers did not start: ${JSON.stringify(says)}`);
  const dir = mkdtempSync(join(tmpdir(), 'keylane-servers-'));
  const identity = join(dir, 'identity');
  const knownHosts = join(dir, 'known_hosts');
  writeFileSync(identity, client.private, { mode: 0o600 });
  writeFileSync(knownHosts, addresses.map((address) => `[${address}]:${says.port} ${host.public}\n`).join(''));
  return serversOf(process, dir, { port: says.port, addresses, identity, knownHosts });
}

/** The compiled one, also for a test that runs this file as TypeScript: Node 20 starts no `.ts`. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/load/peers/ssh-server-process.js' : './ssh-server-process.js',
  import.meta.url,
);

type Facts = Pick<SshServers, 'port' | 'addresses' | 'identity' | 'knownHosts'>;

function serversOf(child: ChildProcess, dir: string, facts: Facts): SshServers {
  const clean = () => rmSync(dir, { recursive: true, force: true });
  process.on('exit', clean);
  const usage = async () => {
    const says = await ask(child, 'usage');
    if (!('cpu' in says)) throw new Error('the server process answers something else');
    return says;
  };
  const stop = async () => {
    process.off('exit', clean);
    clean();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    if (child.connected) child.disconnect();
    await exit;
  };
  return {
    ...facts,
    user: userInfo().username,
    pid: child.pid as number,
    cpu: async () => (await usage()).cpu,
    rss: async () => (await usage()).rss,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** One question at a time; a process that ends instead of answering rejects. */
function ask(child: ChildProcess, question: ServerStart | 'usage'): Promise<ServerSays> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the server process has ended'));
    child.once('exit', ended);
    child.once('message', (answer) => {
      child.off('exit', ended);
      resolve(answer as ServerSays);
    });
    child.send(question, (error) => error && reject(error));
  });
}

function addressesOf(addresses: SshServerOptions['addresses']): string[] {
  if (!('count' in addresses)) return [...addresses];
  const first = (addresses.base ?? '127.1.0.1').split('.').reduce((value, part) => value * 256 + Number(part), 0);
  return Array.from({ length: addresses.count }, (_, i) => {
    const value = first + i;
    return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
  });
}
