import { KeylaneError } from '../errors.js';

/** What RFC 6749 § 5.2, RFC 8628 § 3.5 and RFC 8707 § 2 let a server say. Any other word of it is not repeated. */
const WORDS: ReadonlyMap<string, 'expired' | 'settings' | 'passing'> = new Map([
  ['invalid_grant', 'expired'],
  ['invalid_client', 'expired'],
  ['unauthorized_client', 'expired'],
  ['access_denied', 'expired'],
  ['expired_token', 'expired'],
  ['invalid_request', 'settings'],
  ['invalid_scope', 'settings'],
  ['invalid_target', 'settings'],
  ['unsupported_grant_type', 'settings'],
  ['server_error', 'passing'],
  ['temporarily_unavailable', 'passing'],
]);

/** A server's no: its status, and its word where it gave one. */
export interface No {
  status: number;
  word: string | undefined;
  retryAfterMs: number | undefined;
}

/**
 * What a server's no means for the account. Its description and its body are left out: servers repeat in them what they
 * were sent.
 */
export function refusal(server: string, { status, word, retryAfterMs }: No): KeylaneError {
  const kind = word === undefined ? undefined : WORDS.get(word);
  const says = kind ? `${word} (${status})` : `status ${status}`;
  const about = `the token server ${server}`;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (kind === 'expired' || (status === 401 && kind === undefined)) {
    const text = `${about} does not accept the account any more: ${says}; authorize it anew`;
    return new KeylaneError('ERR_AUTH_EXPIRED', text);
  }
  if (kind === 'settings') {
    return new KeylaneError('ERR_CONFIG', `${about} does not take the request: ${says}; correct its \`oauth\``);
  }
  if (kind === 'passing' || status === 429 || status === 408 || status === 425 || status >= 500) {
    return new KeylaneError('ERR_TOKEN', `${about} is busy or down: ${says}`, wait);
  }
  if (status >= 300 && status < 400) {
    const text = `${about} answers with a redirect (${status}), which is not followed; correct its URL`;
    return new KeylaneError('ERR_TOKEN', text, { retryable: false });
  }
  if (status === 200) return new KeylaneError('ERR_TOKEN', `${about} gave an answer that is none`);
  return new KeylaneError('ERR_TOKEN', `${about} refuses: ${says}`, { retryable: false });
}
