import { Command } from 'commander';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { duration, FORMAT } from './values.js';

/** The flags of `keylane call`. */
export interface CallFlags extends ConfigFlags {
  session?: string;
  notify?: true;
  follow?: true;
  cache?: number;
  /** Milliseconds; 0 for none. */
  timeout?: number;
  format: 'text' | 'json' | 'ndjson';
}

/** What the command line asks for. */
export interface CallWords {
  server: string;
  method: string;
  /** As typed: JSON, or `-` for what comes on standard input. */
  params: string | undefined;
}

const HELP = `
Sends one JSON-RPC request to a server that your own keylane.yaml names under stdio.servers (MCP, language servers),
and prints its result. The server is started for it, shakes hands, and is ended after it. Parameters are a JSON object
or array; - reads them from standard input. See docs/stdio.md.

Examples:
  keylane call memory tools/list
  keylane call memory tools/call '{"name":"read_graph","arguments":{}}'
  keylane call --cache 5m memory tools/list          asks again only when 5 minutes are over
  keylane call --follow builder tools/call - < params.json
  keylane call --format ndjson memory ping

Exit status, the first that applies:
  130  interrupted
  2    the command line or the configuration is not valid
  3    the request did not start, was canceled, or it is unknown what became of it
  1    the server answered with an error
  0    the server answered with a result
`;

/** The `call` command; `run` gets what was typed and the flags. */
export function callCommand(run: (words: CallWords, flags: CallFlags) => Promise<void>): Command {
  const command = new Command('call')
    .description('Sends one request to a JSON-RPC server (MCP, LSP) of the configuration.')
    .usage('[flags] <server> <method> [params-json]')
    .argument('<server>', 'a name of stdio.servers')
    .argument('<method>', 'as tools/list')
    .argument('[params-json]', 'an object or an array; - reads it from standard input')
    .optionsGroup('Request:')
    .option('--session <name>', 'a process for this session alone, where the server is not stateless')
    .option('--notify', 'a notification: nothing is answered')
    .option('--timeout <duration>', 'time for all of it, 0 for none (default: 60s; none with --follow)', timeout)
    .option('--cache <duration>', 'an answer not older than this does', duration('--cache', 1))
    .optionsGroup('Output:')
    .option('--follow', 'notifications and progress too, as they come: on stderr, or as lines with --format ndjson')
    .option(...FORMAT);
  return configFlags(command)
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action((server: string, method: string, params: string | undefined, flags: CallFlags) =>
      run({ server, method, params }, flags),
    );
}

const timeout = duration('--timeout');
