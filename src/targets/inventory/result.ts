import { KeylaneError } from '../../errors.js';
import type { Group, Groups, Host } from './groups.js';
import type { Inventory, InventoryHost } from './types.js';
import { type Access, accessIn, LABELS, readLabels, sayingIn } from './variables.js';

/** Of all groups that hosts are in, counted by the sets of groups that differ. */
const MOST_MEMBERSHIPS = 5_000_000;

/** What hosts share that are in the same groups. */
interface Kin {
  /** Those whose variables count more later. */
  readonly groups: readonly Group[];
  readonly names: readonly string[];
  /** Their variables that say how to connect, and what these come to. */
  readonly saying: ReadonlyMap<string, unknown>;
  readonly access: Access;
  readonly labels: readonly string[];
  variables: ReadonlyMap<string, unknown> | undefined;
}

/** What was read, as it is handed out. Nothing of it can be changed. */
export function resultOf(groups: Groups, warnings: readonly string[]): Inventory {
  const kinships = new Kinships();
  const byName = new Map<string, InventoryHost>();
  for (const host of groups.hosts.values()) byName.set(host.name, new LoadedHost(host, kinships.of(host)));
  return Object.freeze({
    hosts: Object.freeze([...byName.values()]),
    groups: membersOf(groups),
    warnings: Object.freeze([...warnings]),
    find: (name: string) => byName.get(name),
  });
}

class LoadedHost implements InventoryHost {
  readonly name: string;
  readonly host: string;
  declare readonly port?: number;
  declare readonly user?: string;
  declare readonly identity?: string;
  declare readonly password?: string;
  readonly labels: readonly string[];
  readonly groups: readonly string[];
  readonly #own: ReadonlyMap<string, unknown>;
  readonly #kin: Kin;
  #vars: Readonly<Record<string, unknown>> | undefined;

  constructor(host: Host, kin: Kin) {
    this.name = host.name;
    this.host = host.name;
    Object.assign(this, accessOf(host, kin));
    this.groups = kin.names;
    this.labels = labelsOf(host, kin);
    this.#own = host.variables;
    this.#kin = kin;
    Object.freeze(this);
  }

  /** Made when asked for: 1,000 variables of `all` times 100,000 hosts would be 100 million. */
  get vars(): Readonly<Record<string, unknown>> {
    this.#vars ??= Object.freeze(Object.fromEntries([...variablesOf(this.#kin), ...this.#own]));
    return this.#vars;
  }

  toJSON(): object {
    return { ...this, vars: this.vars };
  }
}

/** The variables are merged before any is looked at: a group's `ansible_ssh_user` goes before a host's `ansible_user`. */
function accessOf({ variables }: Host, kin: Kin): Access {
  const own = sayingIn(variables);
  return own.length === 0 ? kin.access : accessIn(new Map([...kin.saying, ...own]));
}

function variablesOf(kin: Kin): ReadonlyMap<string, unknown> {
  kin.variables ??= new Map(kin.groups.flatMap((group) => [...group.variables]));
  return kin.variables;
}

function labelsOf(host: Host, kin: Kin): readonly string[] {
  let given = host.variables.get(LABELS);
  for (let at = kin.groups.length - 1; given === undefined && at >= 0; at--)
    given = kin.groups[at]!.variables.get(LABELS);
  if (host.labels === undefined && (given === undefined || given === null)) return kin.labels;
  const labels = [
    ...kin.labels,
    ...(host.labels ?? []),
    ...(given === undefined || given === null ? [] : readLabels(given)),
  ];
  return Object.freeze([...new Set(labels)]);
}

class Kinships {
  readonly #known = new Map<string, Kin>();
  readonly #ancestors = new Map<Group, ReadonlySet<Group>>();
  #memberships = 0;

  of({ groups }: Host): Kin {
    const name = groups
      .map(({ number }) => number)
      .sort()
      .join();
    let kin = this.#known.get(name);
    if (kin === undefined) {
      kin = this.#make(groups);
      this.#known.set(name, kin);
    }
    return kin;
  }

  #make(direct: readonly Group[]): Kin {
    const all = new Set<Group>();
    for (const group of direct) for (const one of this.#withAncestors(group)) all.add(one);
    this.#count(all.size);
    const groups = [...all].sort(byPrecedence);
    const saying = new Map(groups.flatMap((group) => sayingIn(group.variables)));
    const labels = [...new Set(groups.flatMap((group) => group.labels ?? []))];
    return {
      groups,
      names: Object.freeze(
        groups
          .map((group) => group.name)
          .filter((name) => name !== 'all')
          .sort(),
      ),
      saying,
      access: accessIn(saying),
      labels: Object.freeze(labels),
      variables: undefined,
    };
  }

  /** Not deep: groups within groups are bounded. */
  #withAncestors(group: Group): ReadonlySet<Group> {
    const known = this.#ancestors.get(group);
    if (known !== undefined) return known;
    const found = new Set([group]);
    for (const parent of group.parents) for (const one of this.#withAncestors(parent)) found.add(one);
    this.#count(found.size);
    this.#ancestors.set(group, found);
    return found;
  }

  #count(more: number): void {
    this.#memberships += more;
    if (this.#memberships > MOST_MEMBERSHIPS) {
      throw new KeylaneError('ERR_CONFIG', 'the inventory has too many groups within groups: split it');
    }
  }
}

/** As Ansible merges: the shallower first, then the lower priority, then by name; what comes later counts. */
function byPrecedence(a: Group, b: Group): number {
  return a.depth - b.depth || a.priority - b.priority || (a.name < b.name ? -1 : 1);
}

/** Made when asked for: a host that is 100 groups deep is in each of them. */
function membersOf({ groups, all, hosts }: Groups): Readonly<Record<string, readonly string[]>> {
  const members: Record<string, readonly string[]> = Object.create(null);
  for (const group of groups.values()) {
    let names: readonly string[] | undefined;
    const get = () => {
      names ??= Object.freeze(group === all ? [...hosts.keys()] : namesIn(group));
      return names;
    };
    Object.defineProperty(members, group.name, { get, enumerable: true });
  }
  return Object.freeze(members);
}

/** A group's own hosts, then those of its children, then of theirs; each once. */
function namesIn(group: Group): string[] {
  const names = new Set<string>();
  const found = new Set([group]);
  // It grows while it is walked.
  for (const one of found) {
    for (const host of one.hosts) names.add(host.name);
    for (const child of one.children.keys()) found.add(child);
  }
  return [...names];
}
