import { Command } from 'commander';
import { configFlags } from './config-flags.js';
import { UsageError } from './io.js';
import { accessFlags, collect, type SshFlags } from './ssh-flags.js';
import { duration, oneOf, whole } from './values.js';

/** The flags of `keylane serve`. */
export interface ServeFlags extends SshFlags {
  listen?: { host: string; port: number };
  tlsCert?: string;
  tlsKey?: string;
  allowInsecure?: true;
  allowHost: string[];
  allowOrigin: string[];
  shards?: number;
  audit?: string;
  resume: boolean;
  /** Read where the process is started, before the flags are. */
  restart: boolean;
  /** Milliseconds. */
  closeTimeout?: number;
  drainDelay?: number;
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  logFormat?: 'json' | 'pretty';
  check?: true;
}

const HELP = `
Serves the engine over HTTP: docs/service.md. Whoever asks needs a token; the first one is made at the first start and kept
in serve.token of the data directory, readable by its owner alone. One line on stdout says when it is ready; the log goes
to stderr.

SIGTERM or Ctrl-C lets finish what is in flight, the second one cuts. SIGUSR2 turns debug logging on and off again.
A service that dies of an abort, as for lack of memory, is started again; --no-restart leaves that to systemd or Docker.

Examples:
  keylane serve
  keylane serve --check
  keylane serve --listen 0.0.0.0:7473 --tls-cert cert.pem --tls-key key.pem --allow-host keylane.example
  curl -H "Authorization: Bearer $(cat ~/.local/share/keylane/serve.token)" http://127.0.0.1:7473/v1/stats

Exit status: 0 it was asked to end and everything was finished; 2 the command line or the configuration is not valid, or it
cannot listen; 3 it could not start; 128 + n it was cut by signal n.
`;

/** The `serve` command; `run` gets the flags. */
export function serveCommand(run: (flags: ServeFlags) => Promise<void>): Command {
  const command = new Command('serve')
    .description('Serves requests over HTTP.')
    .option('--listen <address:port>', 'listen here (default: 127.0.0.1:7473)', address)
    .option('--tls-cert <file>', 'serve HTTPS with this certificate (PEM, with what it was signed by)')
    .option('--tls-key <file>', 'the private key of the certificate (PEM)')
    .option('--allow-insecure', 'listen on addresses that others can reach without TLS, as behind a proxy')
    .option('--allow-host <name>', 'a Host header that is answered, beside our own; may be repeated', collect, [])
    .option('--allow-origin <origin>', 'an Origin header that is answered; may be repeated', collect, [])
    .option('--shards <number>', 'worker threads (default: cores − 1, at least 1)', whole('--shards', 1, 256))
    .option('--no-resume', 'do not go on with batches that were interrupted')
    .option('--no-restart', 'stay dead where the whole process died: who supervises it starts it')
    .option('--check', 'only look whether it could start, and say what is to be mended')
    .optionsGroup('Ending:')
    .option(
      '--close-timeout <time>',
      'for what is in flight when it is to end (default: 30s)',
      duration('--close-timeout'),
    )
    .option(
      '--drain-delay <time>',
      '/readyz says no for so long before it stops listening (default: 0s)',
      duration('--drain-delay'),
    )
    .optionsGroup('Log:')
    .option(
      '--log-level <level>',
      'trace, debug, info, warn, error or silent (default: info)',
      oneOf('--log-level', ['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    )
    .option(
      '--log-format <format>',
      'json or pretty (default: pretty on a terminal, json elsewhere)',
      oneOf('--log-format', ['json', 'pretty']),
    )
    .option('--audit <file>', 'append a line for each request that ran something: who, for whom, what became of it');
  return accessFlags(configFlags(command))
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', HELP)
    .action(run);
}

/** `127.0.0.1:7473`, `[::1]:7473`, `7473`. */
function address(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', digits] = /^(?:(\[[\da-f:.]+\]|[\w.-]+):)?(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535)
    throw new UsageError(
      `--listen ${JSON.stringify(text)}: write an address and a port, as 127.0.0.1:7473 or [::1]:7473`,
    );
  return { host: host.replace(/^\[|\]$/g, ''), port };
}
