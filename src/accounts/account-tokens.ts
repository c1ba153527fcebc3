import type { OnEvent } from '../events.js';
import { secretReader } from '../host/secret.js';
import { dataDirectory } from '../store/data-dir.js';
import type { TokenCache } from '../tokens/token-cache.js';
import type { Clock } from '../util/clock.js';

/** Where accounts live, and what they may do. */
export interface Home {
  dataDir: string | undefined;
  allowCommands: boolean;
  onEvent: OnEvent | undefined;
}

/** The access tokens of a data directory's accounts. Nothing is loaded or made before its first use. */
export class AccountTokens {
  readonly #home: Home;
  readonly #clock: Clock;
  #cache: Promise<TokenCache> | undefined = undefined;

  constructor(home: Home, clock: Clock) {
    this.#home = home;
    this.#clock = clock;
  }

  cache(): Promise<TokenCache> {
    this.#cache ??= this.#load();
    return this.#cache;
  }

  async close(): Promise<void> {
    await (await this.#cache?.catch(() => undefined))?.close();
  }

  async #load(): Promise<TokenCache> {
    const { dataDir, allowCommands, onEvent } = this.#home;
    const { TokenCache } = await import('../tokens/token-cache.js');
    return new TokenCache({
      readSecret: secretReader(allowCommands, this.#clock),
      dataDir: dataDirectory(dataDir),
      ...(onEvent && { onEvent }),
      clock: this.#clock,
    });
  }
}
