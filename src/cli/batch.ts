import { mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type Batches,
  type BatchSummary,
  exportResults,
  KeylaneError,
  newBatchId,
  type OpenedJobs,
  type Outcome,
  openBatches,
  openJobs,
  reopenJobs,
  retryJobs,
  spoolJobs,
  systemClock,
} from '../index.js';
import type { BatchRuns, ExportFlags, RetryChoice } from './batch-flags.js';
import { follow, printed } from './batch-follow.js';
import { finish, type Going, goOn } from './batch-go.js';
import { type GivenRunFlags, type RunFlags, withDefaults } from './batch-run-flags.js';
import { keptSettings, readSettings, saysOf } from './batch-settings.js';
import { listText } from './batch-text.js';
import type { ConfigFlags } from './config-flags.js';
import { type Configured, configOf, configured } from './configured.js';
import { counted, grouped } from './figures.js';
import { type Io, UsageError } from './io.js';
import { Screen } from './screen.js';
import { visible } from './visible.js';

/** The `keylane batch` commands. */
export function batchRuns(io: Io): BatchRuns {
  const withBatches = (flags: ConfigFlags, work: (batches: Batches) => Promise<number>): Promise<number> =>
    asUsage(async () => {
      const { dataDir } = (await configOf(flags, io)).engine;
      return work(openBatches({ dataDir }));
    });

  return {
    run: (file, given) => asUsage(() => run(file, given, io)),
    resume: (id, given) => withBatches(given, (batches) => resume(id, given, batches, io)),
    retry: (id, choice, given) => withBatches(given, (batches) => retry(id, choice, given, batches, io)),

    list: ({ format, ...flags }) =>
      withBatches(flags, async (batches) => {
        const found = await batches.list();
        io.stdout.write(format === 'text' ? listText(found) : printed(found.map(told), format));
        return 0;
      }),

    show: (id, flags) => withBatches(flags, (batches) => follow(id, flags, batches, io, systemClock)),

    cancel: (id, flags) =>
      withBatches(flags, async (batches) => {
        const { state, counts } = await batches.cancel(id);
        const left = `${counted(counts.not_started, 'request')} not started, ${grouped(counts.unknown)} unknown`;
        io.stdout.write(state === 'canceled' ? `canceled ${id}: ${left}\n` : `${id} had ended already: ${state}\n`);
        return 0;
      }),

    remove: (ids, flags) =>
      withBatches(flags, async (batches) => {
        for (const id of ids) {
          await batches.remove(id);
          io.stdout.write(`removed ${id}\n`);
        }
        return 0;
      }),

    export: (id, flags) => withBatches(flags, (batches) => exportBatch(id, flags, batches, io)),
  };
}

async function run(file: string, given: GivenRunFlags, io: Io): Promise<number> {
  const flags = withDefaults(given);
  if (file === '-' && (io.stdin as { isTTY?: boolean }).isTTY)
    throw new UsageError('no file of requests: name one, or pipe them in');
  const conf = await configuredRun(flags, io);
  const batches = openBatches({ dataDir: conf.options.dataDir });
  const id = flags.journal ? (flags.id ?? newBatchId()) : undefined;
  if (flags.id !== undefined) refuseTaken(flags.id, batches);
  const dir = id === undefined ? mkdtempSync(join(tmpdir(), 'keylane-batch-')) : batches.directory(id);
  let source: OpenedJobs | undefined;
  try {
    const { driver, template, skipBad, from } = flags;
    source = await openJobs(file === '-' ? io.stdin : file, {
      driver,
      spoolDir: dir,
      // What drivers of one's own are called is not known before they are loaded.
      ...(conf.options.drivers === undefined && { drivers: [] }),
      ...(from !== undefined && { format: from }),
      ...(template !== undefined && { template }),
      ...(skipBad !== undefined && { skipBad }),
    });
    const { count, lines } = source.bad;
    if (count > 0) {
      for (const line of lines) io.stderr.write(`${visible(line)}\n`);
      io.stderr.write(`keylane batch run: ${counted(count, 'bad line')} put aside in ${visible(skipBad ?? '')}\n`);
    }
    const settings = keptSettings(given);
    return await goOn({ name: 'run', flags, conf, id, before: undefined, settings, batches }, source, io);
  } finally {
    if (id === undefined) rmSync(dir, { recursive: true, force: true });
    else if (source?.identity.spooled && !batches.has(id)) removeCopy(source.identity.path);
  }
}

/** A copy of stdin is nobody's where no batch came of it. Nothing else goes: another process may begin one of this id. */
function removeCopy(path: string): void {
  rmSync(path, { force: true });
  try {
    rmdirSync(dirname(path));
  } catch {
    // It is not empty.
  }
}

async function resume(id: string, given: GivenRunFlags, batches: Batches, io: Io): Promise<number> {
  const before = await batches.show(id);
  const kept = settingsOf(before);
  const flags = withDefaults(given, kept);
  const conf = await configuredRun(flags, io);
  const settings = keptSettings({ ...kept, ...given });
  const going: Going = { name: 'resume', flags, conf, id, before, settings, batches };
  if (before.state === 'done' || before.state === 'stopped' || before.state === 'canceled') {
    io.stderr.write(`keylane batch resume: ${id} has ended: ${before.state}\n`);
    return finish(going, io);
  }
  return goOn(going, await sourceOf(before, batches), io);
}

