import type { Group, Groups } from './groups.js';
import { BadEntry, type Mistakes, shown } from './mistakes.js';
import { expandPattern } from './ranges.js';

type Mapping = Readonly<Record<string, unknown>>;

/** Where a path of keys stands, as messages name it. */
export type PlaceOf = (path: readonly string[]) => string;

/** Groups within groups in the text itself. */
const DEEPEST = 64;

/**
 * Reads the structure of Ansible's YAML inventory: groups by name with `hosts`, `vars` and `children`, each a mapping.
 * (Ansible documentation, `ansible.builtin.yaml` inventory)
 */
export function readTree(value: unknown, placeOf: PlaceOf, groups: Groups, mistakes: Mistakes): void {
  new Tree(placeOf, groups, mistakes).read(value);
}

class Tree {
  readonly #placeOf: PlaceOf;
  readonly #groups: Groups;
  readonly #mistakes: Mistakes;

  constructor(placeOf: PlaceOf, groups: Groups, mistakes: Mistakes) {
    this.#placeOf = placeOf;
    this.#groups = groups;
    this.#mistakes = mistakes;
  }

  read(value: unknown): void {
    this.#entry([], () => {
      if (!isMapping(value)) throw new BadEntry('expected groups by name, such as "all:" with "hosts:" below it');
      if (value.plugin)
        throw new BadEntry(
          'expected an inventory, not the settings of a plugin of Ansible: run ansible-inventory --list and read its output',
        );
    });
    if (!isMapping(value)) return;
    for (const [name, inner] of Object.entries(value)) this.#group(name, inner, [name], undefined);
  }

  #group(name: string, value: unknown, path: readonly string[], parent: Group | undefined): void {
    this.#entry(path, () => {
      if (path.length > 2 * DEEPEST) throw new BadEntry(`expected at most ${DEEPEST} groups within groups`);
      if (value !== null && !isMapping(value))
        throw new BadEntry(`expected "hosts", "vars" or "children" in the group ${shown(name)}`);
      const group = this.#groups.group(name);
      if (parent !== undefined) this.#groups.addChild(parent, group, () => this.#placeOf(path));
      if (value !== null) this.#parts(value as Mapping, group, path);
    });
  }

  #parts(parts: Mapping, group: Group, path: readonly string[]): void {
    for (const [part, given] of Object.entries(parts)) {
      const at = [...path, part];
      this.#entry(at, () => {
        if (part !== 'hosts' && part !== 'vars' && part !== 'children') {
          this.#mistakes.warn(
            `${this.#placeOf(at)}: ${shown(part)} is not followed: a group has hosts, vars and children`,
          );
          return;
        }
        // A lone name may stand for a mapping with nothing in it.
        const inner = typeof given === 'string' ? { [given]: null } : given;
        if (inner === null) return;
        if (!isMapping(inner))
          throw new BadEntry(
            `expected names and colons below "${part}", not ${Array.isArray(inner) ? 'a list' : 'a value'}`,
          );
        for (const [name, value] of Object.entries(inner)) {
          const where = [...at, name];
          if (part === 'children') this.#group(name, value, where, group);
          else
            this.#entry(where, () => {
              if (part === 'hosts') this.#hosts(name, value, group, where);
              else this.#groups.setVariable(group, name, value, () => this.#placeOf(where));
            });
        }
      });
    }
  }

  #hosts(pattern: string, value: unknown, group: Group, path: readonly string[]): void {
    if (value !== null && !isMapping(value))
      throw new BadEntry(`expected variables below the host ${shown(pattern)}, or nothing`);
    const variables = Object.entries(value ?? {});
    this.#groups.vet(variables, () => this.#placeOf(path));
    const { names, port } = expandPattern(pattern, this.#groups.room + 1);
    for (const name of names) {
      const host = this.#groups.host(name, port);
      this.#groups.join(host, group);
      for (const [variable, inner] of variables) host.set(variable, inner);
    }
  }

  #entry(path: readonly string[], work: () => void): void {
    this.#mistakes.entry(() => this.#placeOf(path), work);
  }
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
