import { Command } from 'commander';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { oneOf } from './values.js';

/** The flags of `keylane top`. */
export interface TopFlags extends ConfigFlags {
  url: string;
  tokenFile?: string;
  ca?: string;
  allowInsecure?: true;
  once?: true;
  format: 'text' | 'json' | 'ndjson';
}

const HELP = `
Shows a running service (keylane serve) in the terminal, anew each second: throughput and latency, shards, hot keys, open
breakers, running batches. A service that is away is said to be away and asked again.

Keys: q quits, p pauses, s sorts by requests or by time, the arrows scroll.

The token is read from --token-file, else from the variable KEYLANE_TOKEN, else, for a service of this machine, from
serve.token of the data directory. It needs no more than to read.

Without a terminal, or with --once, it prints one snapshot. --format ndjson prints one each second, until it is ended.

Examples:
  keylane top
  keylane top --url https://keylane.example --token-file ~/.keylane-token
  keylane top --once --format json | jq .stats.lately

Exit status: 0 quit; 2 the command line or the configuration is not valid; 3 the service does not answer, or refuses;
130 interrupted; 143 terminated.
`;

/** The `top` command; `run` gets its flags. */
export function topCommand(run: (flags: TopFlags) => Promise<void>): Command {
  const command = new Command('top')
    .description('Shows a running service, live.')
    .option('--url <url>', 'of the service (default: http://127.0.0.1:7473)', 'http://127.0.0.1:7473')
    .option('--token-file <file>', 'the file that holds the token')
    .option('--ca <file>', 'PEM certificates of the authority that the service’s own is from')
    .option('--allow-insecure', 'send the token to another machine without TLS')
    .option('--once', 'print one snapshot and end')
    .option('--format <format>', 'text, json or ndjson (default: text)', oneOf('--format', FORMATS), 'text');
  return configFlags(command)
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action((flags: TopFlags) => run(flags));
}

const FORMATS = ['text', 'json', 'ndjson'] as const;
