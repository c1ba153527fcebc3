import { readFileSync, statSync } from 'node:fs';
import { KeylaneError } from '../../index.js';
import { digestOf } from './digest.js';
import type { TokenOptions } from './token-options.js';

/** Shorter ones can be guessed. */
const SHORTEST = 24;

/** The digest of the token that is meant; throws `ERR_CONFIG` where there is none, or where others can read it. */
export function digestBehind({ name, token: reference }: TokenOptions): Buffer {
  const colon = reference.indexOf(':');
  const [kind, rest] = [reference.slice(0, colon), reference.slice(colon + 1)];
  if (kind === 'sha256') return Buffer.from(rest, 'hex');
  const refuse = (why: string) => new KeylaneError('ERR_CONFIG', `token ${name}: ${reference}: ${why}`);
  const text = (kind === 'env' ? process.env[rest] : fileText(rest, refuse))?.trim();
  if (text === undefined) throw refuse('the variable is not set');
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(text))
    throw refuse('expected one word of letters, digits and `-._~+/`, as a bearer token is (RFC 6750)');
  if (text.length < SHORTEST)
    throw refuse(`expected at least ${SHORTEST} characters; \`openssl rand -hex 32\` makes a good one`);
  return digestOf(text);
}

function fileText(path: string, refuse: (why: string) => KeylaneError): string {
  try {
    const { mode } = statSync(path);
    // A group may read it: so a service is given what another user owns.
    if ((mode & 0o026) !== 0)
      throw refuse('can be read by others, or written by its group; `chmod 640` or `chmod 600` it');
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof KeylaneError) throw error;
    throw refuse(`cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
