import { readFile } from 'node:fs/promises';
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls';
import { KeylaneError } from '../../../src/errors.js';
import type { Clock } from '../../../src/util/clock.js';

/** For so long a file of certificates is taken as it was read. */
const FRESH_MS = 60_000;
const MOST = 100;
const VERSIONS = { minVersion: 'TLSv1.2' } as const;

/** What TLS trusts: Node's certificates, or those of a file, which is read once a minute. */
export class Certificates {
  readonly #clock: Clock;
  /** One for all connections: tls.connect would make one for each. */
  #ofNode: SecureContext | undefined = undefined;
  readonly #read = new Map<string, { at: number; context: Promise<SecureContext> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async optionsFor(ca: string | undefined, key: string): Promise<ConnectionOptions> {
    if (ca === undefined) {
      this.#ofNode ??= createSecureContext(VERSIONS);
      return { secureContext: this.#ofNode };
    }
    const now = this.#clock.now();
    let row = this.#read.get(ca);
    if (!row || now - row.at > FRESH_MS) {
      row = { at: now, context: read(ca, key) };
      if (this.#read.size >= MOST) this.#read.clear();
      this.#read.set(ca, row);
    }
    try {
      return { secureContext: await row.context };
    } catch (error) {
      this.#read.delete(ca);
      throw error;
    }
  }
}

async function read(file: string, key: string): Promise<SecureContext> {
  try {
    const pem = await readFile(file);
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('there is no PEM certificate in it');
    return createSecureContext({ ca: pem, ...VERSIONS });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KeylaneError('ERR_TLS', `${key}: smtp.ca: ${file} cannot be used: ${why}`, { key, cause, local: true });
  }
}
