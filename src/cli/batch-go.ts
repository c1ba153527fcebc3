import { resolve } from 'node:path';
import { type Batches, type BatchSummary, createEngine, type JobSource, systemClock } from '../index.js';
import { reachable } from './batch-input.js';
import { openOut, refuseFull } from './batch-out.js';
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
  const { name, flags, conf, id, before, settings, batches } = going;
  if (flags.out !== undefined && !before) await refuseFull(flags.out);
  const known = await readHosts(conf, { inventory: flags.inventory }, io);
  const { options } = conf;
  const engine = await startEngine(createEngine, {
    ...options,
    ...(flags.cache !== undefined && { lazyShards: true }),
  });
  const cut = new AbortController();
  let run: BatchRun | undefined;
  try {
    const batch = engine.batches.run(reachable(source, known), {
      ...optionsOf(flags),
      driver: source.identity?.driver ?? flags.driver,
      signal: cut.signal,
      onStart: (index, request) => run?.started(index, request),
      ...(id === undefined ? { journal: false } : { journal: true, id, settings, resume: before !== undefined }),
    });
    // From here on it is ours: nobody else writes its output.
    await batch.open();
    try {
      run = await runOf(going, before && (await batches.show(before.id)), source.total, io, cut);
      await run.begin();
    } catch (error) {
      await batch.return();
      throw error;
    }
    if (id !== undefined) io.goOn?.(resumeOf(id, flags));
    await run.settleAll(batch);
  } finally {
    if (cut.signal.aborted) await engine.destroy(`keylane batch ${name} was cut`);
    else await engine.close();
  }
  return run.end();
}

/** Brings the output of a batch that has ended up to what its journal has. Resolves with the exit status. */
export async function finish(going: Going, io: Io): Promise<number> {
  const run = await runOf(going, going.before, going.before?.total, io, new AbortController());
  await run.begin();
  return run.end();
}

/** `before`: what there is of it already. */
async function runOf(
  { name, flags, id, batches }: Going,
  before: BatchSummary | undefined,
  total: number | undefined,
  io: Io,
  cut: AbortController,
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
  return new BatchRun({ name, flags, total, out, kept, cut }, io, systemClock);
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
