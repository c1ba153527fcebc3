import type { Groups } from './groups.js';
import { typedHosts } from './list.js';
import { BadEntry, type Mistakes } from './mistakes.js';
import { guardValue } from './secrets.js';
import type { InventoryGroup, InventoryGroups } from './types.js';

/** Takes groups that a program has already, such as those of a configuration. */
export function readGiven(
  { groups: given, from = 'groups' }: InventoryGroups,
  groups: Groups,
  mistakes: Mistakes,
): void {
  for (const [name, group] of Object.entries(given)) {
    const place = `${from}.${name}`;
    mistakes.entry(
      () => place,
      () => readGroup(name, group, place, groups, mistakes),
    );
  }
}

function readGroup(name: string, given: InventoryGroup, from: string, groups: Groups, mistakes: Mistakes): void {
  const group = groups.group(name);
  const { hosts = [], labels = [], vars = {}, ssh } = given;
  for (const [variable, value] of Object.entries(vars)) {
    groups.setVariable(group, variable, structuredClone(value), () => from);
  }
  const place = () => `${from}.hosts`;
  for (const patterns of [hosts].flat()) {
    mistakes.entry(place, () => {
      if (/@[^\s,]*&/.test(patterns)) throw new BadEntry('expected single groups: one group holds all of another');
      const inner: string[] = [];
      typedHosts(patterns, groups, group, inner);
      for (const child of inner) groups.addChild(group, groups.group(child), place);
    });
  }
  if (labels.length > 0) group.labels = [...new Set([...(group.labels ?? []), ...labels])];
  if (ssh === undefined) return;
  const own = structuredClone(ssh);
  guardValue('ssh', own);
  group.ssh = { ...own, ...group.ssh };
}
