import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interleave, median, perSecond, round, type Work } from '../measure.js';
import { sampled } from '../proc.js';
import { type Program, startProgram } from '../program.js';
import type { BatchEcho } from '../programs/batch-echo.js';
import type { Measured, Scenario, Size } from '../scenario.js';

/** What the journal costs: a million `echo` requests, 1,000 in flight, 1,000 keys, 1 shard, with it and without. */
export const scenario: Scenario = {
  name: 'batch-journal',
  fixture: 'dispatch',
  limitSeconds: 180,
  binding: false,
  measure,
};

interface Run extends Work {
  rssAnonMb: number[];
}

async function measure({ short }: Size): Promise<Measured> {
  const count = short ? 100_000 : 1_000_000;
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  let batches = 0;
  // Each run has a process of its own: memory that one has left would be counted for the next.
  const run = (journal: boolean) => async (): Promise<Run> => {
    const program = await startProgram<BatchEcho>('batch-echo');
    await program.ask('start', { dataDir: dir });
    const id = journal ? `b-${++batches}` : undefined;
    const ran = await watched(program, { count, id });
    await program.ask('close', undefined);
    await program.end();
    if (id !== undefined) rmSync(join(dir, 'batches', id), { recursive: true });
    return ran;
  };
  const rounds = await interleave(short ? 1 : 3, { journal: run(true), without: run(false) });
  rmSync(dir, { recursive: true });

  const rate = (name: keyof typeof rounds) => Math.round(median(rounds[name].map(perSecond)));
  const cpu = (name: keyof typeof rounds) => round(median(rounds[name].map((ran) => ran.cpuUs / ran.count)));
  const peak = round(Math.max(...rounds.journal.map(({ rssAnonMb }) => Math.max(...rssAnonMb))));
  const growth = round(median(rounds.journal.map(({ rssAnonMb }) => growthOf(rssAnonMb))));
  const ratio = round(rate('journal') / rate('without'));
  return {
    figures: {
      requestsPerSecond: rate('journal'),
      cpuUsPerRequest: cpu('journal'),
      rssAnonPeakMb: peak,
    },
    peers: { 'without a journal': { requestsPerSecond: rate('without'), cpuUsPerRequest: cpu('without') } },
    ratios: { 'requests/s ÷ without a journal': ratio },
    targets: [
      { what: 'requests/s ÷ without a journal', value: ratio, atLeast: 0.35 },
      { what: 'requests/s', value: rate('journal'), atLeast: 60_000 },
      { what: 'peak MB of RssAnon', value: peak, atMost: 300 },
      // A short run is over before it has grown to its size.
      { what: 'RssAnon of the last quarter ÷ that of the second', value: short ? undefined : growth, atMost: 1.1 },
    ],
  };
}

async function watched(program: Program<BatchEcho>, about: { count: number; id: string | undefined }): Promise<Run> {
  const run = program.ask('run', about);
  const rssAnonMb = (await sampled(program.pid, run)).map((bytes) => bytes / 1e6);
  return { ...(await run), rssAnonMb };
}

/** Medians: garbage comes and goes. The first quarter warms up. */
function growthOf(samples: readonly number[]): number {
  const quarter = Math.floor(samples.length / 4);
  return median(samples.slice(3 * quarter)) / median(samples.slice(quarter, 2 * quarter));
}
