import { Command } from 'commander';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { MAIL_FLAGS } from './mail-access-flags.js';
import { collect } from './ssh-flags.js';
import { duration, FORMAT, reference, whole } from './values.js';

/** The flags of `keylane mail send`. */
export interface MailFlags extends ConfigFlags {
  account?: string;
  host?: string;
  port?: number;
  user?: string;
  password?: string;
  tls?: 'starttls' | 'implicit' | 'none';
  ca?: string;
  servername?: string;
  clientName?: string;
  sourceAddress?: string;
  preset?: 'generic' | 'gmail' | 'exchange-online';
  from?: string;
  to: string[];
  cc: string[];
  bcc: string[];
  replyTo: string[];
  subject?: string;
  text?: string;
  textFile?: string;
  html?: string;
  htmlFile?: string;
  header: string[];
  attach: string[];
  raw?: string;
  /** Milliseconds. */
  timeout: number;
  attempts: number;
  format: 'text' | 'json' | 'ndjson';
}

const MAIL_HELP = `
Many mails at once are a batch: keylane batch run mails.csv --driver smtp, with a column for each field.

Example:
  keylane mail send --account sales --from sales@example.com --to ana@example.com --subject Hello --text 'Hi Ana'
`;

const SEND_HELP = `
Several addresses are several flags, or one text with commas or semicolons between; 'Ana <ana@example.com>' names a person.
What the server said is printed, and each recipient that it refused on a line of its own.

Examples:
  keylane mail send --account sales --from sales@example.com --to ana@example.com --subject Hello --text 'Hi Ana'
  keylane mail send --host smtp.example.com -l me@example.com --password env:MAIL_PASSWORD \\
    --from me@example.com --to 'a@example.com; b@example.com' --subject Report --text-file report.txt --attach report.pdf
  make-mail | keylane mail send --host 127.0.0.1 -p 25 --tls none --from root@example.com --to ops@example.com --raw -

Exit status, the first that applies: 130 interrupted; 2 the command line, a file it names or the configuration; 3 it was
not sent, or nobody knows; 1 the server refused it, or some of its recipients; 0 the server has it for all of them.
`;

/** `keylane mail` with its commands; `run` gets the flags of `send`. */
export function mailCommand(run: (flags: MailFlags) => Promise<void>): Command {
  const mail = new Command('mail')
    .description('Sends a mail.')
    .usage('<command>')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', MAIL_HELP);
  const send = new Command('send').description('Sends one mail by an SMTP server.').usage('[flags]');
  mail.addCommand(
    contentFlags(serverFlags(configFlags(send)))
      .optionsGroup('Output:')
      .option(
        '--timeout <time>',
        'waiting, connecting and sending together; 0 is none (default: 60s)',
        duration('--timeout'),
        60_000,
      )
      .option(
        '--attempts <number>',
        'tries, as long as the server has not got it (default: 3)',
        whole('--attempts', 1, 100),
        3,
      )
      .option(...FORMAT)
      .helpOption('-h, --help', 'print this help')
      .addHelpText('after', SEND_HELP)
      .action((flags: MailFlags) => run(flags)),
  );
  return mail;
}

function serverFlags(command: Command): Command {
  return command
    .optionsGroup('By which server (default: what the configuration says of smtp):')
    .option('--account <name>', 'an account: its server, its log-in and its limits')
    .option('--host <name>', 'host name or address')
    .option('-p, --port <number>', 'port (default: 587, or 465 with --tls implicit)', whole('--port', 1, 65_535))
    .option('-l, --user <name>', 'user or mailbox to log in as')
    .option('--password <ref>', 'password: env:NAME or file:PATH', reference('--password'))
    .option(...MAIL_FLAGS.tls)
    .option(...MAIL_FLAGS.ca)
    .option(...MAIL_FLAGS.servername)
    .option(...MAIL_FLAGS.clientName)
    .option(...MAIL_FLAGS.sourceAddress)
    .option(...MAIL_FLAGS.preset);
}

function contentFlags(command: Command): Command {
  return command
    .optionsGroup('The mail:')
    .option('--from <address>', 'who it is from')
    .option('--to <address>', 'who gets it; may be repeated', collect, [])
    .option('--cc <address>', 'who else gets it; may be repeated', collect, [])
    .option('--bcc <address>', 'who else gets it, told to nobody; may be repeated', collect, [])
    .option('--reply-to <address>', 'who is answered; may be repeated', collect, [])
    .option('--subject <text>', 'what it is about')
    .option('--text <text>', 'what it says')
    .option('--text-file <file>', 'the file with what it says; - is stdin')
    .option('--html <html>', 'what it says, as HTML')
    .option('--html-file <file>', 'the file with that; - is stdin')
    .option('--header <header>', "a further header, 'Name: value'; may be repeated", collect, [])
    .option('--attach <file>', 'a file that goes with it; may be repeated', collect, [])
    .option('--raw <file>', 'the whole message as it is, headers and all; - is stdin');
}
