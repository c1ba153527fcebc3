import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { interleave, median, round, stopwatch } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** How long somebody waits who only types `keylane --version`: whole process, beside Node that does nothing. */
export const scenario: Scenario = { name: 'start', fixture: 'dispatch', limitSeconds: 60, binding: false, measure };

async function measure(): Promise<Measured> {
  const rounds = await interleave(21, {
    keylane: () => run([MAIN, '--version']),
    node: () => run(['-e', '0']),
    help: () => run([MAIN, 'exec', '--help']),
  });
  const ms = (name: keyof typeof rounds) => round(median(rounds[name]));
  const ratio = round(ms('keylane') / ms('node'));
  return {
    figures: { ms: ms('keylane'), 'ms of keylane exec --help': ms('help') },
    peers: { 'node -e 0': { ms: ms('node') } },
    ratios: { 'time ÷ node -e 0': ratio },
    targets: [{ what: 'keylane --version ÷ node -e 0', value: ratio, atMost: 2 }],
  };
}

function run(argv: readonly string[]): number {
  const work = stopwatch();
  const { status, stderr } = spawnSync(process.execPath, argv, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')} exited with ${status}: ${stderr}`);
  return work().ms;
}
