import { isIP } from 'node:net';

/**
 * What a host or a user may be called. Names end up in messages, known_hosts lines and, with other transports, on a
 * command line: what could be read as an option, a variable or another host there is refused before it gets anywhere.
 */
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
  if (value.length > 255) return 'expected at most 255 characters';
  return identifierProblem(value, 'a host name');
}

/** The host as the key, known_hosts and the socket want it: lower case, IPv6 without brackets. */
export function hostOf(value: string): string {
  return withoutBrackets(value).toLowerCase();
}

export function identifierProblem(value: string, noun: string): string | undefined {
  if (value === '') return `expected ${noun}, not an empty string`;
  if (value.length > 255) return `expected ${noun} of at most 255 characters`;
  if (value.startsWith('-')) return `${noun} must not begin with -, where it could be taken for an option`;
  if (UNFIT.test(value)) return `${noun} must not hold white space, control characters, quotes or any of $ \` \\ % / @`;
  return undefined;
}

// Cc control, Cf invisible, Z white space, Cs half of a pair: none of them can be seen in a message.
const UNFIT = /[$`\\'"%/@\p{Cc}\p{Cf}\p{Z}\p{Cs}]/u;

function withoutBrackets(value: string): string {
  return value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value;
}
