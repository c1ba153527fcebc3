import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { killBatch, startBatch, writeEchoJobs } from '../echo-jobs.js';
import { median, round } from '../measure.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ROUNDS = 5;
/** Of a result's line, about: `{"index":…,"id":…,"driver":"echo","key":…,"outcome":"ok","response":…,"timing":…}`. */
const BYTES_A_RESULT = 230;

/**
 * A million `echo` requests, killed when half of them are done: how long does `keylane batch resume` take, from its start, to the
 * first result of a request that it has run itself? (The first is submitted a moment before.)
 */
export const scenario: Scenario = {
  name: 'batch-resume',
  fixture: 'dispatch',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const count = short ? 100_000 : 1_000_000;
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const input = join(dir, 'jobs.ndjson');
  writeEchoJobs(input, count);
  const data = ['--data-dir', join(dir, 'data')];
  const made = await half(['run', ...data, '-q', '-c', '1000', '--id', 'half', input], join(dir, 'first'), count);
  const times: number[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const ms = await untilFirstResult(['resume', ...data, '-q', 'half']);
    if (i > 0) times.push(ms);
  }
  rmSync(dir, { recursive: true });

  const seconds = round(median(times) / 1000);
  return {
    figures: {
      secondsToTheFirstResult: seconds,
      longest: round(Math.max(...times) / 1000),
      requests: count,
      bytesOfResultsBefore: made,
    },
    peers: {},
    ratios: {},
    targets: [{ what: 's from the start of resume to its first result', value: seconds, atMost: 3 }],
  };
}

/** Runs until about half of the results are written, then kills it. */
async function half(argv: string[], results: string, count: number): Promise<number> {
  const fd = openSync(results, 'w');
  const child = startBatch(argv, fd);
  const exit = once(child, 'exit');
  while (statSync(results).size < (count / 2) * BYTES_A_RESULT) {
    if (child.exitCode !== null) throw new Error(`the batch ended by itself, with ${child.exitCode}`);
    await wait(5);
  }
  killBatch(child);
  await exit;
  closeSync(fd);
  return statSync(results).size;
}

/** Resumes, and kills it then: the next time there is a little less to do. What was in flight has the outcome `unknown` then. */
async function untilFirstResult(argv: string[]): Promise<number> {
  const since = performance.now();
  const child = startBatch(argv, 'pipe');
  const exit = once(child, 'exit');
  await said(child, '"outcome":"ok"');
  const ms = performance.now() - since;
  killBatch(child);
  await exit;
  return ms;
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`resume ended with ${code}`)));
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      // The word may come in two pieces.
      text = text.slice(-word.length) + piece;
      if (text.includes(word)) resolve();
    });
  });
}
