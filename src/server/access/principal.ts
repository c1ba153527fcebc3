import { type Clock, KeylaneError } from '../../index.js';
import type { Needs, Principal } from '../parts.js';
import { Quota } from './quota.js';
import { type Scope, scopeOf } from './scope.js';
import type { TokenOptions, TokenQuota } from './token-options.js';

const NOTHING_TO_GIVE_BACK = (): void => {};

/** Whoever may do everything. */
export const admin: Principal = {
  name: 'admin',
  check() {},
  checkRequest() {},
  take: () => NOTHING_TO_GIVE_BACK,
  most: {},
  sees: () => true,
  limited: false,
  keyGlobs: undefined,
  seesKey: () => true,
};

export function principalOf(token: TokenOptions, clock: Clock): Principal {
  return new Bearer(token, clock);
}

/** The bearer of a token that the configuration names. */
class Bearer implements Principal {
  readonly name: string;
  readonly limited: boolean;
  readonly most: TokenQuota;
  readonly #admin: boolean;
  readonly #readOnly: boolean;
  readonly #scope: Scope | undefined;
  readonly #quota: Quota;

  constructor(token: TokenOptions, clock: Clock) {
    const { name, admin = false, readOnly = false, quota = {} } = token;
    this.name = name;
    this.most = quota;
    this.#admin = admin;
    this.#readOnly = readOnly;
    this.limited = !admin && token.hosts !== undefined;
    this.#scope = admin ? undefined : scopeOf(token);
    this.#quota = new Quota(quota, clock);
  }

  check(needs: Needs): void {
    if (needs === 'admin' && !this.#admin)
      throw new KeylaneError('ERR_FORBIDDEN', `this takes a token with \`admin\`, and ${this.name} has it not`);
    if (needs === 'run' && this.#readOnly)
      throw new KeylaneError('ERR_FORBIDDEN', `the token ${this.name} is \`readOnly\`: it may look, and run nothing`);
  }

  checkRequest(driver: string, request: unknown): void {
    if (this.#readOnly) this.check('run');
    this.#scope?.check(driver, request);
  }

  take(what: 'request' | 'batch'): () => void {
    return this.#quota.take(what);
  }

  sees(owner: string | undefined): boolean {
    return this.#admin || owner === this.name;
  }

  get keyGlobs(): readonly string[] | undefined {
    return this.#scope?.keyGlobs;
  }

  seesKey(key: string): boolean {
    return this.#scope?.seesKey(key) ?? true;
  }
}
