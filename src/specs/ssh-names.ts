import { isIP } from 'node:net';
import { nameProblem } from '../util/names.js';

/** What is wrong with the name or address of a host: it must mean one host, wherever it is written. */
export function hostProblem(value: string): string | undefined {
  const bare = withoutBrackets(value);
  if (isIP(bare) === 6) {
    const zone = bare.indexOf('%');
    return zone < 0 || /^[A-Za-z0-9_.-]+$/.test(bare.slice(zone + 1))
      ? undefined
      : 'the zone after % may hold letters, digits, - _ and . only';
  }
  if (value.includes(':')) return 'expected a host name or an address, without a port; give the port as `port`';
  if (value.includes('@')) return 'expected a host without a user; give the user as `user`';
  return nameProblem(value, 'a host name');
}

/** The host as the key, known_hosts and the socket want it: lower case, IPv6 without brackets. */
export function hostOf(value: string): string {
  return withoutBrackets(value).toLowerCase();
}

/** What is wrong with a name for known_hosts: of a host, or `[host]:port`. */
export function aliasProblem(value: string): string | undefined {
  return nameProblem(value, 'a name in known_hosts', '[]:');
}

function withoutBrackets(value: string): string {
  return value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;
}
