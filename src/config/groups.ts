import { expandHosts } from '../targets/hosts.js';
import type { Problem } from '../util/check.js';
import { nearest } from '../util/nearest.js';
import type { ConfigFile, ConfigGroup } from './types.js';

type Groups = Readonly<Record<string, ConfigGroup>>;

const MOST_HOSTS = 1_000_000;

/** What is wrong with groups beyond their form: patterns, groups that are not there, groups within themselves. */
export function problemsOfGroups({ groups = {}, inventories = [] }: ConfigFile): Problem[] {
  const problems: Problem[] = [];
  let made = 0;
  for (const [name, group] of Object.entries(groups)) {
    for (const [index, patterns] of [group.hosts ?? []].flat().entries()) {
      const path = ['groups', name, 'hosts', ...(Array.isArray(group.hosts) ? [index] : [])];
      const unknown = new Set<string>();
      if (/@[^\s,]*&/.test(patterns)) {
        problems.push({ path, says: 'the hosts that two groups share (&) can be named on the command line only' });
        continue;
      }
      try {
        made += expandHosts(patterns, (other) => {
          // An inventory may have it: that is seen when it is read.
          if (!Object.hasOwn(groups, other) && inventories.length === 0) unknown.add(other);
          return [];
        }).length;
      } catch (error) {
        problems.push({ path, says: (error as Error).message });
      }
      for (const other of unknown) problems.push({ path, says: noGroup(other, Object.keys(groups)) });
    }
    const circle = circleFrom(name, groups);
    if (circle) problems.push({ path: ['groups', name, 'hosts'], says: `is within itself: ${circle.join(', ')}` });
  }
  if (made > MOST_HOSTS) problems.push({ path: ['groups'], says: 'make more than 1,000,000 hosts' });
  return problems;
}

/** `@name` that stands for nothing. */
export function noGroup(name: string, known: Iterable<string>): string {
  const near = nearest(name, known);
  return `@${name} is no group that is known${near === undefined ? '' : `; did you mean @${near}?`}`;
}

/** A group's patterns, those of hosts and the names of other groups apart. */
export function partsOf({ hosts = [] }: ConfigGroup): { hosts: string[]; groups: string[] } {
  const groups: string[] = [];
  const patterns = [hosts].flat().map((list) =>
    list.replaceAll(/(^|[\s,])@([^\s,]+)/g, (_, before: string, name: string) => {
      groups.push(name);
      return before;
    }),
  );
  return { hosts: patterns.filter((list) => /[^\s,]/.test(list)), groups };
}

/** The way from a group back to itself; undefined where there is none. Not deep: it keeps its own list. */
function circleFrom(start: string, groups: Groups): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const open = [start];
  for (const name of open) {
    const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
    for (const next of group ? partsOf(group).groups : []) {
      if (next === start) {
        const way = [`@${start}`];
        for (let at = name; at !== start; at = cameFrom.get(at) as string) way.unshift(`@${at}`);
        return [`@${start}`, ...way];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, name);
      open.push(next);
    }
  }
  return undefined;
}
