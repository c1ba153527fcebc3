import { readFile } from 'node:fs/promises';
import { KeylaneError } from '../errors.js';
import type { ClientOptions } from './options.js';

/** What a header can hold (RFC 6750 2.1 has fewer; what it has not, the service would refuse). */
const SENDABLE = /^[\x21-\x7e]+$/;
const MOST_BYTES = 4_096;

/** The bearer token. Errors name where it comes from, never what it is. */
export class Token {
  readonly #given: ClientOptions['token'];
  #read: string | undefined = undefined;

  constructor(given: ClientOptions['token']) {
    this.#given = given;
    if (typeof given === 'string' && !isReference(given)) this.#read = checked(given, '`token`');
  }

  /** At once, where it is known. Rejects with `ERR_CONFIG`. */
  get(): string | undefined | Promise<string> {
    if (this.#read !== undefined || this.#given === undefined) return this.#read;
    return this.#ask(this.#given);
  }

  /** The service does not take it: a reference may give another one by now. */
  refused(): void {
    if (typeof this.#given === 'string' && isReference(this.#given)) this.#read = undefined;
  }

  async #ask(given: NonNullable<ClientOptions['token']>): Promise<string> {
    if (typeof given === 'function') return checked(await asked(given), 'what `token` gives');
    const text = given.startsWith('env:') ? variable(given) : await file(given);
    this.#read = checked(text, given);
    return this.#read;
  }
}

function isReference(given: string): boolean {
  return given.startsWith('env:') || given.startsWith('file:');
}

async function asked(given: () => string | Promise<string>): Promise<unknown> {
  try {
    return await given();
  } catch (cause) {
    throw new KeylaneError('ERR_CONFIG', 'the function `token` failed', { cause });
  }
}

function variable(reference: string): string {
  const name = reference.slice('env:'.length);
  const value = process.env[name];
  if (value === undefined) throw new KeylaneError('ERR_CONFIG', `${reference}: the variable ${name} is not set`);
  return value;
}

async function file(reference: string): Promise<string> {
  try {
    return (await readFile(reference.slice('file:'.length), 'utf8')).replace(/\r?\n$/, '');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new KeylaneError('ERR_CONFIG', `${reference}: cannot be read: ${why}`, { cause });
  }
}

function checked(token: unknown, from: string): string {
  if (typeof token === 'string' && token.length <= MOST_BYTES && SENDABLE.test(token)) return token;
  throw new KeylaneError('ERR_CONFIG', `${from} is no token: 1 to ${MOST_BYTES} visible ASCII characters`);
}
