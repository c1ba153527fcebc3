import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { plainEnvironment } from '../child.js';
import { freePort } from '../free-port.js';
import { median, round } from '../measure.js';
import { cpuMsOf, rssAnon, treeOf } from '../proc.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const ROUNDS = 11;
/** V8 collects what the start has left when it has been idle for 8 s, three times in all. */
const AT_REST_MS = 15_000;

/** `keylane serve`, as typed: when does it serve, and what does it hold and do while nobody asks it for anything? */
export const scenario: Scenario = {
  name: 'http-start',
  fixture: 'dispatch',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const ready: number[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const [child, ms] = await start(dir);
    if (i > 0) ready.push(ms);
    await stop(child);
  }
  const [child] = await start(dir);
  await wait(AT_REST_MS);
  const [cpu, since] = [cpuMs(child), performance.now()];
  await wait(short ? 5_000 : 20_000);
  const busy = (cpuMs(child) - cpu) / (performance.now() - since);
  const [parent, ...rest] = treeOf(child.pid as number);
  const held = rest.length > 0 ? rest : [parent!];
  const idle = Math.max(...held.map(rssAnon)) / 1e6;
  const above = rest.length > 0 ? rssAnon(parent!) / 1e6 : 0;
  await stop(child);
  rmSync(dir, { recursive: true, force: true });

  return {
    figures: {
      'ms to the first ready': round(median(ready)),
      'MB of RssAnon, idle, 2 shards': round(idle),
      'MB of the process above it, which starts it again': round(above),
      'CPU, idle, share of a core': round(busy),
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'ms from the start to ready', value: round(median(ready)), atMost: 500 },
      { what: 'MB of RssAnon, idle, 2 shards', value: round(idle), atMost: 110 },
      { what: 'CPU, idle, share of a core', value: round(busy), atMost: 0.01 },
    ],
    notes: ['no peer: bare Node holds 42 MB'],
  };
}

async function start(dataDir: string): Promise<[ChildProcess, number]> {
  const port = await freePort();
  const since = performance.now();
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--listen', `127.0.0.1:${port}`, '--shards', '2', '--data-dir', dataDir, '--config', 'none'],
    { stdio: ['ignore', 'ignore', 'ignore'], env: plainEnvironment() },
  );
  for (;;) {
    if (await isReady(port)) return [child, performance.now() - since];
    if (child.exitCode !== null) throw new Error(`keylane serve exited with ${child.exitCode}`);
    await wait(5);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port, host: '127.0.0.1', path: '/readyz', agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

/** Of all processes that it has started, too. */
function cpuMs(child: ChildProcess): number {
  return treeOf(child.pid as number).reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}
