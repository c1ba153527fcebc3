import { resolve } from 'node:path';
import { type Batches, type BatchSummary, createEngine, type JobSource, systemClock } from '../index.js';
import { reachable } from './batch-input.js';
import { openOut } from './batch-out.js';
import { BatchRun, type Kept } from './batch-run.js';
import type { RunFlags } from './batch-run-flags.js';
import { type KeptSettings, optionsOf } from './batch-settings.js';
import type { Configured } from './configured.js';
import { readHosts } from './fleet.js';
import type { Io } from './io.js';
import { startEngine } from './start-engine.js';

/** A batch that is to be run, or gone on with. */
export interface Going {
  /** Of the command, for its messages. */
  name: string;
  flags: RunFlags;
  conf: Configured;
  /** Undefined without a journal. */
  id: string | undefined;
  /** What there is of it already. */
  before: BatchSummary | undefined;
  settings: KeptSettings;
  batches: Batches;
}

const NONE = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };

/** Runs what is left of a batch. Resolves with the exit status. */
export async function goOn(going: Going, source: JobSource, io: Io): Promise<number> {
  const { flags, conf, id, before, settings } = going;
  const known = await readHosts(conf, { inventory: flags.inventory }, io);
  const run = await runOf(going, source.total, io);
  await run.begin();
  const { options } = conf;
  const engine = await startEngine(createEngine, {
    ...options,
    ...(flags.cache !== undefined && { lazyShards: true }),
  });
  try {
    const batch = engine.batches.run(reachable(source, known), {
      ...optionsOf(flags),
      driver: source.identity?.driver ?? flags.driver,
      signal: run.cut,
      onStart: run.started,
      ...(id === undefined ? { journal: false } : { journal: true, id, settings, resume: before !== undefined }),
    });
    await run.settleAll(batch);
  } finally {
    if (run.cut.aborted) await engine.destroy(`keylane batch ${going.name} was cut`);
    else await engine.close();
  }
  return run.end();
}

/** Brings the output of a batch that has ended up to what its journal has. Resolves with the exit status. */
export async function finish(going: Going, io: Io): Promise<number> {
  const run = await runOf(going, going.before?.total, io);
  await run.begin();
  return run.end();
}

async function runOf(
  { name, flags, id, before, batches }: Going,
  total: number | undefined,
  io: Io,
): Promise<BatchRun> {
  const settled = before?.settled ?? 0;
  const out = flags.out === undefined ? undefined : await openOut(flags.out, settled);
  const kept: Kept | undefined =
    id === undefined
      ? undefined
      : {
          id,
          where: whereOf(flags)
            .map((word) => ` ${quoted(word)}`)
            .join(''),
          settled,
          outcomes: before?.counts ?? NONE,
          after: (count) => batches.results(id, { skip: count }),
          from: (index) => batches.results(id, { ordered: true, skip: index }),
          report: () => batches.report(id),
        };
  const begun = () => id !== undefined && io.goOn?.(resumeOf(id, flags));
  return new BatchRun({ name, flags, total, out, kept, begun }, io, systemClock);
}

/** Flags by which another command finds the same data directory. */
function whereOf({ dataDir, config }: RunFlags): string[] {
  if (dataDir !== undefined) return ['--data-dir', resolve(dataDir)];
  return config === undefined ? [] : ['--config', config === 'none' ? config : resolve(config)];
}

/** The arguments by which another process goes on, and shows the same of it. */
function resumeOf(id: string, flags: RunFlags): string[] {
  const { quiet, progress, color } = flags;
  const shown = [...(quiet ? ['-q'] : []), ...(progress ? [] : ['--no-progress']), '--color', color];
  return ['batch', 'resume', id, ...whereOf(flags), ...shown];
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
