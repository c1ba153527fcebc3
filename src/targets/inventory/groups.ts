import { KeylaneError } from '../../errors.js';
import { BadEntry, type Mistakes, shown, tooManyHosts } from './mistakes.js';
import { checkVariable, isPasswordReference } from './variables.js';

/** Where something is written, told only when it is needed. */
export type Place = () => string;

const NONE: ReadonlyMap<string, unknown> = new Map();

/** There may be a million, so what most of them lack is not made. */
export class Host {
  readonly name: string;
  /** Those that name it, each once. */
  groups: Group[] = [];
  labels: readonly string[] | undefined = undefined;
  #variables: Map<string, unknown> | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }

  get variables(): ReadonlyMap<string, unknown> {
    return this.#variables ?? NONE;
  }

  /** A variable that has been looked at: `Groups.vet`. */
  set(name: string, value: unknown): void {
    this.#variables ??= new Map();
    this.#variables.set(name, value);
  }
}

export class Group {
  readonly name: string;
  readonly number: number;
  readonly hosts = new Set<Host>();
  readonly children = new Map<Group, Place>();
  readonly parents = new Set<Group>();
  readonly variables = new Map<string, unknown>();
  labels: readonly string[] | undefined;
  /** `ansible_group_priority`: of groups of one depth the higher counts. */
  priority = 1;
  /** The longest way from `all`. */
  depth = 0;

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
  }
}

const MOST_HOSTS = 1_000_000;
/** Of groups within groups. */
const DEEPEST = 100;

/** All hosts and groups of all sources, while they are read. */
export class Groups {
  readonly hosts = new Map<string, Host>();
  readonly groups = new Map<string, Group>();
  readonly all: Group;
  readonly ungrouped: Group;
  /** What is read now comes from a command: it must not choose which of our secrets a host of its own choice is given. */
  isForeign = false;
  readonly #mistakes: Mistakes;

  constructor(mistakes: Mistakes) {
    this.#mistakes = mistakes;
    this.all = this.group('all');
    this.ungrouped = this.group('ungrouped');
  }

  /** So many hosts can still be taken. */
  get room(): number {
    return MOST_HOSTS - this.hosts.size;
  }

  /** The group of a name, made where there is none. */
  group(name: string): Group {
    const known = this.groups.get(name);
    if (known !== undefined) return known;
    if (name === '' || /[\p{Cc}\p{Z}\ufffd,&!@[\]:]/u.test(name)) {
      throw new BadEntry(`expected a group's name without white space and , & ! @ : [ ], not ${shown(name)}`);
    }
    const group = new Group(name, this.groups.size);
    this.groups.set(name, group);
    return group;
  }

  /** The host of a name, made where there is none; a port that is written behind a name counts only there. */
  host(name: string, port?: number): Host {
    const known = this.hosts.get(name);
    if (known !== undefined) return known;
    if (this.hosts.size >= MOST_HOSTS) throw tooManyHosts();
    const host = new Host(name);
    if (port !== undefined) host.set('ansible_port', port);
    this.hosts.set(name, host);
    return host;
  }

  join(host: Host, group: Group): void {
    if (group.hosts.has(host)) return;
    group.hosts.add(host);
    host.groups.push(group);
  }

  /** Looks at the variables of a host before it is given any: a bad one costs the whole entry. */
  vet(variables: Iterable<readonly [string, unknown]>, place: Place): void {
    for (const [name, value] of variables) {
      const warning = checkVariable(name, value);
      if (this.isForeign && isPasswordReference(name, value))
        throw new BadEntry(`${name}: expected no reference to a secret in a command's output`);
      if (warning !== undefined) this.#mistakes.warn(`${place()}: ${warning}`);
    }
  }

  setVariable(group: Group, name: string, value: unknown, place: Place): void {
    if (name === 'ansible_group_priority') {
      if (!/^[+-]?\d{1,9}$/.test(String(value)))
        throw new BadEntry('expected a whole number in ansible_group_priority');
      group.priority = Number(value);
      return;
    }
    this.vet([[name, value]], place);
    group.variables.set(name, value);
  }

  addChild(parent: Group, child: Group, place: Place): void {
    if (child === this.all) throw new BadEntry('expected another group than all, which holds every group');
    if (parent === child) throw new BadEntry(`expected another group: ${parent.name} cannot be in itself`);
    if (parent === this.all) return;
    if (child === this.ungrouped || parent === this.ungrouped)
      throw new BadEntry('expected another group than ungrouped, which holds the hosts of no group');
    parent.children.set(child, place);
    child.parents.add(parent);
  }

  /** When all is read: refuses circles, puts every group below `all` and every host without a group into `ungrouped`. */
  settle(): void {
    const order = this.#inOrder();
    for (const group of order) {
      if (group === this.all) continue;
      if (group.parents.size === 0) {
        this.all.children.set(group, () => 'all');
        group.parents.add(this.all);
      }
      for (const parent of group.parents) group.depth = Math.max(group.depth, parent.depth + 1);
      if (group.depth > DEEPEST)
        throw new KeylaneError(
          'ERR_CONFIG',
          `group ${shown(group.name)} is in more than ${DEEPEST} groups within groups`,
        );
    }
    for (const host of this.hosts.values()) {
      if (host.groups.every((group) => group === this.all || group === this.ungrouped)) this.join(host, this.ungrouped);
      else if (this.ungrouped.hosts.delete(host)) host.groups = host.groups.filter((group) => group !== this.ungrouped);
    }
  }

  /** Parents before their children. The child that closes a circle is a mistake. Not recursive: groups may be many. */
  #inOrder(): Group[] {
    const state = new Map<Group, 'open' | 'done'>();
    const done: Group[] = [];
    for (const first of this.groups.values()) {
      if (state.has(first)) continue;
      const path = [{ group: first, children: [...first.children] }];
      state.set(first, 'open');
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const { group } = top;
        const next = top.children.pop();
        if (next === undefined) {
          state.set(group, 'done');
          done.push(group);
          path.pop();
          continue;
        }
        const [child, place] = next;
        if (state.get(child) === 'open') this.#refuseCircle(group, child, place);
        else if (!state.has(child)) {
          state.set(child, 'open');
          path.push({ group: child, children: [...child.children] });
        }
      }
    }
    return done.reverse();
  }

  #refuseCircle(parent: Group, child: Group, place: Place): void {
    this.#mistakes.entry(place, () => {
      parent.children.delete(child);
      child.parents.delete(parent);
      throw new BadEntry(`expected no circle: ${shown(child.name)} is in ${shown(parent.name)} and holds it`);
    });
  }
}
