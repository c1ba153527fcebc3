import type { Command } from 'commander';
import type { BatchOptions } from '../index.js';
import { configFlags } from './config-flags.js';
import { inventoryFlag } from './fleet-flags.js';
import { UsageError } from './io.js';
import { accessFlags, collect, type SshFlags } from './ssh-flags.js';
import {
  bytes,
  concurrency,
  duration,
  limit,
  oneOf,
  outFile,
  positive,
  priority,
  share,
  whole,
  window,
} from './values.js';

/** The flags of `keylane batch run`, `resume` and `retry`, with what holds where one is not given. */
export interface RunFlags extends Omit<SshFlags, 'skipBad'> {
  driver: string;
  from?: 'ndjson' | 'csv' | 'json';
  template?: string;
  id?: string;
  /** A file for the lines that cannot be read. */
  skipBad?: string;
  /** Of the batch's requests, where the line does not say. */
  timeout: number | 'auto';
  attempts: number;
  idempotent?: true;
  priority?: number;
  cache?: number;
  concurrency: number | 'auto';
  perKey?: number | 'auto';
  limit: Record<string, number>;
  rate?: number;
  maxFailures?: number | `${number}%`;
  canary?: number;
  wave: string[];
  window?: string;
  shards?: number;
  journal: boolean;
  /** Read where the process is started, before the flags are. */
  restart: boolean;
  /** Undefined: the engine's default. */
  maxOutput?: number;
  maxOutputTotal?: number;
  format: 'ndjson' | 'text';
  ordered?: true;
  out?: string;
  color: 'auto' | 'always' | 'never';
  progress: boolean;
  quiet?: true;
  /** What no flag says: of a batch that was made by a service. */
  more?: Pick<BatchOptions, 'labels' | 'timeoutFloorMs' | 'timeoutCeilingMs'>;
}

/** Those that are written on the command line, and no others. */
export type GivenRunFlags = Partial<RunFlags>;

const DEFAULTS: RunFlags = {
  ...{ driver: 'ssh', identity: [], inventory: [], limit: {}, wave: [] },
  ...{ timeout: 60_000, attempts: 3, concurrency: 'auto', journal: true, restart: true },
  ...{ format: 'ndjson', color: 'auto', progress: true },
};

/** What is not given is as it was, and what never was is as the help says. */
export function withDefaults(given: GivenRunFlags, kept: GivenRunFlags = {}): RunFlags {
  const flags: RunFlags = { ...DEFAULTS, ...kept, ...given };
  if (flags.format === 'text' && flags.out !== undefined)
    throw new UsageError('--out takes NDJSON: it does not go with --format text');
  if (flags.maxOutputTotal !== undefined && !flags.journal)
    throw new UsageError('--max-output-total is about the journal: it does not go with --no-journal');
  if (flags.id !== undefined && !flags.journal)
    throw new UsageError('--id names the journal: it does not go with --no-journal');
  return flags;
}

/** The flags of a command line that were written there. */
export function givenOf(command: Command): GivenRunFlags {
  const given = Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === 'cli');
  return Object.fromEntries(given);
}

/** Where things are, and how hosts are reached. */
export function whoFlags(command: Command): Command {
  return accessFlags(inventoryFlag(configFlags(command)));
}

/** What is settled when a batch is made. */
export function inputFlags(command: Command): Command {
  return command
    .optionsGroup('Input:')
    .option(
      '--from <format>',
      'what the input is: ndjson, csv or json (default: as its name or its first character says)',
      oneOf('--from', ['ndjson', 'csv', 'json']),
    )
    .option('--driver <name>', 'of lines that name none (default: ssh)')
    .option('--template <command>', 'the ssh command of every line: {column} is that of the line, quoted for a shell')
    .option('--skip-bad <file>', 'write lines that cannot be read to this file, and go on without them')
    .option('--id <id>', 'of the batch (default: made of date, time and chance)')
    .option('--no-journal', 'keep nothing: it cannot be resumed');
}

const MIB = 1024 * 1024;
const TIB = 1024 * 1024 * MIB;

/** How requests are run and what is written of them. */
export function runFlags(command: Command): Command {
  return command
    .optionsGroup('Requests, where their line does not say:')
    .option(
      '--timeout <time>',
      'waiting, connecting and running together; 0 is none (default: 60s)',
      duration('--timeout'),
    )
    .option(
      '--attempts <number>',
      'tries, as long as nothing has reached the peer (default: 3)',
      whole('--attempts', 1, 100),
    )
    .option('--idempotent', 'running one twice does no harm: what may have run is tried again, too')
    .option('--priority <number>', 'from -10 to 10, higher first among those of one host (default: 0)', priority)
    .option(
      '--cache <time>',
      'answer from what is remembered where that is no older, and remember',
      duration('--cache', 1),
    )
    .optionsGroup('How many, and when:')
    .option('-c, --concurrency <number>', 'in flight at once, or auto: learned (default: auto)', concurrency(1_000_000))
    .option('--per-key <number>', 'in flight at once for one host, or auto', concurrency(1_000_000, '--per-key'))
    .option('--limit <group=number>', 'in flight at once of those with this label; may be repeated', limit('--limit'))
    .option('--rate <number>', 'starts a second, at most', positive('--rate', 1_000_000))
    .option(
      '--max-failures <number>',
      'start no more after so many that are not ok, as 20 or 5%',
      share('--max-failures'),
    )
    .option(
      '--canary <number>',
      'run so many first, and the others only if all of them are ok',
      whole('--canary', 1, 1_000_000),
    )
    .option('--wave <label>', 'those with this label first, then those of the next --wave, then the others', collect)
    .option('--window <times>', 'start only between these times of day, as 22:00-06:00', window('--window'))
    .option('--shards <number>', 'worker threads (default: cores − 1, at least 1)', whole('--shards', 1, 256))
    .optionsGroup('Output:')
    .option('--format <format>', 'ndjson or text (default: ndjson)', oneOf('--format', ['ndjson', 'text']))
    .option('--out <file>', 'write results to a file instead of stdout; resume completes it', outFile)
    .option('--ordered', 'in the order of the input, instead of that in which they settle')
    .option(
      '--max-output <bytes>',
      'kept of each of stdout and stderr of a command (default: 1m)',
      bytes('--max-output', 1024 * MIB),
    )
    .option(
      '--max-output-total <bytes>',
      'that the journal keeps of large outputs; past it they are dropped',
      bytes('--max-output-total', TIB),
    )
    .option('--color <when>', 'auto, always or never (default: auto)', oneOf('--color', ['auto', 'always', 'never']))
    .option('--no-restart', 'stay dead where the whole process died, as of a lack of memory')
    .option('--no-progress', 'no progress line, also on a terminal')
    .option('-q, --quiet', 'neither progress nor summary; what must be known of a batch that has not ended is told');
}
