import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenCpuMs } from '../child.js';
import { interleave, median, round } from '../measure.js';
import { startSshd } from '../peers/sshd.js';
import type { Measured, Scenario } from '../scenario.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const ROUNDS = 7;
/** Of a round: the kernel tells the CPU time of children in hundredths of a second. */
const RUNS = 5;

/** The second `keylane exec --cache 5m` of somebody at a shell: what it takes where all is remembered on disk. */
export const scenario: Scenario = { name: 'cache-cli', fixture: 'loopback', limitSeconds: 90, binding: false, measure };

interface Spent {
  cpuMs: number;
  wallMs: number;
}

async function measure(): Promise<Measured> {
  const sshd = await startSshd(['127.2.1.1']);
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const { port, user, identity, knownHosts, addresses } = sshd;
  const to = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
  const exec = (...flags: string[]) => [MAIN, 'exec', '-q', ...flags, ...to, ...addresses, '--', 'date', '+%s.%N'];
  const cached = exec('--cache', '5m', '--data-dir', join(dir, 'data'));
  const asked = run(cached);
  const rounds = await interleave(ROUNDS, {
    keylane: () => spent(cached),
    node: () => spent(['-e', '0']),
    help: () => spent([MAIN, 'exec', '--help']),
  });
  const uncached = spent(exec());
  const answered = run(cached);
  await sshd.stop();
  rmSync(dir, { recursive: true });
  if (asked !== answered) throw new Error(`it was asked again: ${asked} ${answered}`);

  const of = (name: keyof typeof rounds, what: keyof Spent) => round(median(rounds[name].map((one) => one[what])));
  const over = (what: keyof Spent) => round((of('keylane', what) - of('node', what)) / 1000);
  return {
    figures: {
      msOfCpu: of('keylane', 'cpuMs'),
      ms: of('keylane', 'wallMs'),
      'without --cache': { msOfCpu: round(uncached.cpuMs), ms: round(uncached.wallMs) },
      'exec --help': { msOfCpu: of('help', 'cpuMs'), ms: of('help', 'wallMs') },
    },
    peers: { 'node -e 0': { msOfCpu: of('node', 'cpuMs'), ms: of('node', 'wallMs') } },
    ratios: { 'CPU ÷ node -e 0': round(of('keylane', 'cpuMs') / of('node', 'cpuMs')) },
    targets: [
      { what: 's of CPU over node -e 0', value: over('cpuMs'), atMost: 0.15 },
      { what: 's of wall time over node -e 0', value: over('wallMs'), atMost: 0.15 },
    ],
  };
}

/** What one of them takes, of CPU in all its threads and up to its very end. */
function spent(argv: readonly string[]): Spent {
  const [cpu, since] = [childrenCpuMs(), performance.now()];
  for (let i = 0; i < RUNS; i++) run(argv);
  return { cpuMs: (childrenCpuMs() - cpu) / RUNS, wallMs: (performance.now() - since) / RUNS };
}

function run(argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')} exited with ${status}: ${stderr}`);
  return stdout;
}
