import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interleave, median, perSecond, round, type Work } from '../measure.js';
import { startSshd } from '../peers/sshd.js';
import { startProgram } from '../program.js';
import type { KeylaneSsh } from '../programs/keylane-ssh.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const HOSTS = 100;
const COMMANDS = 10_000;
/** Each with a journal of its own, and one without in between: what else the machine does meets both. */
const SLICES = 10;
const CONCURRENCY = 2 * HOSTS;

/** 10,000 times `true` over 100 hosts, with the journal and without; how many had their connection already. */
export const scenario: Scenario = {
  name: 'batch-ssh',
  fixture: 'loopback',
  limitSeconds: 180,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const sshd = await startSshd(Array.from({ length: HOSTS }, (_, i) => `127.6.1.${i + 1}`));
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const { addresses, port, user, identity, knownHosts } = sshd;
  const fleet = { addresses, port, user, identity, knownHosts };
  const program = await startProgram<KeylaneSsh>('keylane-ssh');
  await program.ask('start', { fleet, options: { shards: 1, dataDir: dir } });
  const count = COMMANDS / SLICES;
  let batches = 0;
  const run = (journal: boolean) => () =>
    program.ask('rounds', { count, concurrency: CONCURRENCY, id: journal ? `b-${++batches}` : undefined });
  // The first slice connects. It is one of the 10,000, so that its connections are counted.
  const first = await run(true)();
  const rounds = await interleave(short ? 2 : SLICES, { journal: run(true), without: run(false) });
  await program.end();
  await sshd.stop();
  rmSync(dir, { recursive: true });

  const rate = (ran: readonly Work[]) => round(median(ran.map(perSecond)));
  const cpu = (ran: readonly Work[]) => round(median(ran.map((work) => work.cpuUs / work.count)));
  const ratio = round(median(rounds.journal.map((ran, i) => perSecond(ran) / perSecond(rounds.without[i]!))));
  const journaled = [first, ...rounds.journal.slice(1)];
  const all = journaled.reduce((sum, ran) => sum + ran.count, 0);
  const reused = round(journaled.reduce((sum, ran) => sum + ran.reused, 0) / all);
  return {
    figures: {
      commandsPerSecond: rate(rounds.journal),
      cpuUsPerCommand: cpu(rounds.journal),
      'commands whose connection was there, of all': reused,
    },
    peers: {
      'without a journal': { commandsPerSecond: rate(rounds.without), cpuUsPerCommand: cpu(rounds.without) },
    },
    ratios: { 'commands/s ÷ without a journal': ratio },
    targets: [
      { what: 'commands/s ÷ without a journal', value: ratio, atLeast: 0.95 },
      // A short run has a fifth of the commands, and as many connections to open.
      { what: 'commands whose connection was there, of all', value: short ? undefined : reused, atLeast: 0.9 },
    ],
  };
}
