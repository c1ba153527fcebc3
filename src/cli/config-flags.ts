import { Command } from 'commander';
import { oneOf } from './values.js';

/** The flags by which any command is told where its configuration is. */
export interface ConfigFlags {
  /** A file instead of those that are found; or `none`. */
  config?: string;
  dataDir?: string;
  /** Where the project's file is looked for; no flag. */
  cwd?: string;
}

/** The flags of `keylane config show` and `path`. */
export interface ShowFlags extends ConfigFlags {
  format: 'text' | 'json';
  all?: true;
}

export function configFlags(command: Command): Command {
  return command
    .optionsGroup('Configuration:')
    .option('--config <file>', "this file instead of keylane.yaml of the project and the user's own; or none")
    .option('--data-dir <dir>', 'where things are kept (default: ~/.local/share/keylane, or in XDG_DATA_HOME)');
}

const HELP = `
The configuration is put together from, in the order of growing weight: keylane.yaml of the project (the nearest one
upwards from here, not above your home or a git repository), keylane/keylane.yaml in $XDG_CONFIG_HOME or ~/.config,
variables (KEYLANE_LIMITS__CONNECTIONS_PER_LANE=4 is limits.connectionsPerLane), and the flags of a command.

Editors complete keylane.yaml with this as its first line:
  # yaml-language-server: $schema=<the file that keylane config schema --path prints>

Examples:
  keylane config show
  keylane config show --all --format json
  keylane config check --config deploy.yaml

Exit status: 0 the configuration is valid; 2 it is not, or the command line is not.
`;

export type ConfigAction = 'show' | 'path' | 'check' | 'schema';

/** The `config` command; `run` gets which one and its flags. */
export function configCommand(
  run: (action: ConfigAction, flags: ShowFlags & { path?: true }) => Promise<void>,
): Command {
  const config = new Command('config')
    .description('Shows and checks the configuration.')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', HELP);
  const add = (action: ConfigAction, description: string) =>
    new Command(action)
      .description(description)
      .helpOption('-h, --help', 'print this help')
      .action((flags: ShowFlags & { path?: true }) => run(action, flags));
  const format = (command: Command) =>
    command.option('--format <format>', 'text or json (default: text)', oneOf('--format', ['text', 'json']), 'text');
  config.addCommand(
    format(configFlags(add('show', 'Prints each value and where it came from; secrets are masked.'))).option(
      '--all',
      'defaults too',
    ),
  );
  config.addCommand(format(configFlags(add('path', 'Prints the files that are looked for, and which are there.'))));
  config.addCommand(
    configFlags(add('check', 'Reads everything, hosts of groups too, and says what is wrong with it.')),
  );
  config.addCommand(
    add('schema', 'Prints the JSON Schema of keylane.yaml, for editors.').option('--path', 'only where it is'),
  );
  return config;
}
