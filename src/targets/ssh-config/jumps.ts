import { BadValue, whole } from './values.js';

/** One host to go through. */
export interface Hop {
  readonly user?: string;
  readonly host: string;
  readonly port?: number;
}

/** `user@host:port,ssh://…`: the first one is connected to first. Empty for `none`. */
export function parseJumps(text: string): Hop[] {
  const list = text.split('#', 1)[0]!.trimEnd();
  if (list.toLowerCase() === 'none') return [];
  return list.split(',').map(parseHop);
}

/** As `ssh -G` has them: the last hop is written anew, those before it stay as they are. */
export function showJumps(text: string): string {
  const list = text.split('#', 1)[0]!.trimEnd();
  const last = parseJumps(list).at(-1);
  if (last === undefined) return 'none';
  const at = list.lastIndexOf(',');
  return `${at < 0 ? '' : list.slice(0, at + 1)}${showHop(last)}`;
}

function showHop({ user, host, port }: Hop): string {
  const name = host.includes(':') || /^[\d.]*$/.test(host) ? `[${host}]` : host;
  return `${user === undefined ? '' : `${user}@`}${name}${port === undefined ? '' : `:${port}`}`;
}

function parseHop(text: string): Hop {
  const hop = text.startsWith('ssh://') ? parseUri(text) : parsePlain(text, text.lastIndexOf('@'));
  // ssh puts these into a shell command; OpenSSH 10 refuses them too.
  if (hop === undefined || !isSafe(hop.host) || (hop.user !== undefined && !isSafe(hop.user)))
    throw new BadValue(`"${text}" is no host to jump through: write [user@]host[:port]`);
  return hop;
}

function parsePlain(text: string, at: number): Hop | undefined {
  const rest = text.slice(at + 1);
  const [, bracketed, plain, , digits] = /^(?:\[([^\]]*)\]|([^:/[][^:/]*))(:([^/]*))?$/.exec(rest) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || host === '' || at === 0) return undefined;
  const user = at < 0 ? {} : { user: text.slice(0, at) };
  return { ...user, host, ...(digits ? { port: whole(digits, 1, 65_535) } : {}) };
}

/** `ssh://user@host:port`; the user may be URL-encoded, and what follows `;` in it is left out. */
function parseUri(text: string): Hop | undefined {
  const rest = text.slice('ssh://'.length).replace(/\/$/, '');
  const hop = parsePlain(rest, rest.indexOf('@'));
  if (hop === undefined || !/^[a-z0-9][a-z0-9._-]*$/i.test(hop.host) || hop.host.includes('..')) return undefined;
  const host = hop.host.replace(/\.$/, '');
  if (hop.user === undefined) return { ...hop, host };
  const user = hop.user.split(';', 1)[0]!.replaceAll('+', ' ');
  if (user === '' || /%(?![\da-f]{2})/i.test(user)) return undefined;
  return {
    ...hop,
    host,
    user: user.replace(/%([\da-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  };
}

function isSafe(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  return !name.startsWith('-') && !/['"`$\\;&<>|(){},\s\u0000-\u001f\u007f]/.test(name);
}
