import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';
import { SOCKET_ERRORS, socketSays } from '../../../src/util/socket-errors.js';
import { type Reply, told } from './reply.js';

/** What had not come in time, for each phase of an open. The commands are named as they are on the wire. */
export const AWAITED = {
  preparation: 'the certificates and secrets were not read',
  'look-up': 'its name was not looked up',
  connect: 'no answer to the connect',
  greeting: ['the server did not greet', ' (a port that begins with TLS waits for us: `tls: implicit`)'],
  EHLO: 'no answer to EHLO',
  HELO: 'no answer to HELO',
  STARTTLS: 'no answer to STARTTLS',
  TLS: 'the TLS handshake did not end',
  AUTH: 'no answer to AUTH',
} as const;
export type Phase = keyof typeof AWAITED;

/** What node puts on its errors. */
export interface Thrown extends Error {
  code?: string;
}

/** The connection ended in a phase. `cause` is undefined where it just ended. */
export function cutDuring(key: string, phase: Phase, cause: Thrown | undefined): KeylaneError {
  if (phase === 'TLS' && cause && SOCKET_ERRORS[String(cause.code)] === undefined) return noTls(key, cause);
  const how = cause ? socketSays(cause) : 'the connection was closed';
  const when = phase === 'greeting' ? 'before the server greeted' : `during ${phase}`;
  return new KeylaneError('ERR_CONNECT', `${key}: ${how} ${when}`, { key, cause });
}

/** The handshake failed: a certificate, or what the server speaks. */
function noTls(key: string, cause: Thrown): KeylaneError {
  const why = printable(cause.message);
  const hint = HINTS[String(cause.code)] ?? 'see that the server speaks TLS 1.2 or later there';
  return new KeylaneError('ERR_TLS', `${key}: no TLS: ${why}; ${hint}`, { key, cause });
}

const OWN_CA = 'give the certificate that signed it as `ca`, if it is the right server';
const HINTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: OWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: OWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: OWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: OWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: OWN_CA,
  CERT_HAS_EXPIRED: 'the server needs a new certificate',
  CERT_NOT_YET_VALID: 'look at the clocks of both',
  ERR_TLS_CERT_ALTNAME_INVALID: 'ask for a name that the certificate has as `host` or `servername`',
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not begin with TLS there: `tls: 'starttls'`, or another port",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the server does not begin with TLS there: `tls: 'starttls'`, or another port",
};

/** Bytes came in the clear where TLS was to begin: somebody on the way put them there. (CVE-2011-0411) */
export function injected(key: string): KeylaneError {
  const message =
    `${key}: bytes came behind the answer to STARTTLS, before TLS: somebody on the way may have put them there; ` +
    'nothing was sent';
  return new KeylaneError('ERR_TLS', message, { key });
}

/** A command of the opening was refused. */
export function refusedDuring(key: string, phase: Phase, reply: Reply, tls: boolean): KeylaneError {
  const said = told(reply);
  const { code } = reply;
  if (phase === 'STARTTLS' || (phase === 'EHLO' && tls && NOT_KNOWN.has(code))) {
    const message =
      `${key}: no STARTTLS: ${said}; the server has none, or somebody on the way takes it out; ` +
      "use `tls: 'implicit'` (port 465), or `tls: 'none'` where the way is safe";
    return new KeylaneError('ERR_TLS', message, { key });
  }
  const what = phase === 'greeting' ? 'does not serve us' : `refused ${phase}`;
  const later = code < 500;
  const hint =
    phase === 'EHLO' || phase === 'HELO'
      ? '; `clientName` is what it was told'
      : later
        ? '; it may serve us later'
        : '';
  const options = { key, ...(later ? {} : { retryable: false }) };
  return new KeylaneError('ERR_CONNECT', `${key}: the server ${what}: ${said}${hint}`, options);
}

/** Command not recognized, syntax error, not implemented. */
const NOT_KNOWN: ReadonlySet<number> = new Set([500, 501, 502]);

/** What came is no SMTP. */
export function notSmtp(key: string, phase: Phase, why: string): KeylaneError {
  const message = `${key}: ${why} (${phase}); is an SMTP server on that port?`;
  return new KeylaneError('ERR_PROTOCOL', message, { key, outcome: 'not_started', retryable: false });
}
