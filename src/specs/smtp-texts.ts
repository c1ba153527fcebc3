import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { grouped } from '../util/grouped.js';

/** RFC 5321, 4.5.3.1: octets of a local part, of a domain, and of a path without its angle brackets. */
const MOST_LOCAL = 64;
const MOST_DOMAIN = 255;
const MOST_ADDRESS = 254;
/** RFC 5322, 2.1.1: what a line may hold. Longer values are folded where they have white space. */
const MOST_VALUE = 16_384;
const MOST_NAME = 255;

/** What nearly all addresses look like: those need no second look. */
const COMMON = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}$/;
const DOT_STRING = /^[^\s\p{Cc}\p{Cs}()<>[\]:;,@\\".]+(?:\.[^\s\p{Cc}\p{Cs}()<>[\]:;,@\\".]+)*$/u;
const QUOTED = /^"(?:[^\p{Cc}\p{Cs}\\"<>]|\\[^\p{Cc}\p{Cs}<>])*"$/u;
/** What a header field, a command and a name on one line cannot hold: tab is white space. */
const UNFIT = /[^\P{Cc}\t]|\p{Surrogate}/u;

/** What is wrong with a bare address, `local@domain`: as RFC 5321 has it, and on one line whatever it is. */
export function addressProblem(value: string): string | undefined {
  if (value.length <= MOST_LOCAL && COMMON.test(value)) return undefined;
  if (value === '') return 'expected an address, like ana@example.com, not an empty text';
  if (UNFIT.test(value)) return 'must hold no line ends and other control characters';
  const at = value.lastIndexOf('@');
  if (at < 1 || at === value.length - 1) return 'expected an address, like ana@example.com';
  const local = value.slice(0, at);
  const domain = value.slice(at + 1);
  if (Buffer.byteLength(value) > MOST_ADDRESS)
    return `is longer than the ${MOST_ADDRESS} octets of an address (RFC 5321)`;
  if (Buffer.byteLength(local) > MOST_LOCAL) return `has more than ${MOST_LOCAL} octets before its @ (RFC 5321)`;
  if (!DOT_STRING.test(local) && !QUOTED.test(local))
    return 'has something before its @ that no address has; what holds other signs goes in quotes, as "a..b"@example.com';
  return domainProblem(domain);
}

/** The address as it goes on the wire: a domain of other scripts in ASCII (RFC 5890). Of one that has no problem. */
export function addressOf(value: string): string {
  const at = value.lastIndexOf('@') + 1;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what ASCII is.
  return /[^\x00-\x7f]/.test(value.slice(at)) ? value.slice(0, at) + domainToASCII(value.slice(at)) : value;
}

function domainProblem(domain: string): string | undefined {
  if (domain.startsWith('[')) {
    const [, v6, address = ''] = /^\[(IPv6:)?([0-9A-Fa-f:.]+)\]$/i.exec(domain) ?? [];
    return isIP(address) === (v6 ? 6 : 4)
      ? undefined
      : 'has no address in its brackets, like [192.0.2.1] or [IPv6:2001:db8::1]';
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what ASCII is.
  const ascii = /[^\x00-\x7f]/.test(domain) ? domainToASCII(domain) : domain;
  const isName = /^(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}$/.test(ascii) && ascii.length <= MOST_DOMAIN;
  return isName ? undefined : 'has no name of a domain after its @';
}

/** What is wrong with the value of a header field, a subject or a name: it goes on one line. */
export function lineProblem(value: string): string | undefined {
  if (UNFIT.test(value)) return 'must hold no line ends and other control characters: it would begin a line of its own';
  return value.length > MOST_VALUE ? `expected at most ${grouped(MOST_VALUE)} characters` : undefined;
}

/** Fields that a message has once, and that other fields of the request say. */
const SAID: ReadonlyMap<string, string> = new Map(
  (
    [
      ['From', '`from`'],
      ['To', '`to`'],
      ['Cc', '`cc`'],
      ['Bcc', '`bcc`'],
      ['Reply-To', '`replyTo`'],
      ['Subject', '`subject`'],
      ['Message-ID', '`messageId`'],
    ] as const
  ).map(([name, field]) => [name.toLowerCase(), field]),
);

/** What is wrong with the name of a header field (RFC 5322, 3.6.8). */
export function headerNameProblem(name: string): string | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,75}$/.test(name))
    return 'expected the name of a header field: letters, digits and -, at most 76';
  const lower = name.toLowerCase();
  const field = SAID.get(lower);
  if (field !== undefined) return `is said by ${field}`;
  if (lower === 'mime-version' || lower.startsWith('content-'))
    return 'is made with the message: it tells how it is encoded';
  return undefined;
}

/** What is wrong with the value of a header field of this name. */
export function headerProblem(name: string, value: string): string | undefined {
  const problem = lineProblem(value);
  if (problem !== undefined || name.toLowerCase() !== 'date') return problem;
  return Number.isNaN(Date.parse(value)) ? 'expected a date, like Sat, 21 Nov 2026 10:00:00 +0000' : undefined;
}

/** What is wrong with a Message-ID (RFC 5322, 3.6.4), with or without its angle brackets. */
export function messageIdProblem(value: string): string | undefined {
  const isSound = value.length <= 250 && /^(?:<[!-;=?A-~]+@[!-;=?A-~]+>|[!-;=?A-~]+@[!-;=?A-~]+)$/.test(value);
  return isSound ? undefined : 'expected a Message-ID, like <7f3a@example.com>, of at most 250 characters of ASCII';
}

/** What is wrong with what we call ourselves: a name of a host, or an address in brackets. */
export function clientNameProblem(value: string): string | undefined {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/.test(value)) return undefined;
  return value.startsWith('[') && domainProblem(value) === undefined
    ? undefined
    : 'expected the name of a host, or an address as [192.0.2.1] or [IPv6:2001:db8::1]';
}

/** What is wrong with the name of an attachment. It names no file of ours, and is to name none of whoever gets it. */
export function filenameProblem(value: string): string | undefined {
  if (value === '' || value.length > MOST_NAME) return `expected a name of 1 to ${MOST_NAME} characters`;
  if (UNFIT.test(value) || value.includes('\t')) return 'must hold no line ends and other control characters';
  return /[/\\]/.test(value) ? 'expected a name without / and \\: it is no path' : undefined;
}

/** What is wrong with a media type (RFC 2045), with its parameters. */
export function contentTypeProblem(value: string): string | undefined {
  const isSound =
    value.length <= MOST_NAME &&
    /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; *[\w.-]+=(?:[\w!#$&^.+-]+|"[ !#-[\]-~]*"))*$/.test(value);
  return isSound ? undefined : 'expected a media type, like application/pdf';
}

/** What is wrong with what the HTML calls a part, `cid:…`. */
export function cidProblem(value: string): string | undefined {
  return /^[!-;=?-~]{1,200}$/.test(value)
    ? undefined
    : 'expected 1 to 200 characters of ASCII without white space, < and >';
}
