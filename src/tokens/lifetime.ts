/** An access token and until when it may be used. */
export interface Token {
  readonly accessToken: string;
  /** Wall-clock milliseconds (`Date.now`), by this machine's clock. */
  readonly expiresAt: number;
}

/** A token with the times that decide about it. All are wall-clock milliseconds. */
export interface DatedToken extends Token {
  readonly obtainedAt: number;
  /** From then on a use sends for the next one, and takes this one still. */
  readonly refreshAt: number;
  /** From then on it is not handed out: it could expire on its way. */
  readonly lastUseAt: number;
}

/** Where the server does not say how long a token lasts (RFC 6749 § 5.1 leaves that open), or says no number over 0. */
const ASSUMED_MS = 300_000;
/** However long a server says that a token lasts. */
const LONGEST_MS = 86_400_000;
/** Clocks that differ, and the way to who checks it: a tenth of the lifetime, at most a minute. */
const SKEW = 0.1;
const MOST_SKEW_MS = 60_000;
/** At 70 to 80 % of its lifetime: shares of it, so that a token of a minute and one of a day are both in time. */
const REFRESH_FROM = 0.7;
const REFRESH_SPREAD = 0.1;
/** A clock that was set back by more than this makes a token from the future, of which nothing is known. */
const JUMP_MS = 5_000;

/** What is known of a new token. `random` is in [0, 1): it keeps many processes from refreshing at once. */
export function dated(accessToken: string, obtainedAt: number, lifetimeMs: number, random: number): DatedToken {
  const lasts = Number.isFinite(lifetimeMs) && lifetimeMs > 0 ? Math.min(lifetimeMs, LONGEST_MS) : ASSUMED_MS;
  const expiresAt = obtainedAt + lasts;
  return {
    accessToken,
    expiresAt,
    obtainedAt,
    refreshAt: obtainedAt + lasts * (REFRESH_FROM + REFRESH_SPREAD * random),
    lastUseAt: expiresAt - Math.min(lasts * SKEW, MOST_SKEW_MS),
  };
}

/** What a token is good for now. */
export function freshness(token: DatedToken, now: number): 'fresh' | 'due' | 'over' {
  if (now >= token.lastUseAt || now < token.obtainedAt - JUMP_MS) return 'over';
  return now < token.refreshAt ? 'fresh' : 'due';
}
