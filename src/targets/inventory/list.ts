import { KeylaneError } from '../../errors.js';
import { expandHosts, parseHost } from '../hosts.js';
import type { Group, Groups } from './groups.js';
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

/**
 * Puts the hosts that typed patterns stand for into a group. With user or port, these are a part of the name. `@group`
 * is not allowed but where `inner` takes the names of such groups.
 */
export function typedHosts(patterns: string, groups: Groups, group: Group, inner?: string[]): void {
  for (const name of expanded(patterns, inner)) {
    const { host: address, user, port } = parseHost(name);
    const host = groups.host(name);
    groups.join(host, group);
    if (address !== name) host.set('ansible_host', address);
    if (user !== undefined) host.set('ansible_user', user);
    if (port !== undefined) host.set('ansible_port', port);
  }
}

function expanded(patterns: string, inner: string[] | undefined): string[] {
  const take = (name: string) => {
    inner?.push(name);
    return [];
  };
  try {
    return expandHosts(patterns, inner && take);
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    if (error.message.includes('more than 1,000,000')) throw tooManyHosts();
    throw new BadEntry(error.message);
  }
}
