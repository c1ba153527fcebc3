import type { Outcome, Stopped } from './types.js';

/** What each code means, and what it says of the request unless the thrower knows better. docs/errors.md has a row for each. */
export const ERRORS = {
  ERR_INPUT: { outcome: 'not_started', retryable: false, says: 'the request is not valid' },
  ERR_CONFIG: { outcome: 'not_started', retryable: false, says: 'an option is not valid' },
  ERR_CONFIG_UNSUPPORTED: {
    outcome: 'not_started',
    retryable: false,
    says: 'a configuration asks for what keylane cannot do',
  },
  ERR_EXISTS: { outcome: 'not_started', retryable: false, says: 'there is one of this name already' },
  ERR_SATURATED: { outcome: 'not_started', retryable: true, says: 'too many requests are waiting' },
  ERR_TIMEOUT: { outcome: 'not_started', retryable: true, says: 'the deadline passed' },
  ERR_CANCELED: { outcome: 'canceled', retryable: false, says: 'the caller canceled the request' },
  ERR_STOPPED: { outcome: 'not_started', retryable: false, says: 'the batch was stopped before it' },
  ERR_INTERRUPTED: {
    outcome: 'unknown',
    retryable: false,
    says: 'the process ended while it was in flight: it may have run',
  },
  ERR_CLOSED: { outcome: 'not_started', retryable: false, says: 'the engine is closed' },
  ERR_DNS: { outcome: 'not_started', retryable: true, says: 'the host name could not be looked up' },
  ERR_CONNECT: { outcome: 'not_started', retryable: true, says: 'the connection could not be opened' },
  ERR_BREAKER_OPEN: {
    outcome: 'not_started',
    retryable: true,
    says: 'the peer failed so often that it is not tried for a while',
  },
  ERR_AUTH: { outcome: 'not_started', retryable: false, says: 'the peer refused who we are' },
  ERR_AUTH_EXPIRED: { outcome: 'not_started', retryable: false, says: 'the account must be authorized anew' },
  ERR_TOKEN: { outcome: 'not_started', retryable: true, says: 'no access token could be had from the token server' },
  ERR_HOST_KEY: { outcome: 'not_started', retryable: false, says: "the host's key is unknown or wrong" },
  ERR_TLS: {
    outcome: 'not_started',
    retryable: false,
    says: 'no TLS with the peer, or its certificate does not verify',
  },
  ERR_DENIED: { outcome: 'not_started', retryable: false, says: 'the address is not one that may be connected to' },
  ERR_SPAWN: { outcome: 'not_started', retryable: true, says: 'the command could not be started, or did not serve' },
  ERR_TOO_LARGE: { outcome: 'not_started', retryable: false, says: 'the message is larger than the peer takes' },
  ERR_CONNECTION_LOST: { outcome: 'unknown', retryable: false, says: 'the connection was lost before an answer' },
  ERR_PROTOCOL: { outcome: 'unknown', retryable: false, says: 'the peer broke its protocol' },
  ERR_PASSPHRASE: { outcome: 'not_started', retryable: false, says: 'the passphrase does not open the key' },
  ERR_SUDO: { outcome: 'not_started', retryable: false, says: 'sudo refused to run the command' },
  ERR_SHARD_DIED: { outcome: 'unknown', retryable: false, says: 'the shard died with the request in flight' },
  ERR_QUARANTINED: { outcome: 'not_started', retryable: false, says: "the key's requests killed their shard" },
  ERR_SHARD_UNAVAILABLE: { outcome: 'not_started', retryable: true, says: 'the shard does not start' },
  ERR_STORE_CORRUPT: { outcome: 'not_started', retryable: false, says: 'what is stored is damaged' },
  ERR_STORE_BUSY: { outcome: 'not_started', retryable: true, says: 'the store cannot be used now' },
  ERR_STORE_FULL: { outcome: 'not_started', retryable: false, says: 'the disk of the store is full' },
  ERR_UNAUTHENTICATED: { outcome: 'not_started', retryable: false, says: 'the service needs a valid bearer token' },
  ERR_FORBIDDEN: { outcome: 'not_started', retryable: false, says: 'the token is not for this' },
  ERR_NOT_FOUND: { outcome: 'not_started', retryable: false, says: 'there is no such thing' },
  ERR_QUOTA: { outcome: 'not_started', retryable: true, says: "the token's quota is used up" },
} as const satisfies Record<string, { outcome: Outcome; retryable: boolean; says: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface KeylaneErrorOptions {
  /** @default the code's */
  outcome?: Outcome;
  /** @default true where the outcome is `not_started` and the code's cause may pass */
  retryable?: boolean;
  key?: string;
  retryAfterMs?: number;
  /** What is wrong with lines of an input, one by one. */
  errors?: readonly { line: number; detail: string }[];
  /** @default true where the cause is an error of this machine (`EMFILE`, `ENETUNREACH`, …) */
  local?: boolean;
  stopped?: Stopped;
  cause?: unknown;
}

/**
 * Every error that keylane throws or rejects with. `code` is the contract; the message is for people and may change.
 *
 * `retryable` is true where trying again can help and nothing reached the peer.
 */
export class KeylaneError extends Error {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  /** The host or account it is about; undefined where it is about none. */
  readonly key: string | undefined;
  /** There where it is known how long it makes no sense to try again. */
  declare readonly retryAfterMs?: number;
  /** There where an input of many lines was refused: what is wrong with the first of those that are bad. */
  declare readonly errors?: readonly { line: number; detail: string }[];
  /** There where the cause lies on this side or on the way, and says nothing of the peer. @internal */
  declare readonly local?: true;
  /** There where the request was stopped after it had begun to run. */
  declare readonly stopped?: Stopped;

  constructor(code: ErrorCode, message?: string, options: KeylaneErrorOptions = {}) {
    super(message ?? ERRORS[code].says, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'KeylaneError';
    this.code = code;
    this.outcome = options.outcome ?? ERRORS[code].outcome;
    this.retryable = options.retryable ?? (this.outcome === 'not_started' && MAY_PASS.has(code));
    this.key = options.key;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
    if (options.errors !== undefined) this.errors = options.errors;
    if (options.local ?? isLocal(options.cause)) this.local = true;
    if (options.stopped !== undefined) this.stopped = options.stopped;
  }
}

/** Codes whose cause may be gone at the next try. */
const MAY_PASS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_SATURATED',
  'ERR_TIMEOUT',
  'ERR_DNS',
  'ERR_CONNECT',
  'ERR_BREAKER_OPEN',
  'ERR_TOKEN',
  'ERR_SPAWN',
  'ERR_CONNECTION_LOST',
  'ERR_PROTOCOL',
  'ERR_SHARD_DIED',
  'ERR_SHARD_UNAVAILABLE',
  'ERR_STORE_BUSY',
  'ERR_QUOTA',
]);

/**
 * What the kernel says of this machine, not of the one that is connected to. (errno(3), connect(2), socket(2)) Without
 * EHOSTUNREACH: that is how a host that is off looks to its own network, where nobody answers for its address. Where it
 * is our way that is broken instead, the host is let alone for a while in which it cannot be reached anyway.
 */
const LOCAL: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAGAIN',
  'EAI_AGAIN',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EPERM',
]);

function isLocal(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && LOCAL.has(cause.code);
}