const RETRIED: readonly [keyof RetryChoice, Outcome][] = [
  ['failed', 'failed'],
  ['notStarted', 'not_started'],
  ['unknown', 'unknown'],
  ['canceled', 'canceled'],
];

async function retry(
  old: string,
  choice: RetryChoice,
  given: GivenRunFlags,
  batches: Batches,
  io: Io,
): Promise<number> {
  const chosen = RETRIED.filter(([flag]) => choice[flag]).map(([, outcome]) => outcome);
  const outcomes: Outcome[] = chosen.length > 0 ? chosen : ['failed', 'not_started'];
  const before = await batches.show(old);
  // What the old batch wrote stays as it is.
  const { out: _, ...kept } = settingsOf(before);
  const flags = withDefaults(given, kept);
  const conf = await configuredRun(flags, io);
  if (flags.id !== undefined) refuseTaken(flags.id, batches);
  const id = flags.id ?? (await freeId(old, batches));
  const jobs = await retryJobs(await sourceOf(before, batches), old, outcomes, batches);
  const tell = (text: string) => io.stderr.write(`keylane batch retry: ${text}\n`);
  if (jobs.blocked > 0)
    tell(`${counted(jobs.blocked, 'request')} left out: what they come after is neither ok nor retried`);
  if (jobs.count === 0) {
    tell(`${old} has none to run again of ${outcomes.join(', ').replace('_', ' ')}`);
    return 0;
  }
  const spooled = await spoolJobs(batches.directory(id), jobs.read(), jobs);
  const settings = keptSettings({ ...kept, ...given });
  return goOn({ name: 'retry', flags: { ...flags, id }, conf, id, before: undefined, settings, batches }, spooled, io);
}

/** Prints the results of a batch, to stdout or a file. */
async function exportBatch(id: string, flags: ExportFlags, batches: Batches, io: Io): Promise<number> {
  const { createdAt, state, total, settled } = await batches.show(id);
  if (state === 'running' || state === 'interrupted') {
    const left = total === undefined ? '' : `: ${counted(total - settled, 'request')} of ${grouped(total)} not here`;
    io.stderr.write(`keylane batch export: ${id} has not ended (${state})${left}\n`);
  }
  const { format, ordered = false } = flags;
  let gone = false;
  const screen = new Screen(io, flags.out, () => {
    gone = true;
  });
  const lines = () => linesOf(batches, id, ordered);
  for await (const piece of exportResults(format, { id, createdAt, lines })) {
    if (gone) break;
    screen.write('out', piece);
    await screen.ready();
  }
  await screen.end();
  const { failure } = screen;
  if (failure === 'closed') return 141;
  if (failure) throw new UsageError(`cannot write the output: ${failure.message}`);
  return 0;
}

async function* linesOf(batches: Batches, id: string, ordered: boolean): AsyncGenerator<string> {
  for await (const { line } of batches.results(id, { ordered })) yield line;
}

/** A batch's configuration: where what was run is gone on with, its folder counts, not this one. */
function configuredRun(flags: RunFlags, io: Io): Promise<Configured> {
  const { skipBad: _, ...others } = flags;
  return configured(others, io, saysOf(flags));
}

function settingsOf({ id, settings }: BatchSummary): GivenRunFlags {
  const flags = readSettings(settings);
  if (flags) return flags;
  throw new UsageError(`batch ${id} was not made by keylane batch: go on with it in the program that made it`);
}

async function sourceOf({ id, input }: BatchSummary, batches: Batches): Promise<OpenedJobs> {
  if (!input) throw new UsageError(`the input of batch ${id} is not known`);
  return reopenJobs(input, { dir: batches.directory(id) });
}

function refuseTaken(id: string, batches: Batches): void {
  if (!batches.has(id)) return;
  throw new UsageError(
    `there is a batch ${id} already: keylane batch resume ${id} goes on with it; or choose another --id`,
  );
}

/** `<id>-retry-1`, or the next that is free. Throws where one of them has not ended: it would run the same ones. */
async function freeId(id: string, batches: Batches): Promise<string> {
  const base = id.replace(/-retry-\d+$/, '').slice(0, 64 - '-retry-9999'.length);
  for (let number = 1; ; number++) {
    const other = `${base}-retry-${number}`;
    if (!batches.has(other)) return other;
    if (other === id) continue;
    const { state } = await batches.show(other);
    if (state === 'running' || state === 'interrupted') {
      const text = `batch ${other} has not ended (${state}), and may run the same requests: keylane batch resume ${other} goes on with it, keylane batch cancel ${other} ends it`;
      throw new UsageError(`${text}; or choose an --id`);
    }
  }
}

/** For programs: an error as its code and message. */
function told({ error, ...summary }: BatchSummary): object {
  return { ...summary, ...(error && { error: { code: error.code, message: error.message } }) };
}

/** What is refused before anything starts is wrong with the command line, its input or the data directory. */
async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof KeylaneError) || !/^ERR_(INPUT|EXISTS|CONFIG|STORE)/.test(error.code)) throw error;
    throw new UsageError(error.message.split('\n').map(visible).join('\n'));
  }
}
