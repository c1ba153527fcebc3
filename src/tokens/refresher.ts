import { basename, dirname, join } from 'node:path';
import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { OnEvent } from '../events.js';
import type { Clock } from '../util/clock.js';
import { type DatedToken, dated, freshness } from './lifetime.js';
import { Lock } from './lock.js';
import type { Granted, OAuthServers } from './oauth.js';
import { cannotStore, placeOf, SecretFile } from './secret-file.js';
import { fileOf, type ReadSecret, type Secrets, secretsOf } from './secrets.js';
import { errorOf, LONGEST_SETBACK_MS, type Setback, setbackOf } from './setback.js';
import { digestOf } from './settings.js';
import { type SealKey, type SharedRecord, type SharedTokens, sealKey } from './shared-tokens.js';

/** An account's tokens, as far as a refresh needs to know. */
export interface Refreshed {
  readonly account: string;
  readonly oauth: AccountOAuth;
  readonly identity: string;
  /** A refresh token that could not be stored, and the one behind the reference that it is the successor of. */
  held: { after: string | undefined; refreshToken: string } | undefined;
  /** What the server said last, if it was no; `until` by the clock. It holds for these secrets. */
  setback: (Setback & { until: number; key: SealKey | undefined }) | undefined;
}

export interface RefreshTools {
  clock: Clock;
  /** Wall-clock milliseconds. */
  wall: () => number;
  random: () => number;
  readSecret: ReadSecret;
  servers: OAuthServers;
  /** None where there is no data directory. */
  shared: SharedTokens | undefined;
  /** Ends the waiting for other processes. */
  signal: AbortSignal;
  tell: OnEvent;
}

/**
 * One refresh of one account, over all processes. The order is what keeps a login alive where the server replaces the
 * refresh token at each use and takes a second use of the old one for a theft:
 *
 *     look           has another process got a token? Then that one
 *     lock           of the refresh token's file; a dead owner's is taken over
 *     look again     the other process may have been at it while we waited: the file is read anew
 *     make room      for the next refresh token, on the same disk
 *     ask            once
 *     store          the next refresh token, before anything else is done with the answer
 *     share, unlock
 *
 * What is left: a crash, or a lost answer, between the server's change and `store`. Nobody can close that window here.
 */
export class Refresher {
  readonly #tools: RefreshTools;
  #toldUnshared = false;

  constructor(tools: RefreshTools) {
    this.#tools = tools;
  }

  /** `wanted`: is a token of another process good enough? Rejects with a KeylaneError without the account's name. */
  async refresh(account: Refreshed, wanted: (token: DatedToken) => boolean): Promise<DatedToken> {
    let secrets: Secrets | undefined;
    try {
      secrets = await this.#secrets(account);
      const found = await this.#found(account, secrets, wanted);
      if (found) return found;
      const lock = await this.lock(account.oauth, account.identity);
      try {
        secrets = await this.#secrets(account);
        return (await this.#found(account, secrets, wanted)) ?? (await this.#ask(account, secrets));
      } finally {
        await lock?.release();
      }
    } catch (error) {
      throw error instanceof KeylaneError ? this.#setBack(account, secrets?.key, error) : error;
    }
  }

  /** Takes the lock that guards the account's refresh token; none where it cannot be made, which is told once. */
  async lock(oauth: AccountOAuth, identity: string): Promise<Lock | undefined> {
    const { shared } = this.#tools;
    const file = fileOf(oauth.refreshToken);
    if (file !== undefined) {
      try {
        const place = await placeOf(file);
        // Beside it, so that processes with other data directories meet here, too.
        return await Lock.take(join(dirname(place), `.${basename(place)}.keylane-lock`), this.#tools);
      } catch (error) {
        if (error instanceof KeylaneError) throw error;
      }
    }
    if (!shared) return undefined;
    try {
      await shared.make();
      return await Lock.take(`${join(shared.folder, digestOf(oauth.refreshToken ?? identity))}.lock`, this.#tools);
    } catch (error) {
      if (error instanceof KeylaneError && error.code !== 'ERR_CONFIG') throw error;
      this.#unshared(error);
      return undefined;
    }
  }

  #secrets({ oauth, identity }: Refreshed): Promise<Secrets> {
    return secretsOf(oauth, identity, this.#tools.readSecret);
  }

  /** A token of another process; throws what the server has said already. */
  async #found(account: Refreshed, { key, refreshToken }: Secrets, wanted: (token: DatedToken) => boolean) {
    const { clock, wall, shared, random } = this.#tools;
    const { setback } = account;
    const record = await shared?.read(account.identity, key);
    if (record?.token) {
      const token = dated(record.token.accessToken, record.obtainedAt, record.token.lifetimeMs, random());
      if (freshness(token, wall()) === 'fresh' && wanted(token)) return token;
    }
    if (setback?.key?.equals(key) && clock.now() < setback.until)
      throw new Repeated(setback, setback.until - clock.now());
    const { no } = record ?? {};
    const leftMs = no ? no.until - wall() : 0;
    if (no && leftMs > 0 && leftMs <= LONGEST_SETBACK_MS) {
      account.setback = { ...no, forMs: leftMs, until: clock.now() + leftMs, key };
      throw new Repeated(no, leftMs);
    }
    if (record?.spent && account.held?.after !== refreshToken) throw used(account);
    return undefined;
  }

  async #ask(account: Refreshed, secrets: Secrets): Promise<DatedToken> {
    const { oauth, held } = account;
    const { wall, servers, random } = this.#tools;
    const sent = held?.after === secrets.refreshToken ? held?.refreshToken : secrets.refreshToken;
    const room = await this.#room(oauth);
    // By then the server had not begun to count.
    const obtainedAt = wall();
    let granted: Granted;
    try {
      granted = await servers.ask(oauth, grantOf(sent), secrets.clientSecret);
    } catch (error) {
      if (room instanceof SecretFile) await room.drop();
      if (error instanceof KeylaneError) await this.#shareNo(account, secrets.key, error);
      throw error;
    }
    const key = await this.#keep(account, secrets, room, granted.refreshToken, sent);
    const spent = account.held === undefined ? {} : { spent: true as const };
    if (granted.kind !== 'token') {
      if (key && account.held) await this.#share(account.identity, key, { obtainedAt, ...spent });
      throw granted.kind === 'none'
        ? granted.error
        : new KeylaneError('ERR_TOKEN', 'the token server waits for a person');
    }
    const { accessToken, lifetimeMs } = granted;
    if (key) await this.#share(account.identity, key, { obtainedAt, token: { accessToken, lifetimeMs }, ...spent });
    return dated(accessToken, obtainedAt, lifetimeMs, random());
  }

  /**
   * Puts the next refresh token where it belongs. Gives the key that others will open the shared token with: that of what
   * is behind the reference now; none where somebody else has put another login there.
   */
  async #keep(account: Refreshed, secrets: Secrets, room: Room, next: string | undefined, sent: string | undefined) {
    if (next === undefined || next === sent) {
      if (room instanceof SecretFile) await room.drop();
      return secrets.key;
    }
    let why = room;
    if (room instanceof SecretFile) {
      try {
        const isOurs = await room.put(next);
        account.held = undefined;
        return isOurs ? sealKey(account.identity, [secrets.clientSecret, next]) : undefined;
      } catch (error) {
        why = cannotStore(account.oauth.refreshToken as string, error);
      }
    }
    if (!account.held)
      this.#unstored(account, why instanceof KeylaneError ? why.message : 'there is no `refreshToken`');
    account.held = { after: secrets.refreshToken, refreshToken: next };
    return secrets.key;
  }

