import { domainToASCII } from 'node:url';
import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';

/** An address as a command has it, between `<` and `>`. */
export interface Path {
  text: string;
  /** It can be said to a server with SMTPUTF8 only. (RFC 6531) */
  utf8: boolean;
}

/**
 * Takes what can stand in a command and no more: whatever could end the line, or the address before the line, is refused.
 * A domain goes as A-labels, so that only a local part can ask for SMTPUTF8.
 */
export function pathOf(address: string, field: string): Path {
  if (PLAIN.test(address) && address.length <= MOST_CHARS) return { text: address, utf8: false };
  if (address.length > MOST_CHARS) throw refused(address, field, `is longer than ${MOST_CHARS} characters`);
  const at = address.lastIndexOf('@');
  const local = at < 0 ? address : address.slice(0, at);
  if (!LOCAL.test(local) && !QUOTED.test(local))
    throw refused(address, field, 'is not an address: give `local@domain`, without a name and without < and >');
  if (at < 0) return { text: local, utf8: NOT_ASCII.test(local) };
  const domain = address.slice(at + 1);
  const ascii = NOT_ASCII.test(domain) ? domainToASCII(domain) : domain;
  if (!DOMAIN.test(ascii)) throw refused(address, field, 'has no valid domain after its @');
  return { text: `${local}@${ascii}`, utf8: NOT_ASCII.test(local) };
}

/** A path has 256 octets in RFC 5321 (4.5.3.1.3); some servers take more. */
const MOST_CHARS = 1_000;
const PLAIN = /^[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+$/;
const LOCAL = /^[^\p{C}\p{Z}<>"\\,;:()[\]@]+$/u;
const QUOTED = /^"(?:[^\p{C}\p{Zl}\p{Zp}"\\<>]|\\[\x20-;=?-~])*"$/u;
const DOMAIN = /^(?:[\w.-]+|\[[\w.:-]+\])$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII.
const NOT_ASCII = /[^\x00-\x7f]/;

function refused(address: string, field: string, why: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${field}: ${printable(JSON.stringify(address), 100)} ${why}`);
}
