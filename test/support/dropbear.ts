import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { killDaemon, loginUser, newKey, type Sshd } from './sshd.js';

/** Not there: `addresses`, because one is enough. */
export interface Dropbear extends Omit<Sshd, 'addresses'> {
  readonly address: string;
}

export interface DropbearOptions {
  address?: string;
  /** More arguments of dropbear. */
  args?: readonly string[];
  /** @default 'ed25519' */
  hostKey?: 'ed25519' | 'ecdsa' | 'rsa';
}

const DROPBEAR = '/usr/sbin/dropbear';

/** Why there can be no fixture on this machine; undefined where there can be one. */
export function dropbearMissing(): string | undefined {
  if (!existsSync(DROPBEAR)) return 'dropbear';
  if (process.getuid?.() !== 0) return 'root, to give dropbear a home folder of its own';
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'the right to mount, to give dropbear a home folder of its own';
  }
}

/**
 * Starts a throwaway dropbear. It takes keys from ~/.ssh/authorized_keys of the account and from nowhere else, so it runs
 * where the home folder of the tests' own account is one of the fixture's: a bind mount that nobody else sees and that ends
 * with the daemon. The account is that of `startSshd`.
 */
export async function startDropbear(options: DropbearOptions = {}): Promise<Dropbear> {
  const { address = '127.0.0.1', args = [], hostKey = 'ed25519' } = options;
  const user = loginUser();
  const dir = mkdtempSync(join(tmpdir(), 'keylane-dropbear-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'home', '.ssh'), { recursive: true });
  writeFileSync(join(dir, 'home', '.ssh', 'authorized_keys'), `${newKey(join(dir, 'identity'))}\n`);
  execFileSync('chown', ['-R', user, join(dir, 'home')]);
  const hostKeyPublic = newHostKey(join(dir, 'host_key'), hostKey);
  const end = () => rmSync(dir, { recursive: true, force: true });
  for (let attempt = 0; ; attempt++) {
    const port = await freePort([address]);
    writeFileSync(join(dir, 'known_hosts'), `[${address}]:${port} ${hostKeyPublic}\n`);
    const daemon = await start(dir, homeOf(user), [...args, '-p', `${address}:${port}`]);
    if (daemon.running) return dropbearOf(daemon, { port, address, user, hostKeyPublic, dir }, end);
    if (!daemon.log.includes('Address already in use') || attempt === 20) {
      end();
      throw new Error(`dropbear did not start:\n${daemon.log}`);
    }
  }
}

function newHostKey(file: string, type: string): string {
  const said = execFileSync('dropbearkey', ['-t', type, '-f', file], { encoding: 'utf8', stdio: 'pipe' });
  const [, key] = /^((?:ssh-|ecdsa-)\S+ \S+)/m.exec(said) ?? [];
  if (key === undefined) throw new Error(`dropbearkey said no key: ${said}`);
  return key;
}

function homeOf(user: string): string {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const home = lines.find((line) => line.startsWith(`${user}:`))?.split(':')[5];
  if (home === undefined) throw new Error(`${user} is not in /etc/passwd`);
  return home;
}

interface Daemon {
  child: ChildProcess;
  log: string;
  running: boolean;
}

/** Resolves when it listens (`running`), or has ended. */
async function start(dir: string, home: string, args: readonly string[]): Promise<Daemon> {
  const mounted = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  const dropbear = [DROPBEAR, '-F', '-E', '-m', '-r', join(dir, 'host_key'), '-P', join(dir, 'pid'), ...args];
  const shell = ['sh', '-c', mounted, 'sh', join(dir, 'home'), home, ...dropbear];
  // setpriv: a test process that is killed takes its daemon along.
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--mount', ...shell];
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child, 'spawn');
  const daemon: Daemon = { child, log: '', running: false };
  await new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      daemon.log += text;
      if (daemon.running || !daemon.log.includes('Not backgrounding')) return;
      daemon.running = true;
      resolve();
    });
  });
  return daemon;
}

function dropbearOf(
  daemon: Daemon,
  facts: Pick<Dropbear, 'port' | 'address' | 'user' | 'hostKeyPublic' | 'dir'>,
  remove: () => void,
): Dropbear {
  const { child } = daemon;
  const pid = child.pid as number;
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const end = () => {
    if (!ended()) killDaemon(pid, facts.port);
    remove();
  };
  process.on('exit', end);
  const stop = async () => {
    process.off('exit', end);
    const exit = ended() ? undefined : once(child, 'exit');
    if (exit) killDaemon(pid, facts.port);
    await exit;
    remove();
  };
  return {
    ...facts,
    identity: join(facts.dir, 'identity'),
    knownHosts: join(facts.dir, 'known_hosts'),
    pid,
    log: () => daemon.log,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
