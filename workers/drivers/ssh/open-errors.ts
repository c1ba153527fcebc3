import { KeylaneError } from '../../../src/errors.js';

/** How far an open came. */
export type Phase = 'preparation' | 'jump' | 'look-up' | 'connect' | 'key exchange' | 'authentication';

/** What ssh2 and node put on their errors. */
interface Thrown extends Error {
  level?: string;
  code?: string | number;
}

/** The open took too long. */
export function openTimedOut(key: string, phase: Phase, ms: number): KeylaneError {
  const code = phase === 'look-up' ? 'ERR_DNS' : 'ERR_CONNECT';
  const what =
    phase === 'preparation'
      ? 'the keys and secrets were not read'
      : phase === 'jump'
        ? 'no way through the jump host'
        : `no answer to the ${phase}`;
  return new KeylaneError(code, `${key}: ${what} within ${Math.round(ms)} ms`, { key });
}

/** No TCP connection to any of the addresses. */
export function notConnected(key: string, address: string, cause: Thrown): KeylaneError {
  const why = SOCKET_ERRORS[String(cause.code)] ?? cause.message;
  return new KeylaneError('ERR_CONNECT', `${key}: ${why} (${address})`, { key, cause });
}

/** A TCP connection that did not become an SSH one. `cause` is undefined where it just ended. */
export function notOpened(
  key: string,
  phase: Phase,
  cause: Thrown | undefined,
  heard: boolean,
  tried: string,
): KeylaneError {
  if (cause?.level === 'client-authentication' || (phase === 'authentication' && isRefusal(cause))) {
    return new KeylaneError('ERR_AUTH', `${key} refused the log-in; ${tried}`, { key, cause });
  }
  const reset = cause === undefined || cause.level === 'client-socket';
  if (reset && !heard) {
    const how = cause ? (SOCKET_ERRORS[String(cause.code)] ?? cause.message) : 'the connection was closed';
    const message = `${key}: ${how} before the server said anything (sshd's MaxStartups does that under load)`;
    return new KeylaneError('ERR_CONNECT', message, { key, cause });
  }
  if (reset) {
    const how = cause ? (SOCKET_ERRORS[String(cause.code)] ?? cause.message) : 'the connection was closed';
    return new KeylaneError('ERR_CONNECT', `${key}: ${how} during ${phase}`, { key, cause });
  }
  // Nothing in common today is nothing in common tomorrow.
  const retryable = !/no matching/i.test(cause.message);
  return new KeylaneError('ERR_CONNECT', `${key}: ${phase} failed: ${cause.message}`, { key, cause, retryable });
}

/** SSH_DISCONNECT_PROTOCOL_ERROR is what sshd sends with "Too many authentication failures". */
const PROTOCOL_ERROR = 2;
const NO_MORE_METHODS = 14;

function isRefusal(cause: Thrown | undefined): boolean {
  return cause?.code === PROTOCOL_ERROR || cause?.code === NO_MORE_METHODS;
}

const SOCKET_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused: nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  EADDRNOTAVAIL: 'there is no local port left',
  EMFILE: 'this process has no file descriptor left (raise ulimit -n)',
};
