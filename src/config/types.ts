import type { EngineOptions } from '../options.js';
import type { ServeSection } from '../server/section.js';
import type { SshOptions } from '../specs/ssh.js';
import type { SshAccess } from '../ssh-types.js';

/** What `keylane.yaml` may hold: the options of `createEngine` that a file can say, and the fleet. */
export interface ConfigFile extends Omit<EngineOptions, 'onEvent' | 'ssh' | 'drivers'>, FleetOptions {
  /** Defaults of SSH requests. */
  ssh?: Omit<SshOptions, 'confirmHostKey'>;
  /** Modules of drivers of one's own: paths or `file:` URLs. Not taken from a file that was found in the project. */
  drivers?: readonly string[];
  /** Of `keylane serve`. Not taken from a file that was found in the project. */
  serve?: ServeSection;
}

/** The hosts and how they are called. */
export interface FleetOptions {
  /** Hosts that have something in common, by name; `@name` stands for them in host patterns. */
  groups?: Readonly<Record<string, ConfigGroup>>;
  /** Where further hosts and groups are listed. */
  inventories?: readonly ConfigInventory[];
}

/** A group of hosts. What it says goes for each request to one of its hosts, however the host is named there. */
export interface ConfigGroup {
  /** Host patterns: `web-[01-20].example`, `user@host:port`, `@group`. */
  hosts?: string | readonly string[];
  /** Labels of the requests, beside the group's own name: `limits.groups` counts by them. */
  labels?: readonly string[];
  /** Requests in flight at once on all hosts of the group: `limits.groups` with the group's name. @default no bound */
  limit?: number;
  /** How the hosts are reached. A request's own field and a flag go before; of several groups the first one does. */
  ssh?: GroupSsh;
}

export interface GroupSsh extends SshAccess {
  /** Hosts to go through. */
  jump?: NonNullable<SshOptions['jump']>;
}

/** One list of hosts: a file, or what a command prints. */
export interface ConfigInventory {
  /** Path of the list. */
  file?: string;
  /** A program and its words, run without a shell, and only with `allowCommands`. */
  command?: readonly string[];
  /** @default by the file's name and what is in it */
  format?: 'ini' | 'yaml' | 'ansible-json' | 'json' | 'ssh-config' | 'list';
  /** Of the format `json`: where the fields of a host stand, as in `{ host: 'publicIps' }`. */
  map?: Readonly<Record<string, string | readonly string[]>>;
  /** Of a command: milliseconds for which its output is used again. 0: never. @default 300_000 */
  ttlMs?: number;
  /** Of a command: older output is used, with a warning, where it fails. @default false */
  staleOk?: boolean;
  /** Of a command: its folder. @default the folder of the file that names it */
  cwd?: string;
  /** Of a command: its deadline. @default 30_000 */
  timeoutMs?: number;
}

/** Where a value came from. */
export type ConfigOrigin =
  | { from: 'default' }
  | { from: 'file'; file: string; line: number }
  | { from: 'variable'; name: string }
  | { from: 'flag' };

/** One value of a configuration, and where it came from. */
export interface ConfigEntry {
  /** `limits.connectionsPerLane` */
  path: string;
  /** What may be secret and is no reference is masked. */
  value: unknown;
  origin: ConfigOrigin;
}

/** A configuration: files, variables and flags put together. Frozen. */
export interface Config {
  /** For `createEngine`; the groups' limits are in `limits.groups`. */
  readonly engine: EngineOptions;
  readonly groups: Readonly<Record<string, ConfigGroup>>;
  readonly inventories: readonly ConfigInventory[];
  /** For `createService`. */
  readonly serve: ServeSection;
  /** Whether commands of inventories may be run: `engine.allowCommands`. */
  readonly allowCommands: boolean;
  /** The files that were read, the one that weighs least first. */
  readonly files: readonly string[];
  /** Every value, defaults too, in the order of docs/options.md. */
  entries(): ConfigEntry[];
}
