import { basename, dirname, join } from 'node:path';
import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { OnEvent } from '../events.js';
import { Lock, type LockTools } from './lock.js';
import { placeOf } from './secret-file.js';
import { fileOf } from './secrets.js';
import { digestOf } from './settings.js';
import { type SealKey, type SharedRecord, SharedTokens } from './shared-tokens.js';

/**
 * What this process has in common with others: the lock of an account, and what one has got for all. Where it cannot be
 * had, each process works for itself, which is told of once.
 */
export class Sharing {
  readonly #shared: SharedTokens | undefined;
  readonly #tools: LockTools;
  readonly #tell: OnEvent;
  #told = false;

  constructor(dataDir: string | undefined, tools: LockTools, tell: OnEvent) {
    this.#shared = dataDir === undefined ? undefined : new SharedTokens(dataDir);
    this.#tools = tools;
    this.#tell = tell;
  }

  /**
   * The lock is beside the refresh token's file, so that processes with other data directories meet there, too; else in
   * the data directory. None where neither can be made. Rejects with `ERR_TOKEN` where another process keeps it.
   */
  async lock({
    oauth: { refreshToken },
    identity,
  }: {
    oauth: AccountOAuth;
    identity: string;
  }): Promise<Lock | undefined> {
    const file = fileOf(refreshToken);
    if (file !== undefined) {
      try {
        const place = await placeOf(file);
        return await Lock.take(join(dirname(place), `.${basename(place)}.keylane-lock`), this.#tools);
      } catch (error) {
        if (error instanceof KeylaneError) throw error;
      }
    }
    if (!this.#shared || !(await this.#made(this.#shared))) return undefined;
    try {
      return await Lock.take(`${join(this.#shared.folder, digestOf(refreshToken ?? identity))}.lock`, this.#tools);
    } catch (error) {
      if (error instanceof KeylaneError) throw error;
      this.#unshared(error);
      return undefined;
    }
  }

  async read(identity: string, key: SealKey): Promise<SharedRecord | undefined> {
    return this.#shared?.read(identity, key);
  }

  /** Never rejects. */
  async write(identity: string, key: SealKey, record: SharedRecord): Promise<void> {
    if (!this.#shared || !(await this.#made(this.#shared))) return;
    try {
      await this.#shared.write(identity, key, record);
    } catch (error) {
      this.#unshared(error);
    }
  }

  async #made(shared: SharedTokens): Promise<boolean> {
    try {
      await shared.make();
      return true;
    } catch (error) {
      this.#unshared(error);
      return false;
    }
  }

  #unshared(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    const why = error instanceof KeylaneError ? error.message : ((error as NodeJS.ErrnoException).code ?? 'unknown');
    this.#tell({ type: 'tokens_unshared', message: `each process asks for tokens of its own: ${why}` });
  }
}
