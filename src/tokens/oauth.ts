import type { Configuration, CustomFetch } from 'openid-client';
import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { SingleFlight } from '../util/single-flight.js';
import { type Answered, exchange, shownUrl } from './http.js';
import { refusal } from './refusal.js';

/** With what a token is asked for. */
export type Grant =
  | { type: 'client_credentials' }
  | { type: 'refresh_token'; refreshToken: string }
  | { type: 'device_code'; deviceCode: string };

/**
 * What a server gave. The refresh token is there even where the rest of the answer is of no use: it may be the only one
 * that the server takes from now on. `pending`: a person has not decided yet (RFC 8628 § 3.5).
 */
export type Granted = { refreshToken?: string } & (
  | { kind: 'token'; accessToken: string /** NaN where the server does not say. */; lifetimeMs: number }
  | { kind: 'none'; error: KeylaneError }
  | { kind: 'pending'; slower: boolean }
);

/** What a device shows to a person (RFC 8628 § 3.2). */
export interface DeviceCode {
  deviceCode: string;
  userCode: string;
  verificationUri: string;
  verificationUriComplete: string | undefined;
  expiresInMs: number;
  intervalMs: number;
}

type Library = typeof import('openid-client');
type Metadata = ConstructorParameters<typeof Configuration>[0];

const DISCOVERY_KEPT_MS = 3_600_000;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * The only file that knows the OAuth library (openid-client). It makes the requests and judges the answers; what goes
 * over the wire, and for how long, is `exchange`'s. Loaded at the first use: 20 ms that a program without tokens saves.
 */
export class OAuthServers {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #known = new Map<string, { until: number; server: Metadata }>();
  readonly #discoveries = new SingleFlight<Metadata>();

  /** `signal` cuts what may be asked again without harm. */
  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Asks once. Rejects with a KeylaneError that names the server; the account's name is for who knows it to add. */
  async ask(oauth: AccountOAuth, grant: Grant, secret: string | undefined): Promise<Granted> {
    const { scope, audience } = oauth;
    // The answer to a refresh token may hold its only successor: that is waited for.
    const talk = new Talk(this.#clock, grant.type === 'refresh_token' ? undefined : this.#signal);
    const { library, config } = await this.#configured(oauth, secret, talk);
    const more = { ...(scope && grant.type !== 'device_code' ? { scope } : {}), ...(audience ? { audience } : {}) };
    try {
      const { access_token: accessToken, expires_in: seconds = Number.NaN } = await request(
        library,
        config,
        grant,
        more,
      );
      return { ...talk.rotated, kind: 'token', accessToken, lifetimeMs: seconds * 1_000 };
    } catch (thrown) {
      const word = wordOf(thrown);
      if (word === 'authorization_pending' || word === 'slow_down') {
        return { kind: 'pending', slower: word === 'slow_down' };
      }
      const error = talk.judge(thrown);
      if (talk.rotated.refreshToken === undefined) throw error;
      return { ...talk.rotated, kind: 'none', error };
    }
  }

  async deviceCode(oauth: AccountOAuth, secret: string | undefined): Promise<DeviceCode> {
    const { scope, audience } = oauth;
    const talk = new Talk(this.#clock, this.#signal);
    const { library, config } = await this.#configured(oauth, secret, talk);
    try {
      const given = await library.initiateDeviceAuthorization(config, {
        ...(scope ? { scope } : {}),
        ...(audience ? { audience } : {}),
      });
      return {
        deviceCode: given.device_code,
        userCode: given.user_code,
        verificationUri: given.verification_uri,
        verificationUriComplete: given.verification_uri_complete,
        expiresInMs: given.expires_in * 1_000,
        // RFC 8628 § 3.2: 5 where the server does not say.
        intervalMs: (given.interval ?? 5) * 1_000,
      };
    } catch (thrown) {
      throw talk.judge(thrown);
    }
  }

  async #configured(oauth: AccountOAuth, secret: string | undefined, talk: Talk) {
    const library = await import('openid-client');
    const { clientId, clientAuth = 'post' } = oauth;
    const server = await this.#server(library, oauth);
    const way = clientAuth === 'basic' ? library.ClientSecretBasic : library.ClientSecretPost;
    const config = new library.Configuration(server, clientId, undefined, secret ? way(secret) : library.None());
    prepare(library, config, talk);
    return { library, config };
  }

  async #server(library: Library, oauth: AccountOAuth): Promise<Metadata> {
    const { issuer, tokenUrl, deviceUrl } = oauth;
    if (issuer === undefined) {
      const at = tokenUrl as string;
      return { issuer: at, token_endpoint: at, ...(deviceUrl ? { device_authorization_endpoint: deviceUrl } : {}) };
    }
    const known = this.#known.get(issuer);
    if (known && this.#clock.now() < known.until) return known.server;
    return this.#discoveries.run(issuer, async () => {
      const server = await this.#discover(library, oauth, new URL(issuer));
      this.#known.set(issuer, { until: this.#clock.now() + DISCOVERY_KEPT_MS, server });
      return server;
    });
  }

  /** At the place of OpenID Connect, else at that of RFC 8414. */
  async #discover(library: Library, oauth: AccountOAuth, issuer: URL): Promise<Metadata> {
    for (const algorithm of ['oidc', 'oauth2'] as const) {
      const talk = new Talk(this.#clock, this.#signal);
      try {
        const config = await library.discovery(issuer, oauth.clientId, undefined, library.None(), {
          algorithm,
          [library.customFetch]: talk.fetch,
          execute: [library.allowInsecureRequests],
        });
        return checked(issuer, config.serverMetadata());
      } catch (thrown) {
        if (thrown instanceof KeylaneError) throw thrown;
        if (algorithm === 'oauth2' || talk.last?.status !== 404) throw talk.judge(thrown);
      }
    }
    throw new Error('unreachable');
  }
}

