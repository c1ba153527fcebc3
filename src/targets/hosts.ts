import { isIPv6 } from 'node:net';
import { KeylaneError } from '../errors.js';
import { userProblem } from '../util/names.js';

/** More hosts than this in one call are taken for a slip of the keyboard. */
const MOST_HOSTS = 1_000_000;

/** What most hosts look like; needs no closer look. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

/**
 * The hosts that patterns stand for, each once, in the order written.
 *
 *     web-[01-20,30].example   zero padding is kept; several brackets give every combination
 *     db[0-10/2]               every second number
 *     root@web-1:2222          user and port stay with the host; `parseHost` takes them apart
 *     [::1]:22  ::1            IPv6 addresses are no ranges
 *     a,b c                    commas and white space separate
 *     @web  @web&@eu           the hosts of a group, or of both, where `groups` knows groups
 *
 * @throws KeylaneError `ERR_INPUT`, which names the pattern and the fix.
 */
export function expandHosts(patterns: string | readonly string[], groups?: GroupHosts): string[] {
  const hosts = new Set<string>();
  // Those that come twice as well: the same range over and over is work without end.
  let made = 0;
  for (const list of typeof patterns === 'string' ? [patterns] : patterns) {
    for (const pattern of splitList(list)) {
      for (const host of pattern.startsWith('@') ? hostsOf(pattern, groups) : expand(pattern)) {
        hosts.add(host);
        if (++made > MOST_HOSTS) throw tooMany(pattern);
      }
    }
  }
  return [...hosts];
}

/** The hosts of a group, as typed; undefined for a group that is not known. */
export type GroupHosts = (group: string) => Iterable<string> | undefined;

function hostsOf(pattern: string, groups: GroupHosts | undefined): Iterable<string> {
  if (!groups)
    throw bad(pattern, 'is a group', 'groups are those of keylane.yaml or of an inventory, and none was read');
  // `@web&@eu`: those in both.
  const all = pattern.split('&').map((name) => {
    const hosts = name.startsWith('@') ? groups(name.slice(1)) : undefined;
    if (hosts !== undefined) return new Set(hosts);
    throw bad(name, 'is no group that is known', 'name it, behind @, as keylane.yaml or the inventory does');
  });
  return [...all[0]!].filter((host) => all.every((hosts) => hosts.has(host)));
}

/** A host as it is typed, taken apart. */
export interface HostAddress {
  /** Name or address; an IPv6 address without its brackets. */
  host: string;
  user?: string;
  port?: number;
}

/**
 * Takes `user@host:port` apart; user and port may be missing.
 *
 * @throws KeylaneError `ERR_INPUT`, which names the text and the fix.
 */
export function parseHost(text: string): HostAddress {
  const at = text.lastIndexOf('@');
  const rest = text.slice(at + 1);
  const { host, port } = splitPort(text, rest);
  if (isIPv6(host)) return address(text, text.slice(0, Math.max(0, at)), at >= 0, host, port);
  if (host === '') throw bad(text, 'names no host', 'write a host name or an address');
  if (host.startsWith('-')) throw bad(text, 'starts with "-"', 'a host name cannot; a flag goes before the hosts');
  if (host.length > 253) throw bad(text, 'is longer than 253 characters', 'a host name cannot be');
  const odd = /[^\p{L}\p{M}\p{N}._-]/u.exec(host);
  if (odd !== null)
    throw bad(text, `has ${JSON.stringify(odd[0])} in the host name`, 'use letters, digits, ".", "-", "_"');
  return address(text, text.slice(0, Math.max(0, at)), at >= 0, host, port);
}

/**
 * The hosts that none of the patterns names. A pattern without a user or port leaves out the host whatever its user or
 * port; one that has them is compared with what the host would use: its own, else that of `defaults`.
 *
 * @throws KeylaneError `ERR_INPUT` for a bad pattern.
 */
export function excludeHosts(
  hosts: readonly string[],
  patterns: string | readonly string[],
  defaults: { user?: string | undefined; port?: number | undefined } = {},
  groups?: GroupHosts,
): string[] {
  const excluded = new Map<string, HostAddress[]>();
  for (const pattern of expandHosts(patterns, groups)) {
    const parsed = parseHost(pattern);
    const name = parsed.host.toLowerCase();
    excluded.set(name, [...(excluded.get(name) ?? []), parsed]);
  }
  if (excluded.size === 0) return [...hosts];
  return hosts.filter((text) => {
    const { host, user = defaults.user, port = defaults.port ?? 22 } = parseHost(text);
    const candidates = excluded.get(host.toLowerCase()) ?? [];
    return !candidates.some((x) => (x.user ?? user) === user && (x.port ?? port) === port);
  });
}

function address(text: string, user: string, hasUser: boolean, host: string, port: number | undefined): HostAddress {
  if (!hasUser) return port === undefined ? { host } : { host, port };
  if (user === '') throw bad(text, 'has an empty user', 'write user@host, or the host alone');
  if (user.startsWith('-')) throw bad(text, 'has a user that starts with "-"', 'a flag goes before the hosts');
  const problem = userProblem(user);
  if (problem !== undefined) throw bad(text, 'has a user that cannot be', problem);
  return port === undefined ? { host, user } : { host, user, port };
}

