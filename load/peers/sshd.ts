import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.js';
import { Missing } from '../scenario.js';

/** Real sshd on loopback addresses, all with the same port. */
export interface Sshd {
  readonly port: number;
  readonly addresses: readonly string[];
  readonly user: string;
  readonly identity: string;
  readonly knownHosts: string;
  stop(): Promise<void>;
}

const SSHD = '/usr/sbin/sshd';
/** sshd listens on so many addresses at most (MAX_LISTEN_SOCKS), then it takes another daemon. */
const PER_DAEMON = 16;
/** Its shell is /bin/sh: sshd makes bash read a .bashrc, which can cost more than everything that is measured. */
const USER = 'keylane-load';

/** Starts throwaway daemons with keys and a configuration of their own. They die with this process. */
export async function startSshd(addresses: readonly string[]): Promise<Sshd> {
  if (!existsSync(SSHD)) throw new Missing(`${SSHD} is missing: apt-get install openssh-server`);
  if (process.getuid?.() !== 0) throw new Missing('a real sshd that logs in another user must be started by root');
  mkdirSync('/run/sshd', { recursive: true });
  execFileSync('sh', ['-c', `id -u ${USER} || useradd -r -m -d /var/lib/${USER} -s /bin/sh -p '*' ${USER}`], {
    stdio: 'pipe',
  });
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  chmodSync(dir, 0o755);
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const hostKey = newKey(join(dir, 'host_key'));
  writeFileSync(join(dir, 'authorized_keys'), `${newKey(join(dir, 'identity'))}\n`);
  const port = await freePort();
  writeFileSync(join(dir, 'known_hosts'), addresses.map((address) => `[${address}]:${port} ${hostKey}\n`).join(''));
  const daemons: ChildProcess[] = [];
  for (let first = 0; first < addresses.length; first += PER_DAEMON) {
    const config = join(dir, `sshd_config.${first}`);
    const listen = addresses.slice(first, first + PER_DAEMON);
    writeFileSync(config, configOf(dir, port, listen));
    daemons.push(await startDaemon(config, listen.length));
  }
  return {
    port,
    addresses,
    user: USER,
    identity: join(dir, 'identity'),
    knownHosts: join(dir, 'known_hosts'),
    async stop() {
      await Promise.all(
        daemons.map(async (daemon) => {
          const exit = once(daemon, 'exit');
          daemon.kill('SIGKILL');
          await exit;
        }),
      );
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function configOf(dir: string, port: number, addresses: readonly string[]): string {
  return [
    ...addresses.map((address) => `ListenAddress ${address}:${port}`),
    `HostKey ${join(dir, 'host_key')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    `AllowUsers ${USER}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'Subsystem sftp internal-sftp',
    'UseDNS no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PrintMotd no',
    'PrintLastLog no',
    // All hosts of the fleet are one daemon here, which must not take their number for an attack.
    'MaxStartups 1000',
    '',
  ].join('\n');
}

/** Resolves when it listens on all its addresses. Its sessions end with their clients. */
async function startDaemon(config: string, addresses: number): Promise<ChildProcess> {
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', SSHD, '-D', '-e', '-f', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    daemon.once('exit', () => reject(new Missing(`sshd did not start:\n${log}`)));
    daemon.once('error', reject);
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 65_536) log += text;
      if (log.split('Server listening on ').length > addresses) resolve();
    });
  });
  return daemon;
}

function newKey(file: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').trim();
}
