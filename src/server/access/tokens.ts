import { timingSafeEqual } from 'node:crypto';
import { type Clock, KeylaneError } from '../../index.js';
import type { Principal } from '../parts.js';
import { digestOf } from './digest.js';
import { admin, principalOf } from './principal.js';
import { digestBehind } from './secret.js';
import type { TokenOptions } from './token-options.js';

interface Known {
  readonly digest: Buffer;
  readonly principal: Principal;
}

/** Longer ones are not hashed. */
const LONGEST = 1_024;
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** Who is who. Only digests of the tokens are kept. */
export class Tokens {
  readonly #first: Known;
  readonly #clock: Clock;
  #known: readonly (readonly Known[])[] = [];

  constructor(first: string, tokens: readonly TokenOptions[], clock: Clock) {
    this.#first = { digest: digestOf(first), principal: admin };
    this.#clock = clock;
    this.replace(tokens);
  }

  /**
   * Takes other tokens from now on; what their bearers have in flight goes on. Throws `ERR_CONFIG`, and the tokens are
   * those of before.
   */
  replace(tokens: readonly TokenOptions[]): void {
    const known = [this.#first];
    for (const token of tokens) {
      const digest = digestBehind(token);
      if (known.some((other) => other.digest.equals(digest)))
        throw new KeylaneError('ERR_CONFIG', `token ${token.name} is the same as another one; each needs its own`);
      known.push({ digest, principal: principalOf(token, this.#clock) });
    }
    // By the digest's first byte, so that a thousand tokens take no longer. How long it takes tells of the digest of
    // what was sent, and that says nothing of the tokens.
    const shelves: Known[][] = Array.from({ length: 256 }, () => []);
    for (const one of known) shelves[one.digest[0]!]!.push(one);
    this.#known = shelves;
  }

  /** Undefined where no token has this name. */
  named(name: string): Principal | undefined {
    for (const shelf of this.#known) for (const { principal } of shelf) if (principal.name === name) return principal;
    return undefined;
  }

  /** Whose token is in this header? */
  identify(authorization: string | undefined): Principal | undefined {
    if (authorization === undefined || authorization.length > LONGEST) return undefined;
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return undefined;
    const digest = digestOf(token);
    let found: Principal | undefined;
    for (const known of this.#known[digest[0]!]!) if (timingSafeEqual(known.digest, digest)) found = known.principal;
    return found;
  }
}
