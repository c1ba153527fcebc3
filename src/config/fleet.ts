import { KeylaneError } from '../errors.js';
import type { SshAccess } from '../ssh-types.js';
import { parseHost } from '../targets/hosts.js';
import { type InventoryOptions, loadInventory } from '../targets/inventory/load.js';
import type { Inventory, InventoryGroup, InventoryHost, InventorySource } from '../targets/inventory/types.js';
import { noGroup, partsOf } from './groups.js';
import type { Config, GroupSsh } from './types.js';

export interface LoadFleetOptions extends Pick<InventoryOptions, 'skipBad' | 'persist' | 'dataDir'> {
  /** Beside those of the configuration. */
  inventories?: readonly InventorySource[];
}

/** What is said of one host: fields of its requests, and their labels. */
export interface FleetHost {
  /** For an `ssh` request. What was typed with the host goes before everything else. */
  request: { host: string } & GroupSsh;
  /** For the request's options: its groups and their labels, so that `limits.groups` holds. */
  labels: readonly string[];
}

/** The hosts of a configuration and of its inventories. */
export interface Fleet {
  /** The names of a group's hosts: for `expandHosts(patterns, fleet.hostsOf)`. Throws `ERR_INPUT` for an unknown one. */
  hostsOf(group: string): readonly string[] | undefined;
  /** What is said of a host, as it is typed; of one that nobody lists, just what was typed. */
  of(host: string): FleetHost;
  /** What of the inventories was left out. */
  readonly warnings: readonly string[];
}

/** Labels of one request, at most. */
const MOST_LABELS = 32;
const ACCESS = ['port', 'user', 'identity', 'password'] as const satisfies readonly (keyof SshAccess)[];

/**
 * Reads the inventories of a configuration and puts its groups with theirs: a group of both has the hosts of both.
 *
 * @throws KeylaneError `ERR_CONFIG` for an inventory that cannot be read, or a group that is nowhere.
 */
export async function loadFleet(config: Config, options: LoadFleetOptions = {}): Promise<Fleet> {
  const { inventories = [], ...how } = options;
  const sources = [...(config.inventories as readonly InventorySource[]), ...inventories];
  const given = givenGroups(config.groups);
  if (sources.length === 0 && given === undefined) return new LoadedFleet(undefined, config);
  const { allowCommands } = config;
  const inventory = await loadInventory([...sources, ...(given ? [given] : [])], { ...how, allowCommands });
  refuseUnknown(config.groups, inventory);
  return new LoadedFleet(inventory, config);
}

function givenGroups(groups: Config['groups']): InventorySource | undefined {
  if (Object.keys(groups).length === 0) return undefined;
  const given = Object.entries(groups).map(([name, group]): [string, InventoryGroup] => {
    const { hosts, groups: children } = partsOf(group);
    return [name, { hosts, children, ...(group.labels && { labels: group.labels }) }];
  });
  return { groups: Object.fromEntries(given), from: 'groups' };
}

/** A group that others name must be one of the configuration, or have hosts: else it is a slip. */
function refuseUnknown(groups: Config['groups'], inventory: Inventory): void {
  const known = Object.keys(inventory.groups).filter((name) => isKnown(name, groups, inventory));
  const unknown = Object.entries(groups).flatMap(([name, group]) =>
    partsOf(group)
      .groups.filter((other) => !known.includes(other))
      .map((other) => `groups.${name}.hosts: ${noGroup(other, known)}`),
  );
  if (unknown.length > 0) throw new KeylaneError('ERR_CONFIG', unknown.join('\n'));
}

function isKnown(name: string, groups: Config['groups'], inventory: Inventory): boolean {
  return Object.hasOwn(groups, name) || (inventory.groups[name]?.length ?? 0) > 0;
}

class LoadedFleet implements Fleet {
  readonly warnings: readonly string[];
  readonly #inventory: Inventory | undefined;
  /** Of the groups that say how their hosts are reached, what they say, in their order. */
  readonly #ssh: ReadonlyMap<string, { place: number; ssh: GroupSsh }>;
  readonly #limits: Readonly<Record<string, number>>;
  /** By name of the host alone, lower case: whoever has it, with whatever user and port. */
  readonly #byHost = new Map<string, InventoryHost[]>();

  constructor(inventory: Inventory | undefined, { groups, engine }: Config) {
    this.#inventory = inventory;
    this.#ssh = new Map(
      Object.entries(groups).flatMap(([name, { ssh }], place) => (ssh ? [[name, { place, ssh }]] : [])),
    );
    this.#limits = engine.limits?.groups ?? {};
    this.warnings = inventory?.warnings ?? [];
    for (const host of inventory?.hosts ?? []) {
      const name = bareName(host.name);
      const others = this.#byHost.get(name);
      if (others) others.push(host);
      else this.#byHost.set(name, [host]);
    }
  }

  // Both may be handed on alone.
  readonly hostsOf = (group: string): readonly string[] | undefined => {
    if (!this.#inventory) return undefined;
    const { groups } = this.#inventory;
    if (Object.hasOwn(groups, group)) return groups[group];
    throw new KeylaneError('ERR_INPUT', noGroup(group, Object.keys(groups)));
  };

  readonly of = (typed: string): FleetHost => {
    const address = parseHost(typed);
    const all = this.#byHost.get(address.host.toLowerCase()) ?? [];
    const own = this.#inventory?.find(typed) ?? all[0];
    if (!own) return { request: { ...address }, labels: [] };
    const groups = new Set(all.flatMap((host) => host.groups));
    const request: FleetHost['request'] = { ...address, host: own.host };
    this.#say(request, own, groups);
    const labels = new Set([...groups, ...all.flatMap((host) => host.labels)]);
    return { request, labels: this.#bounded([...labels], typed) };
  };

  /** What is said more closely goes before: typed, then of the host, then of its groups, the first of them first. */
  #say(request: FleetHost['request'], own: InventoryHost, groups: ReadonlySet<string>): void {
    const said: GroupSsh[] = [
      Object.fromEntries(ACCESS.map((field) => [field, own[field]])),
      ...[...groups]
        .flatMap((name) => this.#ssh.get(name) ?? [])
        .sort((a, b) => a.place - b.place)
        .map(({ ssh }) => ssh),
    ];
    for (const one of said) {
      for (const [field, value] of Object.entries(one)) {
        if (value !== undefined && !Object.hasOwn(request, field)) Object.assign(request, { [field]: value });
      }
    }
  }

  /** Those that count for a limit first: without one of them it would not hold. */
  #bounded(labels: readonly string[], host: string): readonly string[] {
    if (labels.length <= MOST_LABELS) return labels;
    const limited = labels.filter((label) => Object.hasOwn(this.#limits, label));
    if (limited.length > MOST_LABELS)
      throw new KeylaneError('ERR_CONFIG', `${host} is in more than ${MOST_LABELS} groups that have a limit`);
    return [...new Set([...limited, ...labels])].slice(0, MOST_LABELS);
  }
}

/** An inventory may call a host what nobody could type as one. */
function bareName(name: string): string {
  try {
    return parseHost(name).host.toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}
