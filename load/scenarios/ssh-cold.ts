import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { interleave, median, round, stopwatch } from '../measure.js';
import { type Sshd, startSshd } from '../peers/sshd.js';
import type { Figures, Measured, Scenario, Target } from '../scenario.js';

const HOSTS = 100;
/** clush's own default. parallel-ssh's is 32. */
const FANOUT = 64;
const ROUNDS = 2;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** `true` on 100 hosts from nothing, as somebody at a shell sees it: process, handshakes, one command each, and the end. */
export const scenario: Scenario = { name: 'ssh-cold', fixture: 'loopback', limitSeconds: 90, binding: true, measure };

const PEERS = [
  { name: 'clush', package: 'clustershell' },
  { name: 'parallel-ssh', package: 'pssh' },
] as const;

async function measure(): Promise<Measured> {
  const sshd = await startSshd(Array.from({ length: HOSTS }, (_, i) => `127.2.0.${i + 1}`));
  const present = PEERS.filter(({ name }) => spawnSync(name, ['--version']).error === undefined);
  const commands: Record<string, string[]> = { keylane: keylane(sshd) };
  for (const { name } of present) commands[name] = name === 'clush' ? clush(sshd) : parallelSsh(sshd);
  const runs = Object.entries(commands).map(([name, argv]) => [name, () => run(argv)] as const);
  const rounds = await interleave(ROUNDS, Object.fromEntries(runs));
  await sshd.stop();

  const seconds = (name: string) => round(median(rounds[name]!) / 1000);
  const ratios = Object.fromEntries(present.map(({ name }) => [name, round(seconds('keylane') / seconds(name))]));
  const targets: Target[] = PEERS.map(({ name }) => ({
    what: `wall time ÷ ${name}`,
    value: ratios[name],
    atMost: 0.4,
  }));
  const missing = PEERS.filter(({ name }) => !present.some((peer) => peer.name === name));
  return {
    figures: { seconds: seconds('keylane') },
    peers: Object.fromEntries(present.map(({ name }): [string, Figures] => [name, { seconds: seconds(name) }])),
    ratios,
    targets,
    notes: missing.map((peer) => `${peer.name} is missing: apt-get install ${peer.package}`),
  };
}

function keylane({ addresses, port, user, identity, knownHosts }: Sshd): string[] {
  const flags = ['-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts, '-c', String(FANOUT)];
  return [process.execPath, ...process.execArgv, MAIN, 'exec', '-F', 'none', ...flags, ...addresses, '--', 'true'];
}

/** What OpenSSH's ssh is told by both peers, as `-o` options. */
function options({ port, identity, knownHosts }: Sshd): string[] {
  return [
    `Port=${port}`,
    `IdentityFile=${identity}`,
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
  ];
}

function clush(sshd: Sshd): string[] {
  const ssh = options(sshd).map((option) => `-o ${option}`);
  const hosts = sshd.addresses.join(',');
  return ['clush', '-S', '-f', String(FANOUT), '-l', sshd.user, '-o', `-F none ${ssh.join(' ')}`, '-w', hosts, 'true'];
}

function parallelSsh(sshd: Sshd): string[] {
  const ssh = options(sshd).flatMap((option) => ['-O', option]);
  const hosts = sshd.addresses.join(' ');
  return ['parallel-ssh', '-H', hosts, '-p', String(FANOUT), '-l', sshd.user, '-x', '-F none', ...ssh, 'true'];
}

async function run([command, ...argv]: string[]): Promise<number> {
  const work = stopwatch();
  const child = spawn(command!, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} exited with ${code}: ${said.slice(-2_000)}`);
  return work().ms;
}
