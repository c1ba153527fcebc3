import { isIPv6 } from 'node:net';
import { KeylaneError } from '../../errors.js';
import { parseHost } from '../hosts.js';
import { BadEntry, shown, tooManyHosts } from './mistakes.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** One host or several, as an inventory of Ansible names them. */
export interface HostPattern {
  names: string[];
  port: number | undefined;
}

/**
 * Hosts as Ansible writes them: `web[01:50].example`, `db-[a:f]`, `n[0:10:2]`, several ranges give every combination, a
 * port behind a colon, an IPv6 address with a port in brackets. (Inventory guide of Ansible, "Adding ranges of hosts")
 *
 * Where Ansible takes what it cannot read for a strange name, or a reversed range for no hosts at all, it is refused.
 */
export function expandPattern(text: string, most: number): HostPattern {
  const { pattern, port } = splitPort(text);
  if (!pattern.includes('[')) return { names: [checkName(pattern, text)], port };
  const parts = splitRanges(pattern, most, text);
  const names = [''];
  for (const part of parts) {
    const before = names.splice(0);
    for (const head of before) for (const piece of part) names.push(head + piece);
  }
  for (const name of names) checkName(name, text);
  return { names, port };
}

/** The name of a host, as it is later typed and printed. */
export function checkName(name: string, whole = name): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name)) return name;
  try {
    const { host } = parseHost(name);
    if (host === name) return name;
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    throw new BadEntry(error.message);
  }
  throw new BadEntry(`expected a host, not ${shown(whole)}`);
}

function splitPort(text: string): { pattern: string; port: number | undefined } {
  if (isIPv6(text)) return { pattern: text, port: undefined };
  const bracketed = /^\[([^\]]*)\]:([0-9]+)$/.exec(text);
  if (bracketed !== null) return { pattern: bracketed[1]!, port: portOf(bracketed[2]!, text) };
  const colon = text.lastIndexOf(':');
  // A colon within brackets is a range's.
  if (colon < 0 || text.indexOf(']', colon) >= 0) return { pattern: text, port: undefined };
  return { pattern: text.slice(0, colon), port: portOf(text.slice(colon + 1), text) };
}

function portOf(digits: string, text: string): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) throw new BadEntry(`expected a port from 1 to 65535 behind the ":" of ${shown(text)}`);
  return port;
}

/** A pattern as a row of alternatives. */
function splitRanges(pattern: string, most: number, text: string): string[][] {
  const parts: string[][] = [];
  let count = 1;
  let from = 0;
  while (from < pattern.length) {
    const open = pattern.indexOf('[', from);
    if (open < 0) {
      parts.push([pattern.slice(from)]);
      break;
    }
    if (open > from) parts.push([pattern.slice(from, open)]);
    const close = pattern.indexOf(']', open);
    if (close < 0) throw new BadEntry(`expected a "]" for the "[" of ${shown(text)}`);
    const range = expandRange(pattern.slice(open + 1, close), most, text);
    // Before the next: a short line of brackets could ask for more names than there is memory.
    count *= range.length;
    if (count > most) throw tooManyHosts();
    parts.push(range);
    from = close + 1;
  }
  return parts;
}

function expandRange(range: string, most: number, text: string): string[] {
  const bad = (expected: string) =>
    new BadEntry(`expected ${expected}, not "[${range.slice(0, 40)}]" in ${shown(text)}`);
  const bounds = range.split(':');
  const [first = '', last = '', by = '1'] = bounds;
  if (bounds.length < 2 || bounds.length > 3) throw bad('a range as [01:20] or [0:20:2]');
  if (!/^\d{1,9}$/.test(by) || Number(by) < 1) throw bad('a step that is a number from 1');
  const step = Number(by);
  if (/^[A-Za-z]$/.test(first) && /^[A-Za-z]$/.test(last)) {
    const [low, high] = [LETTERS.indexOf(first), LETTERS.indexOf(last)];
    if (low > high) throw bad('a range whose end is not before its start');
    return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, n) => LETTERS[low + n * step]!);
  }
  const start = first === '' ? '0' : first;
  if (!/^\d{1,15}$/.test(start) || !/^\d{1,15}$/.test(last)) throw bad('a range of numbers, or of two letters');
  const padded = start.startsWith('0') && start.length > 1;
  if (padded && start.length !== last.length) throw bad('both ends of a padded range with as many digits');
  const [low, high] = [Number(start), Number(last)];
  if (low > high) throw bad('a range whose end is not before its start');
  const length = Math.floor((high - low) / step) + 1;
  if (length > most) throw tooManyHosts();
  return Array.from({ length }, (_, n) => String(low + n * step).padStart(padded ? start.length : 0, '0'));
}
