import { resolve } from 'node:path';
import { Command } from 'commander';
import { HELP_OF } from './accounts-help.js';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { UsageError } from './io.js';
import { MAIL_FLAGS } from './mail-access-flags.js';
import { collect, type SshFlags, sshFlags } from './ssh-flags.js';
import { bytes, duration, FORMAT, oneOf, whole } from './values.js';

/** The flags of every `keylane accounts` command. */
export interface AccountsFlags extends ConfigFlags {
  format: 'text' | 'json' | 'ndjson';
}

/** Of `list` and `verify`: which accounts. */
export interface WhichFlags extends AccountsFlags {
  driver?: string;
  label: string[];
}

/** Of `add` and `set`: the fields of an account. */
export interface FieldFlags extends AccountsFlags {
  driver?: string;
  host?: string;
  port?: number;
  jump?: string;
  knownHosts?: string;
  hostKeys?: 'strict' | 'accept-new' | 'ask' | 'insecure';
  user?: string;
  identity: string[];
  password?: string;
  passphrase?: string;
  oauth?: 'client_credentials' | 'refresh_token' | 'device';
  tokenUrl?: string;
  issuer?: string;
  deviceUrl?: string;
  clientId?: string;
  clientSecret?: string;
  clientAuth?: 'post' | 'basic';
  refreshToken?: string;
  scope?: string;
  audience?: string;
  /** Milliseconds. */
  requestTimeout?: number;
  maxOutput?: number;
  connections?: number;
  messagesPerMinute?: number;
  recipientsPerDay?: number;
  tls?: 'starttls' | 'implicit' | 'none';
  ca?: string;
  servername?: string;
  auth?: 'plain' | 'login' | 'xoauth2' | 'oauthbearer';
  clientName?: string;
  sourceAddress?: string;
  preset?: 'generic' | 'gmail' | 'exchange-online';
  label: string[];
  /** Of `set`. */
  unset?: string[];
}

export interface ImportFlags extends AccountsFlags {
  from?: 'csv' | 'json' | 'ndjson';
  replace?: true;
  skipBad?: true;
}

export interface VerifyFlags extends WhichFlags, SshFlags {
  concurrency: number;
  /** Milliseconds. */
  timeout: number;
}

/** What the commands do. Each resolves with the exit status. */
export interface AccountsRuns {
  add(name: string, flags: FieldFlags): Promise<number>;
  list(flags: WhichFlags): Promise<number>;
  show(name: string, flags: AccountsFlags): Promise<number>;
  set(name: string, flags: FieldFlags): Promise<number>;
  remove(names: readonly string[], flags: AccountsFlags): Promise<number>;
  verify(names: readonly string[], flags: VerifyFlags): Promise<number>;
  import(file: string, flags: ImportFlags): Promise<number>;
  login(name: string, flags: AccountsFlags): Promise<number>;
}

/** `keylane accounts` with its commands; `run` gets what is to be done with them. */
export function accountsCommand(run: (work: (runs: AccountsRuns) => Promise<number>) => Promise<void>): Command {
  const accounts = new Command('accounts')
    .description('Keeps the accounts: hosts and mailboxes by name, with references to their secrets.')
    .usage('<command>')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', HELP_OF.accounts);
  const command = (name: keyof AccountsRuns, what: string, argument?: [string, string]) => {
    const one = new Command(name).description(what).helpOption('-h, --help', 'print this help');
    if (argument) one.argument(...argument);
    accounts.addCommand(one.addHelpText('after', HELP_OF[name]));
    return one;
  };
  const name: [string, string] = ['<name>', 'what the account is called'];
  common(fields(command('add', 'Adds an account.', name))).action((account, flags) =>
    run((runs) => runs.add(account, flags)),
  );
  common(which(command('list', 'Lists the accounts, or those with a driver and labels.'))).action((flags) =>
    run((runs) => runs.list(flags)),
  );
  common(command('show', 'Shows an account.', name)).action((account, flags) =>
    run((runs) => runs.show(account, flags)),
  );
  common(
    fields(command('set', 'Changes fields of an account and leaves the rest.', name)).option(
      '--unset <field>',
      'take a field away: user, labels, secrets.password, …; may be repeated',
      collect,
      [],
    ),
  ).action((account, flags) => run((runs) => runs.set(account, flags)));
  common(command('remove', 'Removes accounts, all of those named or none.', ['<names...>', 'their names'])).action(
    (names, flags) => run((runs) => runs.remove(names, flags)),
  );
  output(
    sshFlags(
      which(command('verify', 'Tries accounts out: a token, or a connection.', ['[names...]', 'default: all']))
        .option('-c, --concurrency <number>', 'accounts at once (default: 128)', whole('-c', 1, 10_000), 128)
        .option('--timeout <time>', 'for each account (default: 30s)', duration('--timeout', 1), 30_000),
    ),
  ).action((names, flags) => run((runs) => runs.verify(names, flags)));
  common(command('login', 'Logs a person in by a code, for an account of the grant device.', name)).action(
    (account, flags) => run((runs) => runs.login(account, flags)),
  );
  common(
    command('import', 'Adds the accounts of a file.', ['<file>', 'CSV, JSON or NDJSON; - is stdin'])
      .option(
        '--from <format>',
        "csv, json or ndjson (default: by the file's name)",
        oneOf('--from', ['csv', 'json', 'ndjson']),
      )
      .option('--replace', 'write over accounts that are there already, instead of refusing them')
      .option('--skip-bad', 'take the good ones and tell of the bad ones, instead of taking none'),
  ).action((file, flags) => run((runs) => runs.import(file, flags)));
  return accounts;
}

