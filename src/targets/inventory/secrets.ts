import { BadEntry, shown } from './mistakes.js';

/** What a variable's name ends in that holds a secret. */
const SECRET = /(?:password|passwd|passphrase|secret|token|credentials?|api_?key|access_?key|secret_?key)$/i;
/** What needs a border in front: `bypass` is none. */
const SHORT = /(?:^|[^A-Za-z])(?:pass|PASS)$|[a-z0-9]Pass$|(?:[^A-Za-z]pwd|[^A-Za-z]PWD|[a-z0-9]Pwd)$/;
const REFERENCE = /^(?:env|file|cmd):./;
/** Templates and what is encrypted are not in clear; keylane does not open them. */
const CLOSED = /^\s*(?:\{\{|\$ANSIBLE_VAULT;)/;
/** Of a value in a value. */
const DEEPEST = 64;

export function isReference(value: unknown): value is string {
  return typeof value === 'string' && REFERENCE.test(value);
}

/**
 * Refuses a secret in clear, in the value or in what it holds, and freezes the value: it is handed out as it is.
 * Messages name the variable and never the value.
 */
export function guardValue(name: string, value: unknown, depth = 0): void {
  if (typeof value === 'string' || typeof value === 'number') {
    const text = String(value);
    const isClear =
      (SECRET.test(name) || SHORT.test(name)) && text !== '' && !REFERENCE.test(text) && !CLOSED.test(text);
    if (isClear || text.includes('PRIVATE KEY-----')) {
      throw new BadEntry(
        `${shown(name)} is a secret in clear: write where it is, as env:NAME or file:PATH, and change it if others have seen it`,
      );
    }
    return;
  }
  // What an alias stands for again has been looked at, and is frozen.
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  if (depth >= DEEPEST) throw new BadEntry(`${shown(name)} holds more than ${DEEPEST} levels`);
  Object.freeze(value);
  // The elements of a list are what the list is called.
  const isList = Array.isArray(value);
  for (const [key, inner] of Object.entries(value)) guardValue(isList ? name : key, inner, depth + 1);
}
