import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild, type Spent } from '../child.js';
import { interleave, median, round } from '../measure.js';
import { toolArgv, tools } from '../peers/openssh-tools.js';
import { type Sshd, startSshd } from '../peers/sshd.js';
import type { Figures, Measured, Scenario, Size, Target } from '../scenario.js';

const HOSTS = 100;
const COMMANDS = 20;
/** Two for each host: the next command is there when one ends. */
const CONCURRENCY = 2 * HOSTS;
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** Debian's own Python: another one that is found first has none of Debian's packages. */
const PYTHON = '/usr/bin/python3';
const LOOP = fileURLToPath(new URL('../../../load/peers/asyncssh_loop.py', import.meta.url));

/** 20 times `true` on 100 hosts from a file, from nothing to the end: time, and CPU of all that the client's side starts. */
export const scenario: Scenario = {
  name: 'batch-peers',
  fixture: 'loopback',
  limitSeconds: 300,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const sshd = await startSshd(Array.from({ length: HOSTS }, (_, i) => `127.6.0.${i + 1}`));
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const { present, notes } = tools();
  const runs: Record<string, () => Promise<Spent>> = { keylane: batches(sshd, dir) };
  if (spawnSync(PYTHON, ['-W', 'ignore', '-c', 'import asyncssh']).status === 0) {
    runs.asyncssh = () => runChild(asyncssh(sshd, false));
    runs['asyncssh, AES-GCM'] = () => runChild(asyncssh(sshd, true));
  } else notes.push('asyncssh is missing: apt-get install python3-asyncssh python3-uvloop');
  const masters = ['ControlMaster=auto', 'ControlPersist=600', `ControlPath=${join(dir, '%C')}`];
  for (const tool of present) {
    runs[tool] = () => runChild(toolArgv(tool, sshd));
    runs[`${tool}, connections kept`] = () => runChild(toolArgv(tool, sshd, masters));
  }
  const rounds = await interleave(short ? 1 : 3, runs);
  if (present.length > 0) endMasters(sshd, masters[2]!);
  await sshd.stop();
  rmSync(dir, { recursive: true });

  const of = (name: string, what: keyof Spent) => median(rounds[name]!.map((spent) => spent[what]));
  const all = (name: string, what: keyof Spent) => of(name, what) * (isTool(name) ? COMMANDS : 1);
  const cpuTo = (name: string) => (name in runs ? round(of('keylane', 'cpuMs') / of(name, 'cpuMs')) : undefined);
  const faster = (name: string) => (name in runs ? round(all(name, 'ms') / of('keylane', 'ms')) : undefined);
  const figures = (name: string): Figures => ({
    seconds: round(all(name, 'ms') / 1000),
    // Of kept connections the most is in the processes that keep them, which belong to nobody.
    ...(name.endsWith('kept') ? {} : { secondsOfCpu: round(all(name, 'cpuMs') / 1000) }),
  });
  const peers = Object.keys(runs).filter((name) => name !== 'keylane');
  const targets: Target[] = [
    { what: 'times faster than clush', value: faster('clush'), atLeast: 20 },
    { what: 'times faster than parallel-ssh', value: faster('parallel-ssh'), atLeast: 20 },
    { what: 'CPU ÷ asyncssh, as it comes', value: cpuTo('asyncssh'), atMost: 0.25 },
    { what: 'CPU ÷ asyncssh, its cheapest algorithms and uvloop', value: cpuTo('asyncssh, AES-GCM'), atMost: 0.25 },
  ];
  const kept = peers.filter((name) => name.endsWith('kept'));
  return {
    figures: figures('keylane'),
    peers: Object.fromEntries(peers.map((name) => [name, figures(name)])),
    ratios: Object.fromEntries(kept.map((name) => [`times faster than ${name}`, faster(name)!])),
    targets,
    notes,
  };
}

/** One command a host is one run of theirs: the 20 would be 20 like that one. */
function isTool(name: string): boolean {
  return name.startsWith('clush') || name.startsWith('parallel-ssh');
}

/** A journaled batch of all commands, each time another. */
function batches(sshd: Sshd, dir: string): () => Promise<Spent> {
  const { addresses, port, user, identity, knownHosts } = sshd;
  const file = join(dir, 'jobs.ndjson');
  const round = addresses.map((host) => JSON.stringify({ request: { host, command: 'true' } }));
  writeFileSync(file, Array.from({ length: COMMANDS }, () => `${round.join('\n')}\n`).join(''));
  const to = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
  const data = join(dir, 'data');
  mkdirSync(data, { mode: 0o700 });
  let count = 0;
  return async () => {
    const out = join(dir, `${++count}.ndjson`);
    const flags = ['-q', '-c', String(CONCURRENCY), '--data-dir', data, '--out', out, ...to];
    const spent = await runChild([process.execPath, ...process.execArgv, MAIN, 'batch', 'run', ...flags, file]);
    const ok = readFileSync(out, 'utf8').split('"outcome":"ok"').length - 1;
    if (ok !== HOSTS * COMMANDS) throw new Error(`${ok} commands were ok`);
    return spent;
  };
}

function asyncssh({ addresses, port, user, identity, knownHosts }: Sshd, fast: boolean): string[] {
  return [PYTHON, LOOP, JSON.stringify({ addresses, port, user, identity, knownHosts, commands: COMMANDS, fast })];
}

function endMasters({ addresses, user, port }: Sshd, path: string): void {
  for (const host of addresses) {
    spawnSync('ssh', ['-F', 'none', '-o', path, '-l', user, '-p', String(port), '-O', 'exit', host], {
      stdio: 'ignore',
    });
  }
}
