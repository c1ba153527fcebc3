import type { Groups } from './groups.js';
import { typedHosts } from './list.js';
import type { Mistakes } from './mistakes.js';
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
  const { hosts = [], children = [], labels = [], vars = {} } = given;
  const fields = { ansible_port: given.port, ansible_user: given.user, ansible_ssh_private_key_file: given.identity };
  for (const [variable, value] of [...Object.entries(fields), ...Object.entries(vars)]) {
    if (value !== undefined) groups.setVariable(group, variable, structuredClone(value), () => from);
  }
  for (const child of children) {
    mistakes.entry(
      () => `${from}.children`,
      () => groups.addChild(group, groups.group(child), () => `${from}.children`),
    );
  }
  for (const patterns of [hosts].flat()) {
    mistakes.entry(
      () => `${from}.hosts`,
      () => typedHosts(patterns, groups, group),
    );
  }
  if (labels.length > 0) group.labels = [...new Set([...(group.labels ?? []), ...labels])];
}
