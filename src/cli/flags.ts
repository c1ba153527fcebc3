import { Command } from 'commander';
import { HELP } from './help.js';
import { UsageError } from './io.js';
import { collect, type SshFlags, sshFlags } from './ssh-flags.js';
import { bytes, concurrency, duration, FORMAT, oneOf, outFile, reference, whole } from './values.js';

/** The flags of `keylane exec`, read and checked one by one. */
export interface ExecFlags extends SshFlags {
  hosts: string[];
  exclude: string[];
  argv?: true;
  shell?: string;
  stdin?: string;
  pty?: true;
  sudo?: true | string;
  sudoPassword?: string;
  killTree?: true;
  /** Milliseconds. */
  silence?: number;
  detach?: true | string;
  shards?: number;
  concurrency: number | 'auto';
  /** Milliseconds for which answers are remembered. */
  cache?: number;
  fresh?: true;
  /** Milliseconds. */
  timeout: number;
  attempts: number;
  format: 'text' | 'json' | 'ndjson';
  fold?: true;
  ordered?: true;
  prefix: boolean;
  out?: string;
  outDir?: string;
  /** Undefined: the engine's default. */
  maxOutput?: number;
  maxRc?: true;
  quiet?: true;
  progress: boolean;
  color: 'auto' | 'always' | 'never';
}

const MIB = 1024 * 1024;

/** What another command with the flags of `exec` is called, and for how long its answers are remembered. */
interface ExecLike {
  name: string;
  description: string;
  cache?: string;
}

const EXEC: ExecLike = { name: 'exec', description: 'Runs one command on every host, over SSH.' };

/** The `exec` command; `run` gets the hosts as typed and the flags. */
export function execCommand(run: (hosts: string[], flags: ExecFlags) => Promise<void>, like = EXEC): Command {
  const command = new Command(like.name)
    .description(like.description)
    .usage('[flags] <hosts…> -- <command…>')
    .argument(
      '[hosts...]',
      'hosts and patterns: web-[01-20,30].example  user@host:port  [::1]:22  @group  @group&@other; - reads from stdin',
    )
    .optionsGroup('Hosts:')
    .option(
      '-H, --hosts <file>',
      'hosts from a file, one host or pattern a line, # comments; may be repeated',
      collect,
      [],
    )
    .option('-x, --exclude <hosts>', 'leave these hosts out; may be repeated', collect, []);
  return sshFlags(command)
    .optionsGroup('Command:')
    .option('--argv', 'pass each word of the command exactly as it is, instead of joining them by a space')
    .option('--shell <sh>', "run SH -c COMMAND instead of giving the command to the user's login shell")
    .option('--stdin <file>', 'the same input for every host, at most 16 MiB; - is our own stdin')
    .option('--pty', 'a terminal on the host: stdout and stderr come as one')
    .option('--sudo [user]', 'run the command as this user (root without one), by sudo')
    .option('--sudo-password <ref>', "sudo's password: env:NAME or file:PATH", reference('--sudo-password'))
    .option('--kill-tree', 'when the command is stopped, stop everything that it has started')
    .option('--silence <time>', 'stop a command that writes nothing for so long', duration('--silence', 1))
    .option('--detach [id]', 'start the command and leave it running on the host, under an id')
    .option(
      '--timeout <time>',
      'for each host: waiting, connecting and running together; 0 is none (default: 60s)',
      duration('--timeout'),
      60_000,
    )
    .option(
      '--attempts <number>',
      'tries for each host, as long as nothing has reached it (default: 3)',
      whole('--attempts', 1, 100),
      3,
    )
    .option(
      '-c, --concurrency <number>',
      'hosts at once, or auto: learned from how they answer (default: auto)',
      concurrency(1_000_000),
      'auto',
    )
    .option('--shards <number>', 'worker threads (default: cores − 1, at least 1)', whole('--shards', 1, 256))
    .optionsGroup('Cache:')
    .option(
      `--cache <time>`,
      `answer from what is remembered on disk where that is no older, and remember${like.cache ? ` (default: ${like.cache})` : ''}`,
      duration('--cache', 1),
    )
    .option('--fresh', 'with --cache: ask every host, and remember anew')
    .optionsGroup('Output:')
    .option('-b, --fold', 'at the end, print equal outputs once, under the hosts that gave them')
    .option('--ordered', 'in the order of the hosts; what comes early is held in memory')
    .option('--no-prefix', 'no "host: " before each line')
    .option(...FORMAT)
    .option('--out <file>', 'write to a file instead of stdout', outFile)
    .option('--out-dir <dir>', 'write HOST.out and HOST.err for each host instead of printing text')
    .option(
      '--max-output <bytes>',
      'bytes kept of each of stdout and stderr of a host, where output is gathered first (default: 1m)',
      bytes('--max-output', 1024 * MIB),
    )
    .option(
      '--color <when>',
      'auto, always or never (default: auto)',
      oneOf('--color', ['auto', 'always', 'never']),
      'auto',
    )
    .option('--no-progress', 'no progress line, also on a terminal')
    .option('-q, --quiet', 'neither progress nor summary')
    .option('--max-rc', 'exit with the largest remote exit code instead of 1')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', like.cache ? '' : HELP)
    .action(async (hosts: string[], flags: ExecFlags) => {
      if (like.cache !== undefined) flags.cache ??= duration('--cache')(like.cache);
      refuseContradictions(flags);
      await run(hosts, flags);
    });
}

/** Text is printed as it comes: nothing of it is kept, so nothing is cut. */
export function isLive({ format, fold, ordered, outDir, cache }: ExecFlags): boolean {
  // What is remembered came at another time.
  return format === 'text' && !fold && !ordered && outDir === undefined && cache === undefined;
}

function refuseContradictions(flags: ExecFlags): void {
  if (flags.sudoPassword !== undefined && flags.sudo === undefined)
    throw new UsageError('--sudo-password goes with --sudo');
  if (flags.fresh && flags.cache === undefined)
    throw new UsageError('--fresh goes with --cache: without it every host is asked');
  if (flags.detach && flags.cache !== undefined)
    throw new UsageError('--cache does not go with --detach: what is remembered starts nothing');
  if (flags.argv && flags.shell !== undefined) throw new UsageError('--argv and --shell exclude each other');
  if (flags.maxOutput !== undefined && isLive(flags)) {
    throw new UsageError(
      '--max-output: text is printed as it comes and never cut; it goes with -b, --ordered, --out-dir, --cache, json',
    );
  }
  if (flags.format !== 'text') {
    if (flags.fold) throw new UsageError(`-b folds text: it does not go with --format ${flags.format}`);
    if (!flags.prefix) throw new UsageError(`--no-prefix is about text: it does not go with --format ${flags.format}`);
  } else if (flags.outDir !== undefined && flags.out !== undefined && !flags.fold) {
    throw new UsageError('--out would stay empty: --out-dir takes the output');
  }
}
