import { Command } from 'commander';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { oneOf } from './values.js';

/** The flags of `keylane report`. */
export interface ReportFlags extends ConfigFlags {
  format: 'text' | 'json';
}

const HELP = `
Of each operation: how many answers, how many of them were remembered, and how long answers took, from hand-over on.
Counted is what was asked with a cache on disk (keylane exec --cache 5m, persist: true), by all processes that used this
data directory. To begin anew, remove report/ in it.

Exit status: 0 it is printed; 2 the command line or the configuration is not valid; 3 it cannot be read.
`;

/** The `report` command. */
export function reportCommand(run: (flags: ReportFlags) => Promise<void>): Command {
  const command = new Command('report').description('Tells how often answers were remembered, and how long they took.');
  return configFlags(command)
    .option('--format <format>', 'text or json (default: text)', oneOf('--format', ['text', 'json']), 'text')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action(run);
}
