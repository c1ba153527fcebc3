import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';
import { SOCKET_ERRORS, socketSays } from '../../../src/util/socket-errors.js';

/** What had not come in time, for each phase of an open. */
export const AWAITED = {
  preparation: 'the certificates and secrets were not read',
  'look-up': 'the name was not looked up',
  connect: 'no connection',
  proxy: 'the proxy did not open a tunnel',
  'TLS handshake': 'no end of the TLS handshake',
  'HTTP/2 settings': 'the server did not begin to speak HTTP/2',
} as const;
export type Phase = keyof typeof AWAITED;

/** What node puts on its errors. */
export interface Thrown extends Error {
  code?: string;
  reason?: string;
}

/** TCP, but no TLS over it. `cause` is undefined where the connection just ended. */
export function notSecured(key: string, name: string, cause: Thrown | undefined): KeylaneError {
  const code = cause?.code ?? 'ECONNRESET';
  if (Object.hasOwn(SOCKET_ERRORS, code)) {
    const how = cause?.code && cause.code !== 'ECONNRESET' ? socketSays(cause) : 'the connection was closed';
    return new KeylaneError('ERR_CONNECT', `${key}: ${how} during the TLS handshake`, { key, cause });
  }
  return new KeylaneError('ERR_TLS', `${key}: TLS handshake: ${tlsSays(code, name, cause)}`, { key, cause });
}

/**
 * Is this the peer's last word on our certificate? In TLS 1.3 it comes after our side of the handshake is over, in place
 * of the first answer; nothing of a request has been looked at by then. (RFC 8446 § 4.4.2.4, § 6.2)
 */
export function isRefusedCertificate({ code }: Thrown): boolean {
  return code !== undefined && OUR_CERTIFICATE.test(code);
}

export function refusedCertificate(key: string, cause: Thrown): KeylaneError {
  const { code = '' } = cause;
  return new KeylaneError('ERR_TLS', `${key}: ${tlsSays(code, '', cause)}`, { key, outcome: 'not_started', cause });
}

const OUR_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|DECRYPT_ERROR)$/;

function tlsSays(code: string, name: string, cause: Thrown | undefined): string {
  // OpenSSL's own message is a line of its source; what it means is the reason.
  const said = printable(cause?.reason ?? cause?.message ?? code);
  if (OUR_CERTIFICATE.test(code))
    return `the server refused our certificate, or wants one (${code}): see \`cert\` and \`key\``;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is not for ${name} (${said}); \`servername\` asks for another name`;
  if (UNTRUSTED.has(code))
    return `its certificate is not trusted: ${said} (${code}); \`ca\` names what is to be trusted`;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `its certificate is not valid at this time: ${said}; the server must renew it`;
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'the server does not speak TLS at this port; is its URL one of http:// ?';
  if (code.endsWith('ALERT_HANDSHAKE_FAILURE'))
    return `the server gave up (${said}): it has no cipher in common with us, or wants our certificate: see \`cert\` and \`key\``;
  return `${said} (${code})`;
}

const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
]);
