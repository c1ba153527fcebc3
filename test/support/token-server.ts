import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { systemClock } from '../../src/util/clock.js';
import { portOf } from './ports.js';

/** What a test wants the server to do instead of answering well. It is used up by one token request. */
export type TokenFault =
  | { status: number; headers?: Record<string, string>; body?: string }
  /** Takes the request, does what it asks for, and cuts the connection without a word. */
  | 'cut'
  | 'hang'
  /** Headers at once, then a body without end, as slow as it is read. */
  | 'huge'
  /** Headers and half of a body, then silence. */
  | 'half';

export interface TokenServerOptions {
  address?: string;
  /** Milliseconds until it answers. */
  latencyMs?: number;
  /** A new refresh token at each use; a second use of an old one revokes the whole login (RFC 9700 § 4.14.2). */
  rotate?: boolean;
  /** Seconds, or anything else, as `expires_in`; undefined leaves it out. @default 3_600 */
  expiresIn?: unknown;
  clientId?: string;
  clientSecret?: string;
  /** Put into each answer beside the rest. */
  also?: Record<string, unknown>;
  /** The same for the answers to devices. */
  device?: Record<string, unknown>;
}

export interface TokenServer {
  readonly url: string;
  readonly tokenUrl: string;
  readonly deviceUrl: string;
  /**
   * Requests that came, by kind; `reused` those with a refresh token that had been used before; `mostInFlight` the token
   * requests at once, at most; `halves` bodies that were begun and not ended.
   */
  readonly counts: {
    token: number;
    device: number;
    discovery: number;
    reused: number;
    mostInFlight: number;
    halves: number;
  };
  /** What was asked for, in order. */
  readonly asked: { form: URLSearchParams; authorization: string | undefined }[];
  /** Access tokens that it gave. */
  readonly given: string[];
  /** What the next token requests get instead of a token, each one. */
  readonly faults: TokenFault[];
  /** How it answers from now on. */
  readonly options: TokenServerOptions;
  /** A refresh token of a new login. */
  login(): string;
  revoke(refreshToken: string): void;
  /** Token requests are not answered until the function that it gives is called. */
  hold(): () => void;
  /** Resolves when so many token requests have come. */
  came(requests: number): Promise<void>;
  /** What the person with the device says; undefined until they do. */
  decision: 'yes' | 'no' | undefined;
  stop(): Promise<void>;
}

interface Login {
  revoked: boolean;
}