function splitPort(text: string, rest: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(rest);
  if (bracketed !== null) {
    const host = bracketed[1]!;
    if (!isIPv6(host)) throw bad(text, `has "[${host}]", which is no IPv6 address`, 'write [address]:port');
    return { host, port: readPort(text, bracketed[2]) };
  }
  const colon = rest.indexOf(':');
  if (colon < 0 || isIPv6(rest)) return { host: rest, port: undefined };
  if (rest.includes(':', colon + 1))
    throw bad(text, 'has several ":" but is no IPv6 address', 'write host:port or [address]:port');
  return { host: rest.slice(0, colon), port: readPort(text, rest.slice(colon + 1)) };
}

function readPort(text: string, digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) throw bad(text, `has the port "${digits}"`, 'a port is a number from 1 to 65535');
  return port;
}

/** Commas and white space separate, except inside brackets. */
function splitList(list: string): string[] {
  const control = /[^\P{Cc}\t\r\n]|[\u2028\u2029]/u.exec(list);
  if (control !== null) throw bad(list, 'has a control character', 'take it out');
  const patterns: string[] = [];
  let from = 0;
  let depth = 0;
  for (let at = 0; at <= list.length; at++) {
    const char = list[at];
    if (char === '[') depth++;
    else if (char === ']') depth = Math.max(0, depth - 1);
    else if (char === undefined || (depth === 0 && /[,\s]/.test(char))) {
      if (at > from) patterns.push(list.slice(from, at));
      from = at + 1;
    }
  }
  return patterns;
}

function* expand(pattern: string): Generator<string> {
  const operator = /[!&^]/.exec(pattern);
  if (operator !== null) throw bad(pattern, `has "${operator[0]}"`, 'to leave hosts out, use -x');
  const parts = splitBrackets(pattern);
  const count = parts.reduce((product, part) => product * part.length, 1);
  for (let n = 0; n < count; n++) {
    let text = '';
    let left = n;
    for (let at = parts.length - 1; at >= 0; at--) {
      const part = parts[at]!;
      text = part[left % part.length]! + text;
      left = Math.floor(left / part.length);
    }
    if (!PLAIN.test(text)) parseHost(text);
    yield text;
  }
}

/** A pattern as a row of alternatives: text between brackets has one, a range as many as it has numbers. */
function splitBrackets(pattern: string): string[][] {
  const parts: string[][] = [];
  let count = 1;
  let from = 0;
  while (from < pattern.length) {
    const open = pattern.indexOf('[', from);
    const text = open < 0 ? pattern.slice(from) : pattern.slice(from, open);
    if (text.includes(']')) throw bad(pattern, 'has a "]" without its "["', 'write ranges as web-[01-20]');
    if (text !== '') parts.push([text]);
    if (open < 0) break;
    const close = pattern.indexOf(']', open);
    const inside = pattern.slice(open + 1, close);
    if (close < 0 || inside.includes('['))
      throw bad(pattern, 'has a "[" without its "]"', 'write ranges as web-[01-20]');
    const part = inside.includes(':') ? [`[${inside}]`] : numbersOf(pattern, inside);
    // Before the next: a short line of brackets could ask for more numbers than there is memory.
    count *= part.length;
    if (count > MOST_HOSTS) throw tooMany(pattern);
    parts.push(part);
    from = close + 1;
  }
  return parts;
}

function numbersOf(pattern: string, inside: string): string[] {
  if (inside.trim() === '')
    throw bad(pattern, 'has an empty range', 'write numbers between the brackets, as web-[01-20,30]');
  const numbers = new Set<string>();
  let made = 0;
  for (const piece of inside.split(',')) {
    const [, first, last = first, step = '1'] = /^\s*(\d{1,15})(?:-(\d{1,15})(?:\/(\d{1,15}))?)?\s*$/.exec(piece) ?? [];
    if (first === undefined || last === undefined) {
      throw bad(pattern, `has "${piece}" in a range`, 'write numbers, 01-20 or 0-10/2, separated by commas');
    }
    const padded = (first.startsWith('0') && first.length > 1) || (last.startsWith('0') && last.length > 1);
    if (padded && first.length !== last.length) {
      throw bad(pattern, `has the range "${piece}"`, 'write both ends with the same number of digits, as 001-100');
    }
    const [low, high, by] = [Number(first), Number(last), Number(step)];
    if (low > high) throw bad(pattern, `has the reversed range "${piece}"`, `write ${last}-${first}`);
    if (by < 1) throw bad(pattern, `has the step 0 in "${piece}"`, 'a step is 1 or more');
    made += Math.floor((high - low) / by) + 1;
    if (made > MOST_HOSTS) throw tooMany(pattern);
    for (let n = low; n <= high; n += by) numbers.add(String(n).padStart(padded ? first.length : 0, '0'));
  }
  return [...numbers];
}

function tooMany(pattern: string): KeylaneError {
  return bad(pattern, 'makes more than 1,000,000 hosts', 'split the list');
}

function bad(text: string, what: string, fix: string): KeylaneError {
  // Who writes user:password@host is told so without the password.
  const colon = text.indexOf(':');
  const at = colon < 0 ? -1 : text.indexOf('@', colon);
  const safe = at < 0 ? text : `${text.slice(0, colon)}:…${text.slice(at)}`;
  const shown = safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
  return new KeylaneError('ERR_INPUT', `host ${JSON.stringify(shown)} ${what}: ${fix}`);
}
