import { join } from 'node:path';
import { KeylaneError } from '../errors.js';
import { dataDirectory } from '../store/data-dir.js';
import type { Store } from '../store/store.js';
import { type Clock, systemClock } from '../util/clock.js';
import { AccountTokens } from './account-tokens.js';
import { Accounts } from './accounts.js';
import type { Verifiers } from './verify.js';

export interface AccountsOptions {
  /** Where the accounts are kept. @default `keylane` in XDG_DATA_HOME, or in ~/.local/share */
  dataDir?: string | undefined;
  /** True: a secret may be the output of a command, `cmd:COMMAND`. @default false */
  allowCommands?: boolean | undefined;
}

const VERSION = 1;

/** Accounts whose store is opened at first use. `close` it when done. */
export class OpenAccounts extends Accounts implements AsyncDisposable {
  readonly #home: Home;
  readonly #tokens: AccountTokens;

  /** @internal */
  constructor(options: AccountsOptions, verifiers: Verifiers, tokens: AccountTokens, clock: Clock) {
    const home = new Home(options.dataDir);
    super(() => home.open(), { allowCommands: options.allowCommands ?? false }, verifiers, tokens, clock);
    this.#home = home;
    this.#tokens = tokens;
  }

  async close(): Promise<void> {
    await Promise.all([this.#home.close(), this.#tokens.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * The accounts of a data directory, without an engine: nothing is started for them, and their store is opened at first
 * use. `verify` needs an engine: `engine.accounts`.
 */
export function openAccounts(options: AccountsOptions = {}): OpenAccounts {
  const needsEngine = () =>
    Promise.reject(new KeylaneError('ERR_CONFIG', 'accounts are verified by an engine: `engine.accounts.verify`'));
  const { dataDir, allowCommands = false } = options;
  const tokens = new AccountTokens({ dataDir, allowCommands, onEvent: undefined }, systemClock);
  return new OpenAccounts(options, { token: needsEngine, connection: needsEngine }, tokens, systemClock);
}

/** The one store of the accounts, opened once. */
class Home {
  readonly #dataDir: string | undefined;
  #store: Promise<Store> | undefined = undefined;
  #closed = false;

  constructor(dataDir: string | undefined) {
    this.#dataDir = dataDir;
  }

  open(): Promise<Store> {
    if (this.#closed) return Promise.reject(new KeylaneError('ERR_CLOSED', 'the accounts are closed'));
    this.#store ??= this.#load().catch((error: unknown) => {
      // What is mended meanwhile may be tried again.
      this.#store = undefined;
      throw error;
    });
    return this.#store;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#store?.catch(() => undefined))?.close();
  }

  async #load(): Promise<Store> {
    const dir = dataDirectory(this.#dataDir);
    // Only now: who has no accounts does not load LMDB.
    const { openStore } = await import('../store/store.js');
    return openStore(join(dir, 'accounts'), { durable: true, version: VERSION });
  }
}