/** A real OAuth 2 token server on a loopback address: client credentials, refresh tokens, device codes, discovery. */
export async function startTokenServer(given: TokenServerOptions = {}): Promise<TokenServer> {
  const options: TokenServerOptions = { address: '127.0.0.1', clientId: 'client', clientSecret: 's3cret', ...given };
  if (!('expiresIn' in given)) options.expiresIn = 3_600;
  const counts = { token: 0, device: 0, discovery: 0, reused: 0, mostInFlight: 0, halves: 0 };
  const asked: TokenServer['asked'] = [];
  const tokens: string[] = [];
  const faults: TokenFault[] = [];
  const logins = new Map<string, { login: Login; used: boolean }>();
  const waiting: { requests: number; tell: () => void }[] = [];
  let held: Promise<void> | undefined;
  let inFlight = 0;
  const self = { decision: undefined as TokenServer['decision'] };

  const newRefreshToken = (login: Login) => {
    const token = `refresh-${randomUUID()}`;
    logins.set(token, { login, used: false });
    return token;
  };

  /** What the request gets: a status and an answer. */
  function grant(form: URLSearchParams, authorization: string | undefined): [number, Record<string, unknown>] {
    const basic = authorization?.startsWith('Basic ')
      ? Buffer.from(authorization.slice(6), 'base64').toString().split(':').map(decodeURIComponent)
      : [form.get('client_id'), form.get('client_secret')];
    if (basic[0] !== options.clientId || (basic[1] ?? undefined) !== options.clientSecret) {
      return [401, { error: 'invalid_client', error_description: `the secret ${basic[1]} is wrong` }];
    }
    let refreshToken: string | undefined;
    switch (form.get('grant_type')) {
      case 'client_credentials':
        break;
      case 'refresh_token': {
        const sent = form.get('refresh_token') ?? '';
        const known = logins.get(sent);
        if (known?.used) {
          counts.reused++;
          known.login.revoked = true;
        }
        if (!known || known.login.revoked) {
          return [400, { error: 'invalid_grant', error_description: `the token ${sent} is not valid` }];
        }
        if (options.rotate) {
          known.used = true;
          refreshToken = newRefreshToken(known.login);
        }
        break;
      }
      default:
        if (self.decision === undefined) return [400, { error: 'authorization_pending' }];
        if (self.decision === 'no') return [400, { error: 'access_denied' }];
        refreshToken = newRefreshToken({ revoked: false });
    }
    const accessToken = `access-${randomUUID()}`;
    tokens.push(accessToken);
    return [
      200,
      {
        access_token: accessToken,
        token_type: 'Bearer',
        ...(options.expiresIn === undefined ? {} : { expires_in: options.expiresIn }),
        ...(refreshToken ? { refresh_token: refreshToken } : {}),
        ...options.also,
      },
    ];
  }

  async function token(request: IncomingMessage, response: ServerResponse) {
    const form = new URLSearchParams(await bodyOf(request));
    asked.push({ form, authorization: request.headers.authorization });
    counts.token++;
    for (const one of waiting) if (counts.token >= one.requests) one.tell();
    counts.mostInFlight = Math.max(counts.mostInFlight, ++inFlight);
    await held;
    const { latencyMs } = options;
    if (latencyMs) await new Promise<void>((resolve) => systemClock.timer(latencyMs, resolve));
    inFlight--;
    const fault = faults.shift();
    if (fault === 'hang') return;
    if (fault === 'huge' || fault === 'half') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"access_token":"', () => counts.halves++);
      if (fault === 'half') return;
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', more);
      more();
      return;
    }
    if (typeof fault === 'object') {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
      response.end(fault.body ?? '{}');
      return;
    }
    const [status, answer] = grant(form, request.headers.authorization);
    if (fault === 'cut') request.socket.destroy();
    else json(response, status, answer);
  }

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://server');
    if (pathname === '/token') {
      void token(request, response);
    } else if (pathname === '/device') {
      counts.device++;
      void bodyOf(request).then(() =>
        json(response, 200, {
          device_code: `device-${randomUUID()}`,
          user_code: 'WDJB-MJHT',
          verification_uri: `${url}/activate`,
          verification_uri_complete: `${url}/activate?code=WDJB-MJHT`,
          expires_in: 600,
          interval: 5,
          ...options.device,
        }),
      );
    } else if (pathname.startsWith('/.well-known/')) {
      counts.discovery++;
      if (pathname.endsWith('openid-configuration')) return json(response, 404, {});
      const endpoints = { token_endpoint: `${url}/token`, device_authorization_endpoint: `${url}/device` };
      json(response, 200, { issuer: url, ...endpoints, ...options.also });
    } else {
      json(response, 404, {});
    }
  });
  // A test that keeps the event loop to itself for as long as that would find the connection closed that it asks on next.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, options.address, resolve));
  const url = `http://${options.address}:${portOf(server)}`;

  return Object.assign(self, {
    url,
    tokenUrl: `${url}/token`,
    deviceUrl: `${url}/device`,
    counts,
    asked,
    given: tokens,
    faults,
    options,
    login: () => newRefreshToken({ revoked: false }),
    revoke(refreshToken: string) {
      const known = logins.get(refreshToken);
      if (known) known.login.revoked = true;
    },
    hold() {
      let release!: () => void;
      held = new Promise((resolve) => {
        release = resolve;
      });
      return () => {
        held = undefined;
        release();
      };
    },
    came: (requests: number) =>
      new Promise<void>((tell) => {
        if (counts.token >= requests) tell();
        else waiting.push({ requests, tell });
      }),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const part of request.setEncoding('utf8')) body += part;
  return body;
}

function json(response: ServerResponse, status: number, answer: Record<string, unknown>): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(answer));
}
