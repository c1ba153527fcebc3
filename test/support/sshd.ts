import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { kill, killTree, withVariable } from './process-tree.js';

export interface SshdOptions {
  /** Lines of sshd_config. They come before the fixture's own, so they win; from the first `Match` on they come last. */
  config?: readonly string[];
  /** Loopback addresses to listen on, all with the same port. @default ['127.0.0.1'] */
  addresses?: readonly string[];
  /** Makes what `config` names, before the daemon starts. */
  prepare?: () => void;
  /** Variables of the daemon itself. */
  env?: Readonly<Record<string, string>>;
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly addresses: readonly string[];
  /** The only user who may log in, with /bin/sh as its shell when the tests run as root. */
  readonly user: string;
  /** Path of the private key that opens the account (ed25519, mode 0600). */
  readonly identity: string;
  /** Path of a known_hosts file with a line for each address. */
  readonly knownHosts: string;
  /** The host key as in known_hosts: type and base64. */
  readonly hostKeyPublic: string;
  /** The fixture's own folder, removed on stop. Everybody may enter it. */
  readonly dir: string;
  /** The listening process, for faults. */
  readonly pid: number;
  /** What sshd has logged so far (LogLevel VERBOSE). */
  log(): string;
  /** Kills the daemon, its sessions and what they started. */
  stop(): Promise<void>;
}

const SSHD = '/usr/sbin/sshd';

/**
 * Starts a throwaway OpenSSH server. It is a real one with its own keys and configuration; nothing of the machine's sshd is
 * read. Resolves when it listens. It ends with `stop`, and with this process, however that ends.
 */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const addresses = options.addresses ?? ['127.0.0.1'];
  const user = loginUser();
  const dir = mkdtempSync(join(tmpdir(), 'keylane-sshd-'));
  // sshd reads authorized_keys as the user who logs in.
  chmodSync(dir, 0o755);
  options.prepare?.();
  const hostKeyPublic = newKey(join(dir, 'host_key'));
  const clientKeyPublic = newKey(join(dir, 'identity'));
  writeFileSync(join(dir, 'authorized_keys'), `${clientKeyPublic}\n`);
  for (let attempt = 0; ; attempt++) {
    const port = await freePort(addresses);
    writeFileSync(join(dir, 'known_hosts'), addresses.map((at) => `[${at}]:${port} ${hostKeyPublic}\n`).join(''));
    writeFileSync(join(dir, 'sshd_config'), configOf(dir, port, addresses, user, options.config ?? []));
    const daemon = await Daemon.start(dir, addresses.length, options.env ?? {});
    // Without `running` somebody took the port, on one address at least, between our look and sshd's.
    if (daemon.running) return sshdOf(daemon, { port, addresses, user, hostKeyPublic, dir });
    await daemon.stop(port);
    if (!daemon.log.includes('Address already in use') || attempt === 20) {
      rmSync(dir, { recursive: true, force: true });
      throw new Error(`sshd did not start:\n${daemon.log}`);
    }
  }
}

