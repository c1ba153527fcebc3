import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';
import { socketSays } from '../../../src/util/socket-errors.js';
import { type AlgorithmKind, isOnDemand, OPTION_OF } from './algorithms.js';
import type { Mismatch } from './kex-facts.js';

/** What had not come in time, for each phase of an open. */
export const AWAITED = {
  preparation: 'the keys and secrets were not read',
  jump: 'no way through the jump host',
  'look-up': 'no answer to the look-up',
  connect: 'no answer to the connect',
  'key exchange': 'no answer to the key exchange',
  authentication: 'no answer to the authentication',
} as const;
export type Phase = keyof typeof AWAITED;

/** What ssh2 and node put on their errors. */
interface Thrown extends Error {
  level?: string;
  code?: string | number;
}

/** A TCP connection that did not become an SSH one. `cause` is undefined where it just ended. */
export function notOpened(
  key: string,
  phase: Phase,
  cause: Thrown | undefined,
  heard: boolean,
  tried: string,
): KeylaneError {
  if (cause instanceof KeylaneError) return cause;
  if (cause?.level === 'client-authentication' || (phase === 'authentication' && isRefusal(cause))) {
    return new KeylaneError('ERR_AUTH', `${key} refused the log-in; ${tried}`, { key, cause });
  }
  const reset = cause === undefined || cause.level === 'client-socket';
  if (reset && !heard) {
    const how = cause ? socketSays(cause) : 'the connection was closed';
    const message = `${key}: ${how} before the server said anything (sshd's MaxStartups does that under load)`;
    return new KeylaneError('ERR_CONNECT', message, { key, cause });
  }
  if (reset) {
    const how = cause ? socketSays(cause) : 'the connection was closed';
    return new KeylaneError('ERR_CONNECT', `${key}: ${how} during ${phase}`, { key, cause });
  }
  return new KeylaneError('ERR_CONNECT', `${key}: ${phase} failed: ${printable(cause.message)}`, { key, cause });
}

/** Nothing in common: which kinds, what the server has, and what to ask for. Tomorrow it is the same. */
export function nothingInCommon(key: string, missing: readonly Mismatch[]): KeylaneError {
  const message = `${key}: no algorithm in common: ${missing.map(wayRound).join('; ')}`;
  return new KeylaneError('ERR_CONNECT', message, { key, retryable: false });
}

/** The server would use what is safe under strict key exchange only, and does not have that. */
export function notStrict(key: string, name: string): KeylaneError {
  const message =
    `${key}: ${name} without strict key exchange is open to Terrapin (CVE-2023-48795), and the server has nothing else ` +
    'that is asked for; update it (OpenSSH 9.6 or later), or let it and `ssh.algorithms` have aes128-gcm@openssh.com, or ' +
    'aes128-ctr with hmac-sha2-256';
  return new KeylaneError('ERR_CONNECT', message, { key, retryable: false });
}

const WORDS = {
  kex: 'key exchange',
  hostKeys: 'host key algorithm',
  ciphers: 'cipher',
  macs: 'MAC',
  compression: 'compression',
} as const satisfies Record<Mismatch['kind'], string>;

function wayRound({ kind, theirs }: Mismatch): string {
  const offers = `no ${WORDS[kind]}: the server offers only ${printable(theirs.join(', ')) || 'an empty list'}`;
  if (kind === 'compression') return `${offers}, and keylane does not compress`;
  // Its own order: the best of the bad first.
  const weak = theirs.find((name) => isOnDemand(kind, name));
  if (weak !== undefined)
    return `${offers}, which keylane leaves out as weak or slow; to allow one, ${asked(kind, `+${weak}`)}`;
  const grouped = theirs.find((name) => name.startsWith('diffie-hellman-group-exchange-'));
  if (grouped === undefined)
    return `${offers}, and keylane's own SSH can do none of them; use \`transport: 'openssh'\``;
  const sha1 = grouped.endsWith('-sha1') ? `, and ${asked(kind, `+${grouped}`)}` : '';
  return `${offers}. Group exchange would block a shard for seconds; use \`transport: 'openssh'\`${sha1}`;
}

function asked(kind: AlgorithmKind, list: string): string {
  return `set \`ssh.algorithms.${kind}: '${list}'\` (ssh_config: \`${OPTION_OF[kind]} ${list}\`)`;
}

/** SSH_DISCONNECT_PROTOCOL_ERROR is what sshd sends with "Too many authentication failures". */
const PROTOCOL_ERROR = 2;
const NO_MORE_METHODS = 14;

function isRefusal(cause: Thrown | undefined): boolean {
  return cause?.code === PROTOCOL_ERROR || cause?.code === NO_MORE_METHODS;
}
