import { isMapping } from './ansible-yaml.js';
import type { Groups, Host } from './groups.js';
import { typedHosts } from './list.js';
import { BadEntry, type Mistakes } from './mistakes.js';
import { checkName } from './ranges.js';
import { guardValue } from './secrets.js';
import type { InventoryMap } from './types.js';

const DEFAULTS = {
  name: 'name',
  host: 'host',
  port: 'port',
  user: 'user',
  identity: 'identity',
  vars: 'vars',
} as const;
/** The variable that each field is. */
const VARIABLES = {
  host: 'ansible_host',
  port: 'ansible_port',
  user: 'ansible_user',
  identity: 'ansible_ssh_private_key_file',
} as const;

/**
 * Reads JSON of any shape that has a list of hosts: texts, as they are typed, or objects, whose fields `map` names. So
 * `{ host: 'publicIps', groups: ['resourceGroup', 'location'] }` reads the output of `az vm list --show-details`.
 */
export function readJson(value: unknown, map: InventoryMap, from: string, groups: Groups, mistakes: Mistakes): void {
  let items: readonly unknown[] = [];
  mistakes.entry(
    () => from,
    () => {
      items = itemsOf(value, map.items);
    },
  );
  for (const [index, item] of items.entries()) {
    mistakes.entry(
      () => `${from}: ${map.items ?? ''}[${index}]`,
      () => {
        if (typeof item === 'string') typedHosts(item, groups, groups.ungrouped);
        else if (isMapping(item)) readItem(item, map, groups, () => `${from}: ${map.items ?? ''}[${index}]`);
        else throw new BadEntry('expected a host, as a text or an object');
      },
    );
  }
}

function itemsOf(value: unknown, path: string | undefined): readonly unknown[] {
  const found = path === undefined ? value : at(value, path);
  if (Array.isArray(found)) return found;
  if (path !== undefined) throw new BadEntry(`expected a list at ${path}, as \`map.items\` says`);
  const lists = isMapping(found) ? Object.values(found).filter((inner) => Array.isArray(inner)) : [];
  if (lists.length === 1) return lists[0] as readonly unknown[];
  throw new BadEntry('expected a list of hosts; where it is within other things, say so by `map.items`');
}

function readItem(item: object, map: InventoryMap, groups: Groups, place: () => string): void {
  const field = (name: keyof typeof DEFAULTS) => at(item, map[name] ?? DEFAULTS[name]) ?? undefined;
  const address = firstOf(field('host'));
  const name = field('name') ?? address;
  if (typeof name !== 'string' || name === '')
    throw new BadEntry(`expected a name at ${map.name ?? 'name'} or a host at ${map.host ?? 'host'}`);
  // A machine that has no address now is not reached by its name.
  if (map.host !== undefined && address === undefined)
    throw new BadEntry(`expected an address at ${map.host} of ${checkName(name)}`);
  const variables = new Map<string, unknown>();
  for (const [own, variable] of Object.entries(VARIABLES)) {
    const value = own === 'host' ? address : field(own as keyof typeof VARIABLES);
    if (value !== undefined && !(own === 'host' && value === name)) variables.set(variable, value);
  }
  const vars = field('vars');
  if (vars !== undefined && !isMapping(vars)) throw new BadEntry(`expected an object at ${map.vars ?? 'vars'}`);
  const all = [...variables, ...Object.entries(vars ?? {})];
  groups.vet(all, place);
  const labels = texts(item, map.labels ?? 'labels', 'labels');
  const names = texts(item, map.groups ?? 'groups', 'groups').map((group) =>
    map.groups === undefined ? group : groupName(group),
  );
  const known = checkName(name);
  const homes = names.map((group) => groups.group(group));
  const host: Host = groups.host(known);
  groups.join(host, groups.ungrouped);
  for (const group of homes) groups.join(host, group);
  for (const [variable, value] of all) host.set(variable, value);
  if (labels.length > 0) host.labels = [...new Set([...(host.labels ?? []), ...labels])];
}

/** Of several addresses the first; none where there is none. */
function firstOf(value: unknown): unknown {
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'string') return first ?? undefined;
  return first.split(',', 1)[0]!.trim() || undefined;
}

/** A text, several, or the fields of an object as `key=value`. */
function texts(item: object, paths: string | readonly string[], what: string): string[] {
  return [paths].flat().flatMap((path) => {
    const value = at(item, path);
    if (value === undefined || value === null || value === '') return [];
    if (isMapping(value) && what === 'labels') {
      guardValue(path, value);
      return Object.entries(value).map(([key, inner]) => `${key}=${String(inner)}`);
    }
    const list = [value].flat();
    if (list.every((one) => typeof one === 'string' && one !== '')) return list as string[];
    throw new BadEntry(`expected texts at ${path}, for ${what}`);
  });
}

function groupName(text: string): string {
  return text.replace(/[^\p{L}\p{N}_.-]/gu, '_');
}

/** `a.b.0.c`; own fields only. */
function at(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path === '' ? [] : path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return found;
}
