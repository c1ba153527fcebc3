/**
 * `npm run demo`: 50 SSH servers on loopback addresses in a process of their own, and the real command line against
 * them. Ends with 0 if everything went as it must.
 */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createEngine, type Engine, type SshRequest } from 'keylane';
import { type SshServers, startSshServers } from './peers/ssh-server.js';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const ALL = '127.1.0.[1-50]';
/** Nothing listens here. */
const REFUSES = '127.1.0.49';
/** Something listens here that never says a word. */
const HANGS = '127.1.0.50';

const wrong: string[] = [];

// An exit, unlike a signal, lets the servers' files be removed.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const servers: SshServers = await startSshServers({
  addresses: { count: 50, base: '127.1.0.1' },
  mode: 'shell',
  refuse: [REFUSES, HANGS],
});
const silent = await listenInSilence(servers.port);
try {
  say(
    `50 SSH hosts, ${ALL}, port ${servers.port}: each runs its commands in /bin/sh. 127.1.0.49 refuses, 127.1.0.50 hangs.`,
  );
  await liveOutput();
  await foldedOutput();
  await unreachedHosts();
  await figures();
} finally {
  silent.close();
  await servers.stop();
}
say(
  wrong.length === 0
    ? '\nEverything went as it must.'
    : `\nNot as it must be:\n${wrong.map((what) => `  ${what}`).join('\n')}`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;

async function liveOutput(): Promise<void> {
  title('1. Lines as they come, each with its host');
  const command = 'for step in 1 2 3; do echo "step $step"; sleep 0.3; done; echo done >&2';
  const { status, text } = await keylane(['127.1.0.[1-4]', '--', command]);
  expect('the live run ends with 0', status === 0);
  expect('four hosts give four lines each', text.match(/^127\.1\.0\.[1-4]: (step [123]|done)$/gm)?.length === 16);
}

async function foldedOutput(): Promise<void> {
  title('2. Equal outputs folded, with -b');
  const { status, text } = await keylane(['-b', ALL, '-x', `${REFUSES},${HANGS}`, '--', 'uname -sr; id -un']);
  expect('the folded run ends with 0', status === 0);
  expect('48 hosts give one output', text.includes('127.1.0.[1-48] (48)'));
}

async function unreachedHosts(): Promise<void> {
  title('3. One host refuses, one hangs, some say no: nobody waits for them longer than asked');
  const { status, text } = await keylane([ALL, '--timeout', '3s', '--', 'exit $(( $$ % 3 ))']);
  expect('hosts that were not reached make 3 of the exit status', status === 3);
  expect('the host that refuses is named with its reason', new RegExp(`ERR_CONNECT.*${REFUSES}`).test(text));
  expect('the host that hangs is named with its reason', new RegExp(`ERR_(TIMEOUT|CONNECT).*${HANGS}`).test(text));
  expect('both were never started', text.includes('2 not started'));
}

async function figures(): Promise<void> {
  title('4. The library itself: one engine, 48 hosts, cold and then warm');
  const { identity, knownHosts, port, user } = servers;
  const engine = await createEngine({ ssh: { identity, knownHosts, port, user } });
  try {
    say("   for await (const { outcome, timing } of engine.batch('ssh', requests, { concurrency: 200 })) …\n");
    const hosts = servers.addresses.filter((host) => host !== REFUSES && host !== HANGS);
    await measure(engine, 'cold: connect, log in, run /bin/sh', hosts);
    await measure(engine, 'warm: the connections are there', hosts);
    await measure(
      engine,
      'warm, 10 commands a host',
      hosts.flatMap((host) => Array.from({ length: 10 }, () => host)),
    );
  } finally {
    await engine.close();
  }
  say(
    '   The servers share the cores with keylane and start a /bin/sh for each command: npm run load measures without.',
  );
}

async function measure(engine: Engine, what: string, hosts: readonly string[]): Promise<void> {
  const requests: SshRequest[] = hosts.map((host) => ({ host, command: 'true' }));
  const took: number[] = [];
  let ok = 0;
  const from = performance.now();
  for await (const { outcome, timing } of engine.batch('ssh', requests, { concurrency: 200 })) {
    if (outcome === 'ok') ok++;
    took.push(timing.queuedMs + timing.openMs + timing.runMs);
  }
  const ms = performance.now() - from;
  took.sort((a, b) => a - b);
  const at = (share: number) => `${(took[Math.ceil(took.length * share) - 1] ?? 0).toFixed(0)} ms`;
  const perSecond = Math.round((requests.length * 1000) / ms);
  say(
    `   ${what.padEnd(36)} ${String(requests.length).padStart(4)} commands  ${String(perSecond).padStart(5)}/s  p50 ${at(0.5)}  p95 ${at(0.95)}`,
  );
  expect(`${what}: all are ok`, ok === requests.length);
}

/** Runs the command line with the fleet's login, shows the command and all of its output. */
async function keylane(args: readonly string[]): Promise<{ status: number | null; text: string }> {
  const { port, identity, knownHosts, user } = servers;
  const login = ['-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
  say(`$ keylane exec ${[...login, ...args].map(quoted).join(' ')}`);
  const child = spawn(process.execPath, [MAIN, 'exec', '-F', 'none', ...login, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      process.stdout.write(piece);
    });
  }
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  say(`(exit status ${status})`);
  return { status, text };
}

function listenInSilence(port: number): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, HANGS, () => resolve(server));
  });
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

function expect(what: string, holds: boolean): void {
  if (!holds) wrong.push(what);
}

function title(text: string): void {
  say(`\n${text}\n${'='.repeat(text.length)}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
