import type { Engine } from '../engine.js';
import type { Questions } from '../types.js';
import type { Clock } from '../util/clock.js';
import { AccountTokens, type Home } from './account-tokens.js';
import type { Accounts } from './accounts.js';
import { OpenAccounts } from './open.js';
import { verifiersOf } from './verifiers.js';

/** The accounts of an engine and their tokens. Nothing is opened, loaded or made before its first use. */
export class EngineAccounts {
  readonly accounts: Accounts;
  readonly #open: OpenAccounts;
  readonly #tokens: AccountTokens;

  constructor(engine: Pick<Engine, 'prewarm'>, home: Home, clock: Clock) {
    this.#tokens = new AccountTokens(home, clock);
    this.#open = new OpenAccounts(home, verifiersOf(engine, this.#tokens), this.#tokens, clock);
    this.accounts = this.#open;
  }

  async close(): Promise<void> {
    await this.#open.close();
  }

  /** For a shard: `rejected` is a token that the account's peer has refused. */
  async token({ account: name, rejected }: Questions['token']['about']): Promise<Questions['token']['answer']> {
    const account = await this.accounts.get(name);
    const cache = await this.#tokens.cache();
    if (rejected !== undefined) cache.reject(account, rejected);
    return cache.get(account);
  }
}
