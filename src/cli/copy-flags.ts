import { Command } from 'commander';
import { type SshFlags, sshFlags } from './ssh-flags.js';
import { concurrency, duration, FORMAT, oneOf, outFile, whole } from './values.js';

/** The flags of `keylane copy`. */
export interface CopyFlags extends SshFlags {
  recursive?: true;
  parents?: true;
  resume: boolean;
  preserve: boolean;
  shards?: number;
  concurrency: number | 'auto';
  /** Milliseconds. */
  timeout: number;
  attempts: number;
  format: 'text' | 'json' | 'ndjson';
  ordered?: true;
  out?: string;
  quiet?: true;
  progress: boolean;
  color: 'auto' | 'always' | 'never';
}

const HELP = `
What has a colon before any slash is on a host: HOST:PATH, where PATH is relative to the user's home there.
A file is made under a hidden name and takes its place when it is whole. A copy that was cut goes on where it was.
From many hosts, each has a folder of its own below the destination.

Examples:
  keylane copy app.tar.gz 'web-[01-20]:/srv/'
  keylane copy -r conf 'deploy@web-[01-20]:/etc/app'
  keylane copy 'web-[01-20]:/var/log/app.log' logs
  keylane copy build-1:/out/app.img 'web-[01-20]:/srv/app.img'

Exit status, the first that applies: 130 interrupted; 2 the command line; 3 some copies were not made, and nobody
refused them; 1 some were refused by their host; 0 all were made.
`;

/** The `copy` command; `run` gets the paths as typed and the flags. */
export function copyCommand(run: (paths: string[], flags: CopyFlags) => Promise<void>): Command {
  const command = new Command('copy')
    .description('Copies files to hosts, from hosts, and from one host to others.')
    .usage('[flags] <source…> <destination>')
    .argument('<paths...>', 'files, HOSTS:PATH; the last one is the destination');
  return sshFlags(command)
    .optionsGroup('Files:')
    .option('-r, --recursive', 'folders with all that is in them (to hosts only); symbolic links are left out')
    .option('--parents', 'make the folders on the way to the new file')
    .option('--no-resume', 'begin anew what an earlier copy left unfinished')
    .option('--no-preserve', 'do not keep permissions and time')
    .option(
      '--timeout <time>',
      'for each file: waiting, connecting and copying; 0 is none (default: 0)',
      duration('--timeout'),
      0,
    )
    .option('--attempts <number>', 'tries for each file (default: 3)', whole('--attempts', 1, 100), 3)
    .option('-c, --concurrency <number>', 'files at once, or auto (default: 50)', concurrency(100_000), 50)
    .option('--shards <number>', 'worker threads (default: cores − 1, at least 1)', whole('--shards', 1, 256))
    .optionsGroup('Output:')
    .option(...FORMAT)
    .option('--ordered', 'in the order of the copies')
    .option('--out <file>', 'write to a file instead of stdout', outFile)
    .option(
      '--color <when>',
      'auto, always or never (default: auto)',
      oneOf('--color', ['auto', 'always', 'never']),
      'auto',
    )
    .option('--no-progress', 'no progress line, also on a terminal')
    .option('-q, --quiet', 'neither progress nor summary')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action(run);
}
