import { addressOf, addressProblem, lineProblem } from './smtp-texts.js';

/** Somebody, as a header names them. */
export interface Mailbox {
  name: string;
  address: string;
}

/** 1 MiB: far more than a server takes recipients. */
const MOST_TEXT = 1 << 20;
/** What needs no taking apart. */
const BARE = /^[\w.+-]+@[\w.-]+$/;

/**
 * The mailboxes of a text, `ana@example.com` and `"Surname, Ana" <ana@example.com>`, with commas or semicolons between; what
 * is wrong with it, as a text, where something is. What a composer makes of a name and an address that are apart cannot be
 * another address. (RFC 5322, 3.4, without groups and comments; GHSA-mm7p-fcc7-pg87 was about such an other reading.)
 */
export function mailboxesIn(text: string): Mailbox[] | string {
  if (BARE.test(text)) return addressProblem(text) ?? [{ name: '', address: text }];
  if (text.length > MOST_TEXT) return 'expected at most 1 MiB';
  // Whatever is in it: a quote that hides a line end hides it from us alone.
  if (/[\0\r\n]/.test(text)) return 'must hold no line ends and no NUL: they would begin a line of their own';
  const parts = partsOf(text);
  if (typeof parts === 'string') return parts;
  const found: Mailbox[] = [];
  for (const part of parts) {
    const mailbox = mailboxOf(part);
    if (typeof mailbox === 'string') return mailbox;
    found.push(mailbox);
  }
  return found.length > 0 ? found : 'expected an address, like ana@example.com';
}

/** Those of a field, which are one text or several. Of what is valid. */
export function mailboxesOf(value: string | readonly string[] | undefined): Mailbox[] {
  if (value === undefined) return [];
  return (typeof value === 'string' ? [value] : value).flatMap((text) => {
    const found = mailboxesIn(text);
    if (typeof found === 'string') throw new TypeError(`not checked before: ${found}`);
    return found;
  });
}

/** Apart at commas and semicolons that are neither in quotes nor in angle brackets; none of them is empty. */
function partsOf(text: string): string[] | string {
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  let angled = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign === '\\') at++;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') {
      quoted = true;
    } else if (sign === '<' || sign === '>') {
      if (angled !== (sign === '>')) return 'has angle brackets that do not match';
      angled = sign === '<';
    } else if ((sign === ',' || sign === ';') && !angled) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  if (quoted) return 'has a quote that is not closed';
  if (angled) return 'has angle brackets that do not match';
  parts.push(text.slice(from));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function mailboxOf(part: string): Mailbox | string {
  const angle = part.endsWith('>') ? openingAngle(part) : -1;
  const address = angle < 0 ? part : part.slice(angle + 1, -1).trim();
  const problem = addressProblem(address);
  if (problem !== undefined) return problem;
  const name = angle < 0 ? '' : nameOf(part.slice(0, angle).trim());
  if (name === undefined)
    return 'has a name with quotes or brackets in it: put the whole name in quotes, with \\ before each of them';
  const wrong = lineProblem(name);
  return wrong === undefined ? { name, address: addressOf(address) } : `has a name that ${wrong}`;
}

/** The only one that is outside of quotes. */
function openingAngle(part: string): number {
  let quoted = false;
  for (let at = 0; at < part.length; at++) {
    const sign = part[at];
    if (quoted && sign === '\\') at++;
    else if (sign === '"') quoted = !quoted;
    else if (sign === '<' && !quoted) return at;
  }
  return -1;
}

/** Without its quotes; undefined where it has some within. */
function nameOf(text: string): string | undefined {
  if (/^"(?:[^"\\]|\\.)*"$/s.test(text)) return text.slice(1, -1).replace(/\\(.)/gs, '$1');
  return /["<>]/.test(text) ? undefined : text;
}
