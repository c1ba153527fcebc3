import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Bell } from '../../src/util/bell.js';
import { freePort } from './ports.js';

export interface RedisServer {
  readonly port: number;
  /** May do everything; not the user as whom the fixture itself asks. */
  readonly user: string;
  /** A reference to its password. */
  readonly password: string;
  /** Resolves when the server has been given a command that has `text` in it, quoted as MONITOR does. */
  has(text: string): Promise<void>;
  /** Cuts the connections of `user`. */
  cut(): Promise<void>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** Debian's Redis, with nothing in it, on a free port of 127.0.0.1. It ends with `stop`, and with this process. */
export async function startRedis(): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-redis-'));
  const password = join(dir, 'password');
  writeFileSync(password, 'secret-of-the-fixture', { mode: 0o600 });
  writeFileSync(
    join(dir, 'redis.conf'),
    'bind 127.0.0.1\nsave ""\nenable-debug-command local\nuser driver on >secret-of-the-fixture ~* &* +@all\n',
  );
  const { server, port } = await started(dir);
  const monitor = child('redis-cli', ['-p', String(port), 'monitor']);
  let seen = '';
  const more = new Bell();
  monitor.stdout?.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
    more.ring();
  });
  const has = async (text: string) => {
    while (!seen.includes(text)) await more.wait();
  };
  await has('OK');
  const end = async (process: ChildProcess) => {
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exit = once(process, 'exit');
    process.kill('SIGKILL');
    await exit;
  };
  return {
    port,
    user: 'driver',
    password: `file:${password}`,
    has,
    async cut() {
      await run('redis-cli', ['-p', String(port), 'client', 'kill', 'user', 'driver']);
    },
    async stop() {
      await end(monitor);
      await end(server);
      rmSync(dir, { recursive: true });
    },
  };
}

/** Somebody may take the port between our look and the server's: then another is tried. */
async function started(dir: string): Promise<{ server: ChildProcess; port: number }> {
  for (let attempt = 0; ; attempt++) {
    const port = await freePort(['127.0.0.1']);
    const server = child('redis-server', [join(dir, 'redis.conf'), '--port', String(port), '--dir', dir]);
    let said = '';
    const listens = await new Promise<boolean>((resolve) => {
      server.once('exit', () => resolve(false));
      server.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('Ready to accept connections')) resolve(true);
      });
    });
    if (listens) return { server, port };
    if (attempt === 20 || !said.includes('Address already in use'))
      throw new Error(`redis-server did not start:\n${said}`);
  }
}

/** setpriv: a test process that is killed takes it along. */
function child(command: string, argv: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', command, ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });
}