function common(command: Command): Command {
  return output(configFlags(command));
}

function output(command: Command): Command {
  return command.optionsGroup('Output:').option(...FORMAT);
}

function which(command: Command): Command {
  return command
    .optionsGroup('Which:')
    .option('--driver <name>', 'those of a driver')
    .option('--label <label>', 'those that have the label; may be repeated, then all of them', collect, []);
}

function fields(command: Command): Command {
  const secret = (flag: string) => reference(flag);
  return command
    .optionsGroup('Account:')
    .option('--driver <name>', 'ssh, smtp, … (default of add: ssh)')
    .option('--host <name>', 'host name or address')
    .option('-p, --port <number>', "port (default: the driver's)", whole('--port', 1, 65_535))
    .option('-l, --user <name>', 'user or mailbox to log in as')
    .option('--label <label>', 'a word to choose it by; may be repeated', collect, [])
    .option('--password <ref>', 'password: env:NAME or file:PATH, never the password itself', secret('--password'))
    .optionsGroup('SSH:')
    .option('-i, --identity <file>', 'private key; may be repeated', collect, [])
    .option('--passphrase <ref>', "the private key's passphrase: env:NAME or file:PATH", secret('--passphrase'))
    .option('-J, --jump <hosts>', 'go through these hosts: user@bastion:22,inner')
    .option('--known-hosts <file>', 'known_hosts file')
    .option(
      '--host-keys <policy>',
      'strict, accept-new, ask or insecure',
      oneOf('--host-keys', ['strict', 'accept-new', 'ask', 'insecure']),
    )
    .optionsGroup('SMTP:')
    .option(...MAIL_FLAGS.tls)
    .option(...MAIL_FLAGS.ca)
    .option(...MAIL_FLAGS.servername)
    .option(
      '--auth <how>',
      'plain, login, xoauth2 or oauthbearer (default: as the server offers)',
      oneOf('--auth', ['plain', 'login', 'xoauth2', 'oauthbearer']),
    )
    .option(...MAIL_FLAGS.clientName)
    .option(...MAIL_FLAGS.sourceAddress)
    .option(...MAIL_FLAGS.preset)
    .optionsGroup('OAuth2:')
    .option(
      '--oauth <grant>',
      'client_credentials, refresh_token or device',
      oneOf('--oauth', ['client_credentials', 'refresh_token', 'device']),
    )
    .option('--token-url <url>', 'where tokens are asked for; or --issuer')
    .option('--issuer <url>', 'whose published configuration tells where')
    .option('--device-url <url>', 'where a device asks for its code, beside --token-url')
    .option('--client-id <id>', 'the client')
    .option('--client-secret <ref>', "the client's secret: env:NAME or file:PATH", secret('--client-secret'))
    .option('--client-auth <how>', 'how it is sent: post or basic', oneOf('--client-auth', ['post', 'basic']))
    .option('--refresh-token <ref>', 'the refresh token: env:NAME or file:PATH', secret('--refresh-token'))
    .option('--scope <words>', 'scopes, with spaces between')
    .option('--audience <name>', 'audience, where the server wants one')
    .optionsGroup('Limits of its requests:')
    .option('--request-timeout <time>', 'the longest that a try may take', duration('--request-timeout', 1))
    .option('--max-output <bytes>', 'ssh: most bytes kept of stdout and stderr, each', bytes('--max-output', 1024 ** 3))
    .option('--connections <number>', 'smtp: at once', whole('--connections', 1, 10_000_000))
    .option('--messages-per-minute <number>', 'smtp', whole('--messages-per-minute', 1, 10_000_000))
    .option('--recipients-per-day <number>', 'smtp', whole('--recipients-per-day', 1, 10_000_000));
}

/** Where a secret is, its file as an absolute path. The text is not shown: it may be the secret. */
function reference(flag: string): (text: string) => string {
  return (text) => {
    if (/^file:./.test(text)) return `file:${resolve(text.slice('file:'.length))}`;
    if (/^(env|cmd):./.test(text)) return text;
    throw new UsageError(
      `${flag} takes a reference, not the secret itself, which every user of this machine could read: write env:NAME or file:PATH`,
    );
  };
}