/** One request and its answer, as the library's `fetch`. */
class Talk {
  last: Answered | undefined = undefined;
  rotated: { refreshToken?: string } = {};
  #at = '';
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;

  constructor(clock: Clock, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#signal = signal;
  }

  readonly fetch: CustomFetch = async (url, { method, headers, body }) => {
    const at = new URL(url);
    this.#at = shownUrl(at);
    const init = { method, headers, body: body == null ? undefined : String(body) };
    const answer = await exchange(at, init, this.#clock, this.#signal);
    this.last = answer;
    const readable = answer.status === 200 ? this.#usable(answer.body) : answer.body;
    // A Response of these statuses must have no body.
    const empty = answer.status === 204 || answer.status === 205 || answer.status === 304;
    return new Response(empty ? null : readable, {
      status: answer.status,
      headers: { 'content-type': answer.contentType },
    });
  };

  /** The KeylaneError for what the library threw. Nothing of the library's error is kept: it holds request and answer. */
  judge(thrown: unknown): KeylaneError {
    for (let at = thrown; at instanceof Error; at = at.cause) if (at instanceof KeylaneError) return at;
    if (!this.last) return new KeylaneError('ERR_CONFIG', 'the token server cannot be asked; look at `oauth`');
    const { status, retryAfterMs } = this.last;
    return refusal(this.#at, { status, word: wordOf(thrown), retryAfterMs });
  }

  /**
   * The answer without what the library would refuse it for, and we do not need: a lifetime that is no number, an ID token
   * of an issuer that nobody named. To refuse it would lose the refresh token in it, so that is noted first.
   */
  #usable(body: string): string {
    const answer = objectIn(body);
    if (!answer) return body;
    const { id_token: _, expires_in: lifetime, ...rest } = answer;
    if (typeof rest.refresh_token === 'string' && rest.refresh_token !== '')
      this.rotated.refreshToken = rest.refresh_token;
    const says = Number.isFinite(Number(lifetime)) && Number(lifetime) > 0;
    return JSON.stringify({ ...rest, ...(says ? { expires_in: Number(lifetime) } : {}) });
  }
}

function prepare(library: Library, config: Configuration, talk: Talk): void {
  // `exchange` decides what is safe, and bounds the time.
  library.allowInsecureRequests(config);
  config[library.customFetch] = talk.fetch;
  config.timeout = 0;
}

function request(library: Library, config: Configuration, grant: Grant, more: Record<string, string>) {
  switch (grant.type) {
    case 'client_credentials':
      return library.clientCredentialsGrant(config, more);
    case 'refresh_token':
      return library.refreshTokenGrant(config, grant.refreshToken, more);
    case 'device_code':
      return library.genericGrantRequest(config, DEVICE_GRANT, { ...more, device_code: grant.deviceCode });
    default:
      return grant satisfies never;
  }
}

/** A server of TLS must not send secrets to a plain port of this machine. */
function checked(issuer: URL, server: Metadata): Metadata {
  for (const endpoint of [server.token_endpoint, server.device_authorization_endpoint]) {
    if (endpoint === undefined || new URL(endpoint).protocol === issuer.protocol) continue;
    if (new URL(endpoint).protocol === 'https:') continue;
    const text = `the issuer ${shownUrl(issuer)} names an endpoint that is not https`;
    throw new KeylaneError('ERR_TOKEN', text, { retryable: false });
  }
  return server;
}

function wordOf(thrown: unknown): string | undefined {
  const word = thrown instanceof Error && 'error' in thrown ? thrown.error : undefined;
  return typeof word === 'string' ? word : undefined;
}

function objectIn(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
