import { isMapping, type PlaceOf } from './ansible-yaml.js';
import type { Groups } from './groups.js';
import { BadEntry, type Mistakes, shown } from './mistakes.js';
import { checkName } from './ranges.js';

/**
 * Reads what `ansible-inventory --list` and programs in its place print: groups by name, each a list of hosts or an object
 * with `hosts`, `vars` and `children`, and the variables of hosts in `_meta.hostvars`. A host is a name, never a pattern.
 * (Ansible developer guide, "Developing dynamic inventory")
 */
export function readDynamic(value: unknown, placeOf: PlaceOf, groups: Groups, mistakes: Mistakes): void {
  const entry = (path: readonly string[], work: () => void) => mistakes.entry(() => placeOf(path), work);
  if (!isMapping(value)) {
    entry([], () => {
      throw new BadEntry('expected an object with groups by name');
    });
    return;
  }
  for (const [name, given] of Object.entries(value)) {
    if (name === '_meta') continue;
    entry([name], () => {
      const group = groups.group(name);
      const parts = partsOf(name, given);
      each(parts, 'hosts', name, (host, path) =>
        entry(path, () => groups.join(groups.host(checkName(textOf(host))), group)),
      );
      each(parts, 'children', name, (child, path) =>
        entry(path, () => groups.addChild(group, groups.group(textOf(child)), () => placeOf(path))),
      );
      if (parts.vars === undefined || parts.vars === null) return;
      if (!isMapping(parts.vars)) throw new BadEntry('expected an object in "vars"');
      for (const [variable, inner] of Object.entries(parts.vars)) {
        const path = [name, 'vars', variable];
        entry(path, () => groups.setVariable(group, variable, inner, () => placeOf(path)));
      }
    });
  }
  const meta = value._meta;
  if (isMapping(meta) && meta.hostvars !== undefined) readHostVars(meta.hostvars, placeOf, groups, entry);
}

/** Variables of hosts that no group names are left out, as Ansible does. */
function readHostVars(
  value: unknown,
  placeOf: PlaceOf,
  groups: Groups,
  entry: (path: readonly string[], work: () => void) => void,
): void {
  const at = ['_meta', 'hostvars'];
  entry(at, () => {
    if (!isMapping(value)) throw new BadEntry('expected an object with variables by host');
    for (const [name, variables] of Object.entries(value)) {
      const host = groups.hosts.get(name);
      if (host === undefined) continue;
      const path = [...at, name];
      entry(path, () => {
        if (!isMapping(variables)) throw new BadEntry('expected an object with variables');
        groups.vet(Object.entries(variables), () => placeOf(path));
        for (const [variable, inner] of Object.entries(variables)) host.set(variable, inner);
      });
    }
  });
}

/** A list is a group's hosts; an object with none of the three is a host of the group's name, and its variables. */
function partsOf(name: string, given: unknown): Readonly<Record<string, unknown>> {
  if (!isMapping(given)) return { hosts: given };
  return 'hosts' in given || 'vars' in given || 'children' in given ? given : { hosts: [name], vars: given };
}

function each(
  parts: Readonly<Record<string, unknown>>,
  part: string,
  name: string,
  take: (value: unknown, path: string[]) => void,
): void {
  const list = parts[part];
  if (list === undefined) return;
  if (!Array.isArray(list)) throw new BadEntry(`expected a list in "${part}" of the group ${shown(name)}`);
  for (const [index, value] of list.entries()) take(value, [name, part, String(index)]);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new BadEntry('expected a name in quotes');
}
