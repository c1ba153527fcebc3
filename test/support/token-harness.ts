import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccountOAuth } from '../../src/accounts/account.js';
import { KeylaneError } from '../../src/errors.js';
import type { EngineEvent } from '../../src/events.js';
import { TokenCache, type TokenCacheOptions } from '../../src/tokens/token-cache.js';
import { FakeClock } from './fake-clock.js';
import { startTokenServer, type TokenServer, type TokenServerOptions } from './token-server.js';

/** The wall clock at 0 of the fake one. */
export const WALL = 1_800_000_000_000;

/** A token server, a folder, and caches beside it whose time a test turns by hand. */
export class TokenHarness {
  readonly folder: string;
  readonly server: TokenServer;
  readonly clock = new FakeClock(1_000);
  readonly events: EngineEvent[] = [];
  /** References that were read, in order. */
  readonly read: string[] = [];
  /** Values behind `env:` references. */
  readonly env: Record<string, string> = { SECRET: 's3cret' };
  /** Milliseconds that the wall clock is ahead of the other. */
  wallAhead = WALL;
  readonly #caches: TokenCache[] = [];

  private constructor(folder: string, server: TokenServer) {
    this.folder = folder;
    this.server = server;
  }

  static async start(options: TokenServerOptions = {}): Promise<TokenHarness> {
    const folder = await mkdtemp(join(tmpdir(), 'keylane-tokens-'));
    return new TokenHarness(folder, await startTokenServer({ address: '127.0.0.21', ...options }));
  }

  readonly wall = () => this.wallAhead + this.clock.now();

  /** Another process, as far as tokens go, where it has the same data directory. */
  cache(options: Partial<TokenCacheOptions> = {}): TokenCache {
    const cache = new TokenCache({
      clock: this.clock,
      wall: this.wall,
      random: () => 0.5,
      onEvent: (event) => this.events.push(event),
      readSecret: (reference) => this.#secret(reference),
      ...options,
    });
    this.#caches.push(cache);
    return cache;
  }

  shared(): { dataDir: string } {
    return { dataDir: join(this.folder, 'data') };
  }

  /** An account with client credentials. */
  client(more: Partial<AccountOAuth> = {}): { name: string; oauth: AccountOAuth } {
    const oauth = { grant: 'client_credentials' as const, tokenUrl: this.server.tokenUrl, clientId: 'client' };
    return { name: 'mail', oauth: { ...oauth, clientSecret: 'env:SECRET', ...more } };
  }

  /** An account with a refresh token of a new login, in a file. */
  async login(name = 'refresh', more: Partial<AccountOAuth> = {}) {
    const refreshToken = this.server.login();
    const file = join(this.folder, name);
    await writeFile(file, `${refreshToken}\n`, { mode: 0o600 });
    return {
      account: this.client({ grant: 'refresh_token', refreshToken: `file:${file}`, ...more }),
      file,
      refreshToken,
    };
  }

  told(type: EngineEvent['type']): EngineEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await Promise.all(this.#caches.map((cache) => cache.close()));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** As the engine reads them. */
  async #secret(reference: string): Promise<string> {
    this.read.push(reference);
    const name = reference.slice(reference.indexOf(':') + 1);
    if (!reference.startsWith('file:')) return this.env[name] ?? '';
    try {
      return (await readFile(name, 'utf8')).replace(/\r?\n$/, '');
    } catch (cause) {
      throw new KeylaneError('ERR_INPUT', `${reference}: cannot be read`, { cause });
    }
  }
}
