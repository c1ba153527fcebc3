import { Command } from 'commander';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { type ExecFlags, execCommand } from './flags.js';
import { oneOf, whole } from './values.js';

/** The flags of `keylane cache stats`, `list` and `clear`. */
export interface CacheFlags extends ConfigFlags {
  format: 'text' | 'json' | 'ndjson';
}

export interface ListFlags extends CacheFlags {
  operation?: string;
  limit: number;
}

/** What the commands do. */
export interface CacheRuns {
  stats(flags: CacheFlags): Promise<number>;
  list(flags: ListFlags): Promise<number>;
  clear(patterns: string[], flags: CacheFlags): Promise<number>;
  warm(hosts: string[], flags: ExecFlags): Promise<number>;
}

const HELP = `
keylane exec --cache 5m remembers what hosts answered, on disk, for this user alone; these commands look after it.
What failed is not remembered. Patterns: key:HOST:PORT is all of a host; any other is a glob over names and tags, as 'ssh:*'.

Examples:
  keylane exec --cache 5m 'web-[01-20]' -- uname -r
  keylane exec --cache 5m --fresh 'web-[01-20]' -- uname -r     asks the hosts, and remembers anew
  keylane cache warm --cache 1h 'web-[01-20]' -- uname -r       the same, and prints only a summary
  keylane cache list
  keylane cache clear key:web-07:22

Exit status: 0 it is done; 2 the command line or the configuration is not valid; 3 it could not be done; of warm, as of exec.
`;

/** The `cache` command; `run` gets what to do with the runs. */
export function cacheCommand(run: (work: (runs: CacheRuns) => Promise<number>) => Promise<void>): Command {
  const cache = new Command('cache').description('Shows, forgets and fetches what is remembered of hosts’ answers.');
  const flagged = (command: Command) =>
    configFlags(command)
      .option('--format <format>', 'text, json or ndjson (default: text)', oneOf('--format', FORMATS), 'text')
      .helpOption('-h, --help', 'print this help');
  cache.addCommand(
    flagged(new Command('stats').description('How much is remembered.')).action((flags: CacheFlags) =>
      run((runs) => runs.stats(flags)),
    ),
  );
  cache.addCommand(
    flagged(new Command('list').description('What is remembered, the last used first.'))
      .option('--operation <name>', 'only of this operation; what keylane exec asks is ssh')
      .option('--limit <number>', 'at most so many (default: 1000)', whole('--limit', 1, 100_000_000), 1_000)
      .action((flags: ListFlags) => run((runs) => runs.list(flags))),
  );
  cache.addCommand(
    flagged(new Command('clear').description('Forgets what the patterns name; everything without one.'))
      .argument('[patterns...]', "key:HOST:PORT, or a glob such as 'ssh:*'")
      .action((patterns: string[], flags: CacheFlags) => run((runs) => runs.clear(patterns, flags))),
  );
  cache.addCommand(
    execCommand((hosts, flags) => run((runs) => runs.warm(hosts, flags)), {
      name: 'warm',
      description: 'Asks every host, remembers what it answers, and prints only a summary.',
      cache: '5m',
    }),
  );
  return cache.helpOption('-h, --help', 'print this help').addHelpText('after', HELP);
}

const FORMATS = ['text', 'json', 'ndjson'] as const;
