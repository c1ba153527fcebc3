// `npm run load -- <scenario…> | all [--json FILE] [--native yes|no] [--short]`
import { type ChildProcess, fork } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { WITHOUT_NATIVE } from './native.js';
import type { Report, Scenario } from './scenario.js';
import type { ScenarioSays } from './scenario-process.js';
import { table } from './table.js';

/** Each is a file of its name in scenarios/. */
const SCENARIOS: readonly string[] = [
  'engine-path',
  'engine-lone',
  'fan-out',
  'pool-acquire',
  'pool-idle',
  'top-keys',
  'ssh-lone',
  'ssh-warm',
  'ssh-cold',
  'ssh-config',
  'config',
  'ssh-bastion',
  'ssh-copy',
  'fleet-10k',
  'adaptive',
  'start',
  'caller-loop',
  'memory',
  'cache',
  'cache-cli',
  'batch-journal',
  'batch-resume',
  'batch-file',
  'batch-ssh',
  'batch-peers',
  'http-run',
  'http-levels',
  'http-overload',
  'http-ssh',
  'http-sse',
  'http-memory',
  'http-start',
  'smtp-send',
  'smtp-rate',
  'smtp-prewarm',
  'stdio-run',
  'fetch-run',
  'fetch-sse',
  'mixed',
];

const PROCESS = new URL('./scenario-process.js', import.meta.url);
const USAGE = 'npm run load -- <scenario…>|all [--json FILE] [--native yes|no] [--short]';

process.exitCode = await main();

/** 0: every target reached; 1: not all; 2: asked for what is not there, or this machine lacks something. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, native: { type: 'string' }, short: { type: 'boolean', default: false } },
  });
  const all = positionals.includes('all');
  const unknown = positionals.filter((name) => name !== 'all' && !SCENARIOS.includes(name));
  if (positionals.length === 0 || unknown.length > 0 || ![undefined, 'yes', 'no'].includes(values.native)) {
    process.stderr.write(
      `${USAGE}\nScenarios: ${SCENARIOS.join(', ')}\n${unknown.map((name) => `There is no ${name}.\n`).join('')}`,
    );
    return 2;
  }
  const reports: Report[] = [];
  let failures = 0;
  for (const name of all ? SCENARIOS : positionals) {
    const both = all && values.native === undefined && (await askScenario(name)).binding;
    for (const native of both ? [true, false] : [values.native !== 'no']) {
      if (all) process.stderr.write(`${name}${native ? '' : ', without the native binding'} …\n`);
      const says = await runScenario(name, native, values.short);
      if ('failed' in says) {
        failures++;
        process.stderr.write(`${name}: ${says.failed}\n`);
        continue;
      }
      reports.push(says.report);
      if (!all) process.stdout.write(`${JSON.stringify(says.report, null, 2)}\n`);
      if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify(says.report)}\n`);
    }
  }
  if (all) process.stdout.write(table(reports));
  if (failures > 0) return 2;
  return reports.every(({ reached }) => reached) ? 0 : 1;
}

/** Each scenario has a process of its own: what one leaves on the heap, another does not pay for. */
async function runScenario(name: string, native: boolean, short: boolean): Promise<ScenarioSays> {
  const { limitSeconds } = await askScenario(name);
  const child = fork(PROCESS, [name, short ? 'short' : 'full'], {
    execArgv: [...process.execArgv, ...(native ? [] : WITHOUT_NATIVE)],
  });
  const late = AbortSignal.timeout(limitSeconds * 1000);
  late.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
  const says = await firstWord(child);
  return says ?? { failed: late.aborted ? `took more than ${limitSeconds} s and was killed` : 'ended without a word' };
}

async function askScenario(name: string): Promise<Scenario> {
  const { scenario } = (await import(new URL(`./scenarios/${name}.js`, import.meta.url).href)) as {
    scenario: Scenario;
  };
  return scenario;
}

function firstWord(child: ChildProcess): Promise<ScenarioSays | undefined> {
  return new Promise((resolve) => {
    let says: ScenarioSays | undefined;
    child.once('message', (message) => {
      says = message as ScenarioSays;
    });
    child.once('exit', () => resolve(says));
  });
}
