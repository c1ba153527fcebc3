import type { Engine } from '../engine.js';
import type { OnEvent } from '../events.js';
import { secretReader } from '../host/secret.js';
import { dataDirectory } from '../store/data-dir.js';
import { TokenCache } from '../tokens/token-cache.js';
import type { Questions } from '../types.js';
import type { Clock } from '../util/clock.js';
import type { Accounts } from './accounts.js';
import { OpenAccounts } from './open.js';
import { verifiersOf } from './verifiers.js';

/** What accounts need of an engine's options. */
export interface Home {
  dataDir: string | undefined;
  allowCommands: boolean;
  onEvent: OnEvent | undefined;
}

/** The accounts of an engine and their tokens. Nothing is opened, loaded or made before its first use. */
export class EngineAccounts {
  readonly accounts: Accounts;
  readonly #open: OpenAccounts;
  readonly #home: Home;
  readonly #clock: Clock;
  #tokens: TokenCache | undefined = undefined;

  constructor(engine: Pick<Engine, 'prewarm'>, home: Home, clock: Clock) {
    this.#home = home;
    this.#clock = clock;
    this.#open = new OpenAccounts(
      home,
      verifiersOf(engine, () => this.#cache()),
      clock,
    );
    this.accounts = this.#open;
  }

  async close(): Promise<void> {
    await Promise.all([this.#open.close(), this.#tokens?.close()]);
  }

  /** For a shard: `rejected` is a token that the account's peer has refused. */
  async token({ account: name, rejected }: Questions['token']['about']): Promise<Questions['token']['answer']> {
    const account = await this.accounts.get(name);
    if (rejected !== undefined) this.#cache().reject(account, rejected);
    return this.#cache().get(account);
  }

  #cache(): TokenCache {
    const { dataDir, allowCommands, onEvent } = this.#home;
    this.#tokens ??= new TokenCache({
      readSecret: secretReader(allowCommands, this.#clock),
      dataDir: dataDirectory(dataDir),
      ...(onEvent && { onEvent }),
      clock: this.#clock,
    });
    return this.#tokens;
  }
}