function sshdOf(daemon: Daemon, facts: Pick<Sshd, 'port' | 'addresses' | 'user' | 'hostKeyPublic' | 'dir'>): Sshd {
  const end = () => {
    daemon.kill(facts.port);
    rmSync(facts.dir, { recursive: true, force: true });
  };
  process.on('exit', end);
  const stop = async () => {
    process.off('exit', end);
    await daemon.stop(facts.port);
    rmSync(facts.dir, { recursive: true, force: true });
  };
  return {
    ...facts,
    identity: join(facts.dir, 'identity'),
    knownHosts: join(facts.dir, 'known_hosts'),
    pid: daemon.pid,
    log: () => daemon.log,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

class Daemon {
  readonly pid: number;
  log = '';
  running = false;
  readonly #child: ChildProcess;

  /** Resolves when it listens on all addresses (`running`), or has failed on one. */
  static async start(dir: string, addresses: number, env: Readonly<Record<string, string>>): Promise<Daemon> {
    // setpriv: a test process that is killed takes its daemon along.
    const argv = ['--pdeathsig', 'KILL', SSHD, '-D', '-e', '-f', join(dir, 'sshd_config')];
    const child = spawn('setpriv', argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
    await once(child, 'spawn');
    const daemon = new Daemon(child);
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        daemon.log += text;
        if (daemon.running) return;
        daemon.running = daemon.log.split('Server listening on ').length - 1 === addresses;
        if (daemon.running || daemon.log.includes('Address already in use')) resolve();
      });
    });
    return daemon;
  }

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid as number;
  }

  kill(port: number): void {
    if (!this.#ended()) killDaemon(this.pid, port);
  }

  async stop(port: number): Promise<void> {
    if (this.#ended()) return;
    const exit = once(this.#child, 'exit');
    this.kill(port);
    await exit;
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** The daemon that listens on a port, its sessions and what they started. */
export function killDaemon(daemon: number, port: number): void {
  killTree(daemon);
  // A command whose connection was cut has init as its parent; what the daemon gave it in its environment still tells.
  const left = () => withVariable('SSH_CONNECTION', (value) => value.endsWith(` ${port}`));
  for (let pids = left(); pids.length > 0; pids = left()) {
    for (const pid of pids) kill(pid, 'SIGKILL');
  }
}

/** In sshd_config the first value of an option counts, and a `Match` block reaches to the end of the file. */
function configOf(
  dir: string,
  port: number,
  addresses: readonly string[],
  user: string,
  extra: readonly string[],
): string {
  const match = extra.findIndex((line) => /^\s*match\s/i.test(line));
  const cut = match < 0 ? extra.length : match;
  return [
    ...extra.slice(0, cut),
    ...addresses.map((address) => `ListenAddress ${address}:${port}`),
    `HostKey ${join(dir, 'host_key')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    `AllowUsers ${user}`,
    'PidFile none',
    'LogLevel VERBOSE',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'MaxStartups 1000',
    'MaxSessions 10',
    ...(penalizes() ? ['PerSourcePenalties no'] : []),
    // Of this one a second line is refused, not ignored.
    ...(extra.some((line) => line.startsWith('Subsystem sftp ')) ? [] : ['Subsystem sftp internal-sftp']),
    ...extra.slice(cut),
    '',
  ].join('\n');
}

/** Since 9.8 sshd shuts out an address whose log-ins failed, which is all of our tests at once. */
function penalizes(): boolean {
  const [, major, minor] = /OpenSSH_(\d+)\.(\d+)/.exec(spawnSync('ssh', ['-V'], { encoding: 'utf8' }).stderr) ?? [];
  return Number(major) > 9 || (Number(major) === 9 && Number(minor) >= 8);
}

/** Makes an ed25519 key pair; returns the public half, type and base64. */
export function newKey(file: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').trim();
}

/** What OpenSSH's own client needs to log in here, up to and with the `--` before a command. */
export function sshArguments(to: Pick<Sshd, 'port' | 'user' | 'identity' | 'knownHosts'>, address: string): string[] {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${to.knownHosts}`,
  ];
  const argv = ['-F', 'none', '-p', String(to.port), '-i', to.identity, ...options.flatMap((option) => ['-o', option])];
  return [...argv, `${to.user}@${address}`, '--'];
}

const TEST_USER = 'keylane-test';

/**
 * Who logs in. As root a user of our own, made once and kept: root's bash may read a .bashrc that takes seconds. The
 * password `*` fits nothing but does not lock the account, which `!` does. flock: test processes come in parallel.
 */
export function loginUser(): string {
  if (process.getuid?.() !== 0) return userInfo().username;
  mkdirSync('/run/sshd', { recursive: true });
  const make = `id -u ${TEST_USER} || useradd -r -m -d /var/lib/${TEST_USER} -s /bin/sh -p '*' ${TEST_USER}`;
  execFileSync('flock', [`/run/${TEST_USER}.lock`, 'sh', '-c', make], { stdio: 'pipe' });
  return TEST_USER;
}
