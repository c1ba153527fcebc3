import { KeylaneError } from '../../errors.js';
import { expandHosts, parseHost } from '../hosts.js';
import type { Group, Groups, Host } from './groups.js';
import { linesOf } from './lines.js';
import { BadEntry, type Mistakes, tooManyHosts } from './mistakes.js';

/** Reads hosts and patterns as they are typed, a line or more each, with `#` comments: what `-H` reads too. */
export function readList(text: string, from: string, groups: Groups, mistakes: Mistakes): void {
  for (const [line, entry] of linesOf(text)) {
    const patterns = entry.replace(/(^|\s)#.*$/, '');
    mistakes.entry(
      () => `${from}:${line}`,
      () => typedHosts(patterns, groups, groups.ungrouped),
    );
  }
}

/** Puts the hosts that a typed pattern stands for into a group. With user or port, these are a part of the name. */
export function typedHosts(patterns: string, groups: Groups, group: Group): Host[] {
  const found: Host[] = [];
  for (const name of expanded(patterns)) {
    const { host: address, user, port } = parseHost(name);
    const host = groups.host(name);
    groups.join(host, group);
    if (address !== name) host.set('ansible_host', address);
    if (user !== undefined) host.set('ansible_user', user);
    if (port !== undefined) host.set('ansible_port', port);
    found.push(host);
  }
  return found;
}

function expanded(patterns: string): string[] {
  try {
    return expandHosts(patterns);
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    if (error.message.includes('more than 1,000,000')) throw tooManyHosts();
    throw new BadEntry(error.message);
  }
}
