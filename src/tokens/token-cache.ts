import { KeylaneError } from '../errors.js';
import { type OnEvent, teller } from '../events.js';
import type { ReadSecret } from '../host/secret.js';
import { type Clock, systemClock } from '../util/clock.js';
import { orAborted } from './aborts.js';
import { canceled, named } from './asking.js';
import { type DevicePrompt, deviceGrant } from './device.js';
import { type DatedToken, freshness, type Token } from './lifetime.js';
import { OAuthServers } from './oauth.js';
import { type Refreshed, Refresher } from './refresher.js';
import { errorOf } from './setback.js';
import { checkOAuth, identityOf, type TokenAccount } from './settings.js';
import { Sharing } from './sharing.js';

export interface TokenCacheOptions {
  /** The value behind a reference. It must not be an answer to an earlier question: refresh tokens change. */
  readSecret: ReadSecret;
  /** Where processes share tokens, sealed. Without, each has its own. */
  dataDir?: string;
  /** @default the grave ones become warnings of the process */
  onEvent?: OnEvent;
  clock?: Clock;
  /** Wall-clock milliseconds: what an expiry means to other processes. @default Date.now */
  wall?: () => number;
  random?: () => number;
}

export interface TokenOptions {
  /** Ends this caller's waiting; what others wait for goes on. */
  signal?: AbortSignal;
  /** Only a token that the server gives from now on. @default false */
  fresh?: boolean;
}

/** A token that the peer refuses so soon after the server gave it would be refused again: asking anew would be a loop. */
const YOUNG_MS = 30_000;
/** How often the secrets of an account that was refused are looked at: a new login is noticed so soon. */
const LOOK_AGAIN_MS = 1_000;
const MOST_KEPT = 100_000;

interface Entry extends Refreshed {
  token: DatedToken | undefined;
  /** The clock's time at which it is over, whatever the wall clock says: that may be set back. */
  tokenUntil: number;
  flight: { token: Promise<DatedToken>; fresh: boolean } | undefined;
  /** A peer has refused it. */
  rejected: string | undefined;
  lookAgainAt: number;
}

/**
 * Access tokens of accounts: asked for once, whoever asks, and anew before they expire. On the main thread.
 *
 *     none ──get: all wait──▶ asking ──▶ fresh ──(70 … 80 % of its lifetime)──▶ due ──(90 %)──▶ over
 *                               │                                              │ get: hands it out and
 *                               ▼                                              ▼ asks in the background
 *                            set back: the same error for all, no question to the server until it is over
 */
export class TokenCache {
  readonly #clock: Clock;
  readonly #wall: () => number;
  readonly #readSecret: ReadSecret;
  readonly #servers: OAuthServers;
  readonly #refresher: Refresher;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();

  constructor({
    readSecret,
    dataDir,
    onEvent,
    clock = systemClock,
    wall = Date.now,
    random = Math.random,
  }: TokenCacheOptions) {
    this.#clock = clock;
    this.#wall = wall;
    this.#readSecret = readSecret;
    this.#servers = new OAuthServers(clock, this.#closing.signal);
    const tell = teller(onEvent);
    this.#refresher = new Refresher({
      clock,
      wall,
      random,
      readSecret,
      servers: this.#servers,
      sharing: new Sharing(dataDir, { clock, random, signal: this.#closing.signal }, tell),
      tell,
    });
  }

  /**
   * A token that can be used now. Rejects with `ERR_AUTH_EXPIRED` where a person must authorize the account anew,
   * `ERR_TOKEN` where the server has none right now, `ERR_INPUT` for a secret that cannot be read.
   */
  async get(account: TokenAccount, { signal, fresh = false }: TokenOptions = {}): Promise<Token> {
    if (signal?.aborted) throw canceled(account, signal);
    const entry = this.#entryOf(account);
    try {
      const { accessToken, expiresAt } = fresh
        ? await this.#fetch(entry, true, signal)
        : await this.#any(entry, signal);
      return { accessToken, expiresAt };
    } catch (error) {
      throw named(error, account, signal);
    }
  }

