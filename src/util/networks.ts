import { isIPv4, isIPv6 } from 'node:net';

/** Which addresses may be connected to. */
export interface NetworkPolicy {
  /** Networks as CIDR, and `private` for all that are not public. */
  deny: 'private' | readonly string[];
  /** May be connected to all the same. */
  allow?: readonly string[] | undefined;
}

/**
 * Why an address may not be connected to: the network of the policy that it lies in; undefined where it may. An IPv6 address
 * that stands for an IPv4 address, on whatever way, is that one too. What is no address may not be connected to either.
 */
export function deniedBy(address: string, policy: NetworkPolicy): string | undefined {
  const groups = groupsOf(address);
  if (!groups) return 'it is no address';
  const { deny, allow } = compiled(policy);
  for (const form of formsOf(groups)) {
    const found = deny(form);
    if (found !== undefined && !allow(form)) return found;
  }
  return undefined;
}

/** What is wrong with a network as it is written. */
export function networkProblem(text: string): string | undefined {
  const found = networkOf(text);
  return typeof found === 'string' ? found : undefined;
}

/** Does what is sent to this address stay on this machine? (RFC 1122 § 3.2.1.3, RFC 4291 § 2.5.3) */
export function isLoopback(address: string): boolean {
  const groups = groupsOf(address);
  const plain = groups && formsOf(groups)[0];
  return plain !== undefined && LOOPBACK.some((network) => isWithin(plain, network));
}

/** The same of a host, as it is written: a name, an address, or one of IPv6 in the brackets of a URL. (RFC 6761 § 6.3) */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1'));
}

/** An address or the head of a network, in groups of 16 bits: two of IPv4, eight of IPv6. */
type Groups = readonly number[];

interface Network {
  text: string;
  groups: Groups;
  bits: number;
}

/**
 * What is not globally reachable by the registries that RFC 6890 began (IANA, IPv4 and IPv6 Special-Purpose Addresses), and
 * what is no single host: multicast, and of IPv6 all that is not global unicast. (RFC 4291 § 2.4)
 */
const PRIVATE = networks(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
  ...['::/128', '::1/128', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'ff00::/8', '2001::/23', '2001:db8::/32'],
  ...['3fff::/20', '::/3', '4000::/2', '8000::/1'],
);
/** Of those, what is reachable by the same registries; of NAT64 the IPv4 address counts. (RFC 6052) */
const PUBLIC = networks(
  ...['192.0.0.9/32', '192.0.0.10/32', '64:ff9b::/96', '2001:1::1/128', '2001:1::2/128', '2001:1::3/128'],
  ...['2001:3::/32', '2001:4:112::/48', '2001:20::/28', '2001:30::/28'],
);
const LOOPBACK = networks('127.0.0.0/8', '::1/128');

interface Compiled {
  deny(form: Groups): string | undefined;
  allow(form: Groups): boolean;
}

/** A policy comes anew with each target: what is made of it is kept. */
const known = new Map<string, Compiled>();
const MOST_KNOWN = 100;

function compiled({ deny, allow = [] }: NetworkPolicy): Compiled {
  const name = `${deny}|${allow}`;
  let found = known.get(name);
  if (!found) {
    found = { deny: denying(typeof deny === 'string' ? [deny] : deny), allow: allowing(networks(...allow)) };
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(name, found);
  }
  return found;
}

function denying(texts: readonly string[]): Compiled['deny'] {
  const isPrivate = texts.includes('private');
  const own = networks(...texts.filter((text) => text !== 'private'));
  return (form) => {
    const found = own.find((network) => isWithin(form, network));
    if (found) return found.text;
    const unreachable = isPrivate && PRIVATE.find((network) => isWithin(form, network));
    if (!unreachable || PUBLIC.some((network) => isWithin(form, network))) return undefined;
    return `${unreachable.text} (private)`;
  };
}

function allowing(list: readonly Network[]): Compiled['allow'] {
  return (form) => list.some((network) => isWithin(form, network));
}

/**
 * The address itself, and the IPv4 addresses that a translator or a tunnel would take it to: NAT64 (RFC 6052, RFC 8215),
 * IPv4-compatible and -translated (RFC 4291, RFC 2765), 6to4 (RFC 3056), Teredo's server and client (RFC 4380), ISATAP
 * (RFC 5214). An IPv4-mapped address is nothing but the IPv4 address: the system connects to that.
 */
function formsOf(groups: Groups): Groups[] {
  if (groups.length === 2) return [groups];
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last: Groups = [g, h];
  const isZeroTo = (count: number) => groups.slice(0, count).every((group) => group === 0);
  if (isZeroTo(5) && f === 0xffff) return [last];
  const forms = [groups];
  if (isZeroTo(6) && g !== 0) forms.push(last);
  if (isZeroTo(4) && e === 0xffff && f === 0) forms.push(last);
  if (a === 0x64 && b === 0xff9b) forms.push(last);
  if (a === 0x2002) forms.push([b, c]);
  if (a === 0x2001 && b === 0) forms.push([c, d], [g ^ 0xffff, h ^ 0xffff]);
  if ((e === 0 || e === 0x200) && f === 0x5efe) forms.push(last);
  return forms;
}

function isWithin(address: Groups, { groups, bits }: Network): boolean {
  if (address.length !== groups.length) return false;
  for (let i = 0, left = bits; left > 0; i++, left -= 16) {
    const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff;
    if ((((address[i] as number) ^ (groups[i] as number)) & mask) !== 0) return false;
  }
  return true;
}

function networks(...texts: readonly string[]): Network[] {
  return texts.map((text) => {
    const found = networkOf(text);
    if (typeof found === 'string') throw new TypeError(`${text}: ${found}`);
    return found;
  });
}

/** Or what is wrong with it. */
function networkOf(text: string): Network | string {
  const [, address = '', length] = /^([^/%]*)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const groups = groupsOf(address);
  if (!groups) return 'expected a network such as 10.0.0.0/8 or fd00::/8, or an address';
  const most = groups.length * 16;
  const bits = length === undefined ? most : Number(length);
  if (bits > most) return `expected at most ${most} bits, not ${bits}`;
  const head = groups.map((group, i) => group & ~(0xffff >> Math.min(16, Math.max(0, bits - 16 * i))) & 0xffff);
  if (head.some((group, i) => group !== groups[i]))
    return `expected the address that the network begins with: ${shown(head)}/${bits}`;
  const isMapped =
    most === 128 && bits >= 96 && groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? { text, groups: groups.slice(6), bits: bits - 96 } : { text, groups, bits };
}

function shown(groups: Groups): string {
  if (groups.length === 2) return groups.map((group) => `${group >> 8}.${group & 0xff}`).join('.');
  const text = groups.map((group) => group.toString(16)).join(':');
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** A zone (`%eth0`) says where the address is, not what it is. */
function groupsOf(address: string): Groups | undefined {
  if (isIPv4(address)) return quads(address);
  if (!isIPv6(address)) return undefined;
  const bare = address.replace(/%.*$/s, '');
  const dotted = /[^:]*\.[^:]*$/.exec(bare)?.[0];
  const plain = dotted === undefined ? bare : bare.slice(0, -dotted.length) + quads(dotted).map(hex).join(':');
  const [head = '', tail] = plain.split('::');
  const before = hextets(head);
  const after = tail === undefined ? [] : hextets(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function quads(text: string): Groups {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

function hextets(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function hex(group: number): string {
  return group.toString(16);
}
