import { type Command, Option } from 'commander';

/** The flags of every command that takes hosts by name. */
export interface FleetFlags {
  inventory: string[];
  skipBad?: true;
}

export function fleetFlags(command: Command): Command {
  return inventoryFlag(command).option('--skip-bad', 'leave out what cannot be read of an inventory, and say so');
}

export function inventoryFlag(command: Command): Command {
  return command.addOption(
    new Option(
      '--inventory <file>',
      'hosts and groups beside those of keylane.yaml: INI or YAML as Ansible has them, JSON, ssh_config, a list; may be repeated',
    )
      .argParser((file: string, before: string[]) => [...before, file])
      .default([], ''),
  );
}
