import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';
import { socketSays } from '../../../src/util/socket-errors.js';
import { isRefusedCertificate, refusedCertificate, type Thrown } from './open-errors.js';

/** How far an exchange came. */
export interface Came {
  origin: string;
  method: string;
  /** Bytes of the answer's body; undefined where its head has not come. */
  bytes: number | undefined;
}

/** The connection ended before the request could leave. */
export function notSent(origin: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_CONNECTION_LOST', `${origin}: the connection was closed before the request was sent`, {
    key: origin,
    outcome: 'not_started',
    cause,
  });
}

/** The connection ended after it had left. */
export function lost({ origin, method, bytes }: Came, cause: Thrown): KeylaneError {
  if (bytes === undefined && isRefusedCertificate(cause)) return refusedCertificate(origin, cause);
  const when = bytes === undefined ? 'before the head of the answer' : `after ${bytes} bytes of the answer's body`;
  const how = cause.code?.startsWith('UND_ERR') ? 'the connection was closed' : socketSays(cause);
  return new KeylaneError('ERR_CONNECTION_LOST', `${origin}: ${method}: ${how} ${when}`, { key: origin, cause });
}

/** The peer does not do what HTTP asks for. */
export function broken(origin: string, says: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_PROTOCOL', `${origin}: ${printable(says)}`, { key: origin, cause });
}

/** The reason to end it, and what was waited for. */
export function tooLate(reason: Error, origin: string, method: string, bytes: number | undefined): Error {
  if (!(reason instanceof KeylaneError) || reason.code !== 'ERR_TIMEOUT') return reason;
  const what = bytes === undefined ? 'no head of an answer' : `no end of the answer's body (${bytes} bytes of it came)`;
  return new KeylaneError('ERR_TIMEOUT', `${origin}: ${method}: ${what} before the deadline`, {
    key: origin,
    outcome: 'unknown',
    cause: reason,
  });
}
