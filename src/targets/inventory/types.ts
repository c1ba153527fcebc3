/**
 * The words of this folder.
 *
 *   inventory   hosts by name, the groups they are in, and variables of both
 *   source      what an inventory is read from: a file, a command's output, or groups that a program has already
 *   entry       one thing that a source says: a line, a key, an element of an array
 *   variable    a name and a value that a host has; its own goes before its groups', a child's before its parent's
 */

export type InventoryFormat = 'ini' | 'yaml' | 'ansible-json' | 'json' | 'ssh-config' | 'list';

/** Where the fields of a host stand in JSON of any shape: paths such as `publicIps` or `tags.role`. */
export interface InventoryMap {
  /** Where the array is. @default the whole document, or its only array */
  items?: string;
  /** @default 'name', else the host */
  name?: string;
  /** The address; of a list, also one with commas, the first. @default 'host', else the name */
  host?: string;
  /** @default 'port' */
  port?: string;
  /** @default 'user' */
  user?: string;
  /** A private key's path. @default 'identity' */
  identity?: string;
  /** A text, a list of texts, or an object whose fields give `key=value`. @default 'labels' */
  labels?: string | readonly string[];
  /** A text or a list of texts. What cannot stand in a group's name becomes `_`. @default 'groups' */
  groups?: string | readonly string[];
  /** An object. @default 'vars' */
  vars?: string;
}

export interface InventoryFile {
  file: string;
  /** @default told by name and content */
  format?: InventoryFormat;
  /** For the format `json`. */
  map?: InventoryMap;
}

export interface InventoryCommand {
  /** Program and arguments, run without a shell. Only with `allowCommands`. */
  command: readonly string[];
  /** @default told by the output */
  format?: Exclude<InventoryFormat, 'ssh-config'>;
  map?: InventoryMap;
  /** How long its output is taken for true; 0: it is run each time. @default 300_000 */
  ttlMs?: number;
  /** Take an older output, with a warning, where the command fails. @default false */
  staleOk?: boolean;
  /** @default the folder of this process */
  cwd?: string;
  /** Deadline; all that the command has started is killed then. @default 30_000 */
  timeoutMs?: number;
}

/** Groups as a program or a configuration has them already. */
export interface InventoryGroups {
  groups: Readonly<Record<string, InventoryGroup>>;
  /** What messages call it. @default 'groups' */
  from?: string;
}

export interface InventoryGroup {
  /** Hosts and patterns, as on the command line: `deploy@web-[01-20]:2222`. */
  hosts?: string | readonly string[];
  /** Groups whose hosts are also here. */
  children?: readonly string[];
  port?: number;
  user?: string;
  identity?: string;
  labels?: readonly string[];
  vars?: Readonly<Record<string, unknown>>;
}

/** A file's path, or more about it, or another place. */
export type InventorySource = string | InventoryFile | InventoryCommand | InventoryGroups;

export interface InventoryHost {
  /** As the inventory calls it, and as it is typed: the same name is the same host. */
  readonly name: string;
  /** What is connected to: name or address. */
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  /** A private key's path. */
  readonly identity?: string;
  /** A reference (`env:NAME`, `file:PATH`), never the password. */
  readonly password?: string;
  readonly labels: readonly string[];
  /** All that it is in, by itself or through others, by name; without `all`. */
  readonly groups: readonly string[];
  /** Its variables and those of its groups, each the one that counts. */
  readonly vars: Readonly<Record<string, unknown>>;
}

export interface Inventory {
  /** In the order in which they are first named. */
  readonly hosts: readonly InventoryHost[];
  /** The names of each group's hosts: its own, then those of the groups in it. `all` and `ungrouped` are always there. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** What was left out or could not be followed, one line each. */
  readonly warnings: readonly string[];
  /** The host of a name. */
  find(name: string): InventoryHost | undefined;
}