  /** Where the next refresh token goes; or why it cannot be stored, which matters only if there is one. */
  async #room({ refreshToken }: AccountOAuth): Promise<Room> {
    const file = fileOf(refreshToken);
    if (refreshToken === undefined) return undefined;
    if (file === undefined)
      return new KeylaneError('ERR_CONFIG', `${refreshToken} cannot be written; give \`file:/path\``);
    return SecretFile.open(file).catch((error: unknown) => cannotStore(refreshToken, error));
  }

  #unstored({ account }: Refreshed, why: string): void {
    const message =
      'the token server replaces the refresh token at each use, and the new one cannot be stored: ' +
      `${why}; it is lost when this process ends`;
    this.#tools.tell({ type: 'token_unstored', account, message });
  }

  #setBack(account: Refreshed, key: SealKey | undefined, error: KeylaneError): KeylaneError {
    if (error instanceof Repeated || error.code === 'ERR_CLOSED') return error;
    const { clock, random, tell } = this.#tools;
    const setback = setbackOf(error, (account.setback?.times ?? 0) + 1, random());
    account.setback = { ...setback, until: clock.now() + setback.forMs, key };
    const { code, message, forMs } = setback;
    tell({ type: 'token_refused', account: account.account, code, message, forMs });
    return errorOf(setback, setback.forMs);
  }

  /** Only what the server said of the account: that it cannot be reached may be true of this process alone. */
  async #shareNo(account: Refreshed, key: SealKey, error: KeylaneError): Promise<void> {
    if (error.code === 'ERR_TOKEN' && error.retryAfterMs === undefined) return;
    const { wall, random } = this.#tools;
    const { forMs, ...no } = setbackOf(error, (account.setback?.times ?? 0) + 1, random());
    const spent = account.held === undefined ? {} : { spent: true as const };
    await this.#share(account.identity, key, { obtainedAt: wall(), no: { ...no, until: wall() + forMs }, ...spent });
  }

  async #share(identity: string, key: SealKey, record: SharedRecord): Promise<void> {
    const { shared } = this.#tools;
    if (!shared) return;
    try {
      await shared.make();
      await shared.write(identity, key, record);
    } catch (error) {
      this.#unshared(error);
    }
  }

  /** Told of once: it costs requests, no more. */
  #unshared(error: unknown): void {
    if (this.#toldUnshared) return;
    this.#toldUnshared = true;
    const why = error instanceof KeylaneError ? error.message : ((error as NodeJS.ErrnoException).code ?? 'unknown');
    this.#tools.tell({ type: 'tokens_unshared', message: `each process asks for tokens of its own: ${why}` });
  }
}

/** Where the next refresh token goes; or why it cannot be stored. */
type Room = SecretFile | KeylaneError | undefined;

/** What was said before: it is counted and told of once. */
class Repeated extends KeylaneError {
  constructor(setback: Omit<Setback, 'times' | 'forMs'>, leftMs: number) {
    const { code, message, retryable, retryAfterMs } = errorOf(setback, leftMs);
    super(code, message, { retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }
}

function grantOf(refreshToken: string | undefined) {
  if (refreshToken === undefined) return { type: 'client_credentials' as const };
  return { type: 'refresh_token' as const, refreshToken };
}

function used({ oauth }: Refreshed): KeylaneError {
  const text =
    `the refresh token behind ${oauth.refreshToken} was used up: the token server replaces it at each use, and the new one ` +
    'could not be stored there; authorize the account anew and give `file:/path`';
  return new KeylaneError('ERR_AUTH_EXPIRED', text);
}