  /**
   * Logs a person in by the device flow: `onPrompt` shows them a code and a page. Resolves when they have said yes and the
   * login is stored in the account's `file:`. Rejects with `ERR_AUTH_EXPIRED` if they say no, or nothing in time.
   */
  async startDevice(
    account: TokenAccount,
    onPrompt: (prompt: DevicePrompt) => unknown,
    signal?: AbortSignal,
  ): Promise<Token> {
    if (signal?.aborted) throw canceled(account, signal);
    const entry = this.#entryOf(account);
    try {
      if (entry.oauth.grant !== 'device') throw new KeylaneError('ERR_INPUT', 'its grant is not `device`');
      await this.#refresher.checkPlace(entry);
      const { clientSecret } = entry.oauth;
      const secret = clientSecret === undefined ? undefined : await this.#readSecret(clientSecret);
      const ends = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
      const tools = { clock: this.#clock, servers: this.#servers, signal: ends };
      const granted = await deviceGrant(entry.oauth, secret, onPrompt, tools);
      const { accessToken, expiresAt } = this.#keep(entry, await this.#refresher.login(entry, granted, secret));
      return { accessToken, expiresAt };
    } catch (error) {
      throw named(error, account, signal);
    }
  }

  /** A peer has refused this token before its time: the next `get` asks for another, unless it is new. */
  reject(account: TokenAccount, accessToken: string): void {
    const entry = this.#entryOf(account);
    if (entry.token?.accessToken !== accessToken || this.#wall() - entry.token.obtainedAt < YOUNG_MS) return;
    entry.rejected = accessToken;
    entry.token = undefined;
  }

  /** Takes no more questions and gives up what it waits for, but for the answer to a refresh token: 10 s at most. */
  async close(): Promise<void> {
    this.#closing.abort(new KeylaneError('ERR_CLOSED', 'the engine is closed'));
    await Promise.allSettled([...this.#entries.values()].map(({ flight }) => flight?.token));
  }

  async #any(entry: Entry, signal: AbortSignal | undefined): Promise<Token> {
    const state = this.#stateOf(entry);
    if (!entry.token || state === 'over') return this.#fetch(entry, false, signal);
    // Whoever waits for nothing hears of no failure: it is told of, and remembered.
    if (state === 'due') this.#fetch(entry, false, undefined).catch(ignored);
    return entry.token;
  }

  #stateOf({ token, tokenUntil }: Entry) {
    return token && this.#clock.now() < tokenUntil ? freshness(token, this.#wall()) : 'over';
  }

  async #fetch(entry: Entry, fresh: boolean, signal: AbortSignal | undefined): Promise<Token> {
    this.#closing.signal.throwIfAborted();
    const { setback } = entry;
    const now = this.#clock.now();
    if (setback && now < setback.until && now < entry.lookAgainAt) throw errorOf(setback, setback.until - now);
    // To run a command again and again for nothing costs more than a file.
    const runs = [entry.oauth.clientSecret, entry.oauth.refreshToken].some((secret) => secret?.startsWith('cmd:'));
    entry.lookAgainAt = now + (runs ? LOOK_AGAIN_MS * 30 : LOOK_AGAIN_MS);
    // One that takes another process's token is not what is asked for.
    if (fresh && entry.flight && !entry.flight.fresh) {
      const landed = entry.flight.token.then(ignored, ignored);
      await (signal ? orAborted(landed, signal) : landed);
    }
    entry.flight ??= this.#takeOff(entry, fresh);
    return signal ? orAborted(entry.flight.token, signal) : entry.flight.token;
  }

  #takeOff(entry: Entry, fresh: boolean) {
    const token = this.#refresh(entry, fresh).finally(() => {
      entry.flight = undefined;
    });
    return { token, fresh };
  }

  async #refresh(entry: Entry, fresh: boolean): Promise<DatedToken> {
    const since = fresh ? this.#wall() : Number.NEGATIVE_INFINITY;
    // One that is due itself is better than none, and no better than our own.
    const enough = this.#stateOf(entry) === 'over' ? ['fresh', 'due'] : ['fresh'];
    const token = await this.#refresher.refresh(
      entry,
      (one) =>
        one.obtainedAt >= since && one.accessToken !== entry.rejected && enough.includes(freshness(one, this.#wall())),
    );
    return this.#keep(entry, token);
  }

  #keep(entry: Entry, token: DatedToken): DatedToken {
    entry.token = token;
    entry.tokenUntil = this.#clock.now() + (token.lastUseAt - this.#wall());
    entry.setback = undefined;
    return token;
  }

  #entryOf(account: TokenAccount): Entry {
    const identity = account.oauth ? identityOf(account.oauth) : '';
    const known = this.#entries.get(identity);
    if (known) return known;
    const entry: Entry = {
      account: account.name,
      oauth: { ...checkOAuth(account) },
      identity,
      held: undefined,
      setback: undefined,
      token: undefined,
      tokenUntil: 0,
      flight: undefined,
      rejected: undefined,
      lookAgainAt: 0,
    };
    this.#entries.set(identity, entry);
    this.#makeRoom();
    return entry;
  }

  /** The oldest goes; not one that is being asked for, nor one that holds what is nowhere else. */
  #makeRoom(): void {
    if (this.#entries.size <= MOST_KEPT) return;
    for (const [identity, { flight, held }] of this.#entries) {
      if (flight || held) continue;
      this.#entries.delete(identity);
      return;
    }
  }
}

function ignored(): void {}
