import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { OnEvent } from '../events.js';
import type { ReadSecret } from '../host/secret.js';
import type { Clock } from '../util/clock.js';
import { type DatedToken, dated } from './lifetime.js';
import type { Granted, OAuthServers } from './oauth.js';
import { cannotStore, SecretFile } from './secret-file.js';
import { fileOf, type Secrets, secretsOf } from './secrets.js';
import { errorOf, LONGEST_SETBACK_MS, type Setback, setbackOf } from './setback.js';
import { type SealKey, sealKey } from './shared-tokens.js';
import type { Sharing } from './sharing.js';

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
  sharing: Sharing;
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

  constructor(tools: RefreshTools) {
    this.#tools = tools;
  }

  /** `wanted`: is a token that another process got good enough? Rejects with a KeylaneError without the account's name. */
  async refresh(account: Refreshed, wanted: (token: DatedToken) => boolean): Promise<DatedToken> {
    let secrets: Secrets | undefined;
    try {
      secrets = await this.#secrets(account);
      const found = await this.#found(account, secrets, wanted);
      if (found) return found;
      const lock = await this.#tools.sharing.lock(account);
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

  #secrets({ oauth, identity }: Refreshed): Promise<Secrets> {
    return secretsOf(oauth, identity, this.#tools.readSecret);
  }

  /** A token of another process; throws what the server has said already. */
  async #found(account: Refreshed, { key, refreshToken }: Secrets, wanted: (token: DatedToken) => boolean) {
    const { clock, wall, sharing, random } = this.#tools;
    const { setback } = account;
    const record = await sharing.read(account.identity, key);
    if (record?.token) {
      const token = dated(record.token.accessToken, record.obtainedAt, record.token.lifetimeMs, random());
      if (wanted(token)) return token;
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
    const { oauth } = account;
    const { wall, servers, random, sharing } = this.#tools;
    // Another login is behind the reference by now.
    if (account.held?.after !== secrets.refreshToken) account.held = undefined;
    const sent = account.held?.refreshToken ?? secrets.refreshToken;
    const room = await roomFor(oauth);
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
      if (key && account.held) await sharing.write(account.identity, key, { obtainedAt, ...spent });
      throw granted.kind === 'none'
        ? granted.error
        : new KeylaneError('ERR_TOKEN', 'the token server waits for a person');
    }
    const { accessToken, lifetimeMs } = granted;
    if (key) await sharing.write(account.identity, key, { obtainedAt, token: { accessToken, lifetimeMs }, ...spent });
    return dated(accessToken, obtainedAt, lifetimeMs, random());
  }

  /**
   * Puts the next refresh token where it belongs. Gives the key that others will open the shared token with: that of what
   * is behind the reference now; none where somebody else has put another login there.
   */
  async #keep(account: Refreshed, secrets: Secrets, room: Room, next: string | undefined, sent: string | undefined) {
    // One that comes with client credentials is of no use (RFC 6749 § 4.4.3): they are as good the next time.
    if (next === undefined || next === sent || sent === undefined) {
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

  /** A person has logged in with a device: what they got is stored, or there is no login. */
  async login(account: Refreshed, granted: Granted, clientSecret: string | undefined): Promise<DatedToken> {
    const { wall, random, sharing } = this.#tools;
    if (granted.kind !== 'token') throw granted.kind === 'none' ? granted.error : new KeylaneError('ERR_TOKEN');
    const { accessToken, lifetimeMs, refreshToken } = granted;
    if (refreshToken === undefined) {
      const text = 'the token server gave no refresh token: `scope` must ask for it, often by `offline_access`';
      throw new KeylaneError('ERR_CONFIG', text);
    }
    const obtainedAt = wall();
    await this.#inPlace(account, (file) => file.put(refreshToken));
    account.held = undefined;
    const key = sealKey(account.identity, [clientSecret, refreshToken]);
    await sharing.write(account.identity, key, { obtainedAt, token: { accessToken, lifetimeMs } });
    return dated(accessToken, obtainedAt, lifetimeMs, random());
  }

  /** Can a login be stored? To be known before a person is asked for one. */
  checkPlace(account: Refreshed): Promise<void> {
    return this.#inPlace(account, (file) => file.drop());
  }

  async #inPlace(account: Refreshed, work: (file: SecretFile) => Promise<unknown>): Promise<void> {
    const { refreshToken: reference } = account.oauth;
    const file = fileOf(reference);
    if (reference === undefined || file === undefined) {
      throw new KeylaneError('ERR_INPUT', '`refreshToken` must be `file:/path`: the login is stored there');
    }
    const lock = await this.#tools.sharing.lock(account);
    try {
      await work(await SecretFile.open(file));
    } catch (error) {
      throw cannotStore(reference, error);
    } finally {
      await lock?.release();
    }
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
    const { wall, random, sharing } = this.#tools;
    const { forMs, ...no } = setbackOf(error, (account.setback?.times ?? 0) + 1, random());
    const spent = account.held === undefined ? {} : { spent: true as const };
    // A token that is there is as good as it was.
    const record = { obtainedAt: wall(), ...(await sharing.read(account.identity, key)) };
    await sharing.write(account.identity, key, { ...record, no: { ...no, until: wall() + forMs }, ...spent });
  }
}

async function roomFor({ refreshToken }: AccountOAuth): Promise<Room> {
  if (refreshToken === undefined) return undefined;
  const file = fileOf(refreshToken);
  if (file === undefined) return new KeylaneError('ERR_CONFIG', `${refreshToken} cannot be written; give file:/PATH`);
  return SecretFile.open(file).catch((error: unknown) => cannotStore(refreshToken, error));
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
    'could not be stored there; authorize the account anew, and give file:/PATH that keylane may write';
  return new KeylaneError('ERR_AUTH_EXPIRED', text);
}
