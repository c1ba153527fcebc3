import { isIPv6 } from 'node:net';
import type { SshHop, SshRequest } from '../ssh-types.js';
import { userProblem } from '../util/names.js';
import { hostProblem } from './ssh-names.js';

/** Each hop is a log-in on top of the one before: nobody needs more. */
export const MOST_HOPS = 8;

/** A hop as a text names it. */
export type NamedHop = Pick<SshHop, 'host' | 'user' | 'port'>;

/** The hops of a request, the first one first. Only what has no `jumpProblem`. */
export function hopsOf(jump: SshRequest['jump']): readonly SshHop[] {
  if (jump === undefined) return NONE;
  return (typeof jump === 'string' ? [jump] : jump).flatMap((hop) =>
    typeof hop === 'string' ? parseJump(hop) : [hop],
  );
}

const NONE: readonly SshHop[] = Object.freeze([]);

/**
 * The hops of a text as ssh's -J and ProxyJump have it: `[user@]host[:port]` or `ssh://[user@]host[:port]`, several with
 * commas between, the first one first; `none` is none. Only what has no `jumpProblem`.
 */
export function parseJump(text: string): NamedHop[] {
  if (text.toLowerCase() === 'none') return [];
  return text.split(',').map((part) => {
    const { host, user, port } = takeApart(part);
    return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port: Number(port) }) };
  });
}

/** What is wrong with a text or a list for `jump`. */
export function jumpProblem(jump: string | readonly unknown[]): string | undefined {
  let hops = 0;
  for (const text of typeof jump === 'string' ? [jump] : jump) {
    if (typeof text !== 'string') hops++;
    else if (text.toLowerCase() !== 'none') {
      const parts = text.split(',');
      hops += parts.length;
      for (const part of parts) {
        const problem = hopProblem(part);
        if (problem !== undefined)
          return MAYBE_PASSWORD.test(part) ? problem : `in ${JSON.stringify(part.slice(0, 80))}: ${problem}`;
      }
    }
  }
  return hops > MOST_HOPS ? `expected at most ${MOST_HOPS} hops, not ${hops}` : undefined;
}

/** `user:password@`, which no message may show. */
const MAYBE_PASSWORD = /^(ssh:\/\/)?[^@]*:.*@/is;

function hopProblem(part: string): string | undefined {
  if (part === '') return 'expected a host; there is a comma too many, or nothing at all';
  const { host, user, port, wrong } = takeApart(part);
  if (wrong !== undefined) return wrong;
  if (user?.includes(':')) return 'expected a user without a password; give a hop with `host`, `user` and `password`';
  if (host === '') return 'names no host; write `user@host:port`';
  if (host.startsWith('[') && !isIPv6(host.slice(1, -1))) return `${host} is no IPv6 address; only those take brackets`;
  const problem = hostProblem(host) ?? (user === undefined ? undefined : userProblem(user));
  if (problem !== undefined || port === undefined) return problem;
  const fine = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
  return fine ? undefined : 'expected a port from 1 to 65535 after the host';
}

/** `wrong`: it cannot be. The rest is to be looked at yet. */
function takeApart(part: string): { host: string; user?: string; port?: string; wrong?: string } {
  const isUri = /^ssh:\/\//i.test(part);
  const text = isUri ? part.slice('ssh://'.length).replace(/\/$/, '') : part;
  const at = text.lastIndexOf('@');
  const address = text.slice(at + 1);
  const found: ReturnType<typeof takeApart> = { host: address };
  // Parameters of a URI after the user (`;fingerprint=…`) would be dropped, so `;` is refused as part of the name.
  if (at >= 0) found.user = text.slice(0, at);
  if (isUri && found.user !== undefined) {
    try {
      found.user = decodeURIComponent(found.user);
    } catch {
      found.wrong = 'the user in a URI has a % that stands for no character';
    }
  }
  if (isIPv6(address)) return found;
  const [, host, port] = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(address) ?? [];
  if (host === undefined) found.wrong = 'has brackets out of place; write an IPv6 address as [address]:port';
  else if (port?.includes(':'))
    found.wrong = 'has several ":" but is no IPv6 address; write host:port or [address]:port';
  else {
    found.host = host;
    if (port !== undefined) found.port = port;
  }
  return found;
}
