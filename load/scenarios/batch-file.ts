import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startBatch, writeEchoJobs } from '../echo-jobs.js';
import { round } from '../measure.js';
import { resident, rssAnon, treeOf } from '../proc.js';
import type { Measured, Scenario, Size } from '../scenario.js';

/** `keylane batch run` of a file of a million `echo` requests: what the whole process holds, of the input alone and at most. */
export const scenario: Scenario = {
  name: 'batch-file',
  fixture: 'dispatch',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const count = short ? 100_000 : 1_000_000;
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const [input, out] = [join(dir, 'jobs.ndjson'), join(dir, 'results.ndjson')];
  writeEchoJobs(input, count);
  const since = performance.now();
  const flags = ['-q', '-c', '1000', '--data-dir', join(dir, 'data'), '--out', out];
  const child = startBatch(['run', ...flags, input], 'pipe');
  const exit = once(child, 'exit');
  const pid = child.pid as number;
  const peak = { inputBytes: 0, anonBytes: 0 };
  let inputMs = 0;
  while (child.exitCode === null && child.signalCode === null) {
    const isReading = !existsSync(out) || statSync(out).size === 0;
    // The process that starts a dead one again is one of them.
    const all = treeOf(pid);
    if (isReading) {
      inputMs = performance.now() - since;
      // Of the one that reads: what both have of Node itself is in memory once.
      peak.inputBytes = Math.max(peak.inputBytes, ...all.map(resident));
    }
    peak.anonBytes = Math.max(peak.anonBytes, sum(all.map(rssAnon)));
    await wait(10);
  }
  const ms = performance.now() - since;
  const [code] = await exit;
  if (code !== 0) throw new Error(`keylane batch run exited with ${code}`);
  const lines = linesOf(out);
  rmSync(dir, { recursive: true });

  const [inputMb, anonMb] = [round(peak.inputBytes / 1e6), round(peak.anonBytes / 1e6)];
  return {
    figures: {
      seconds: round(ms / 1000),
      secondsToTheFirstResult: round(inputMs / 1000),
      requestsPerSecond: Math.round((count * 1000) / ms),
      'MB resident before the first result': inputMb,
      rssAnonPeakMb: anonMb,
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'results missing', value: count - lines, atMost: 0 },
      { what: 'MB resident before the first result', value: inputMb, atMost: 200 },
      { what: 'peak MB of RssAnon', value: anonMb, atMost: 300 },
    ],
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function linesOf(file: string): number {
  let lines = 0;
  for (const byte of readFileSync(file)) if (byte === 10) lines++;
  return lines;
}
