import type { SmtpAccess } from '../smtp-types.js';
import type { HostKeys } from '../ssh-types.js';

/**
 * What keylane knows of a host or a mailbox that it works with, under a name of its own. No secret is in it: where one is
 * needed there is a reference, `env:NAME`, `file:/PATH`, or `cmd:COMMAND` where the configuration allows commands.
 */
export interface Account {
  /** What it is called: letters, digits, . _ - + = @ and :, at most 255. */
  name: string;
  /** The driver that it is for: `ssh`, `smtp`, … */
  driver: string;
  endpoint: AccountEndpoint;
  /** The user or mailbox that logs in. */
  user?: string;
  /** Paths of private keys (`ssh`): absolute, or beginning with `~/`. */
  identity?: string | readonly string[];
  /** References, never the secrets themselves. */
  secrets?: { password?: string; passphrase?: string };
  /** Where its access tokens come from; not with `ssh`. */
  oauth?: AccountOAuth;
  limits?: AccountLimits;
  /** Words to choose accounts by. Its requests carry them, so `limits.groups` of the engine bounds them. */
  labels?: readonly string[];
}

export interface AccountEndpoint {
  /** Host name or address. */
  host: string;
  port?: number;
  /** Hosts to go through (`ssh`): `user@bastion:22,inner`. */
  jump?: string;
  /** Paths of known_hosts files (`ssh`). */
  knownHosts?: string | readonly string[];
  /** What becomes of an unknown host's key (`ssh`). */
  hostKeys?: HostKeys;
  /** How the connection is secured (`smtp`). @default 'implicit' on port 465, else 'starttls' */
  tls?: NonNullable<SmtpAccess['tls']>;
  /** Path of a PEM file with the certificates that are trusted (`smtp`). */
  ca?: string;
  /** The name that the certificate must have (`smtp`). @default `host` */
  servername?: string;
  /** How it logs in (`smtp`). @default by a token with `oauth`, else by password as the server offers */
  auth?: NonNullable<SmtpAccess['auth']>;
  /** What we call ourselves (`smtp`, EHLO). */
  clientName?: string;
  /** The local address to send from (`smtp`). */
  sourceAddress?: string;
  /** What is known of a provider (`smtp`). */
  preset?: NonNullable<SmtpAccess['preset']>;
}

/** OAuth 2.0 (RFC 6749, RFC 8628). Exactly one of `tokenUrl` and `issuer`. */
export interface AccountOAuth {
  grant: 'client_credentials' | 'refresh_token' | 'device';
  /** Where tokens are asked for: https, or http on a loopback address. */
  tokenUrl?: string;
  /** Whose published configuration names the addresses (OpenID Connect Discovery, RFC 8414). */
  issuer?: string;
  /** Of the grant `device` with `tokenUrl`: where a device asks for its code. */
  deviceUrl?: string;
  clientId: string;
  /** A reference. `client_credentials` needs it. */
  clientSecret?: string;
  /** How the client's secret is sent: in the body, or as HTTP basic authentication. @default 'post' */
  clientAuth?: 'post' | 'basic';
  /** A reference; a `file:` where the server gives a new one at each use. `refresh_token` and `device` need it. */
  refreshToken?: string;
  /** Words with a space between. */
  scope?: string;
  audience?: string;
}

/** What each request of the account is held to. */
export interface AccountLimits {
  /** The longest that a try of a request may take; a shorter time-out of the call goes before. */
  timeoutMs?: number;
  /** The most that is kept of each of stdout and stderr (`ssh`); less may be asked for. */
  maxOutputBytes?: number;
  /** Connections at once (`smtp`). @default the preset's, else the engine's */
  connections?: number;
  /** Messages a minute (`smtp`). @default the preset's, else the engine's */
  messagesPerMinute?: number;
  /** Recipients in 24 hours (`smtp`). @default the preset's, else the engine's */
  recipientsPerDay?: number;
}

/** What `set` changes: a field that is given takes the place of the old one, null takes it away, objects field by field. */
export type AccountChange = {
  [Field in keyof Omit<Account, 'name'>]?: Change<Account[Field]> | null;
};

type Change<T> = T extends readonly unknown[] | string ? T : T extends object ? { [K in keyof T]?: T[K] | null } : T;

/** Which accounts: those for whom all of it holds. */
export interface AccountFilter {
  driver?: string;
  /** Labels that they all must have. */
  labels?: readonly string[];
}
