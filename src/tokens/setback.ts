import { type ErrorCode, KeylaneError } from '../errors.js';

/** Why an account has no token, and until when nobody asks again. A server that said no is not asked in a loop. */
export interface Setback {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  /** In a row. */
  readonly times: number;
  readonly forMs: number;
}

/** The account has to be put right by a person: until then every question is in vain. */
const REFUSED_MS = 30_000;
const MOST_REFUSED_MS = 600_000;
const BUSY_MS = 1_000;
const MOST_BUSY_MS = 60_000;
/** What a reference leads to is looked at on this machine. */
const UNREADABLE_MS = 1_000;

/** `times`: how many there have been in a row, this one included. `random` is in [0, 1). */
export function setbackOf(error: KeylaneError, times: number, random: number): Setback {
  const { code, message, retryable, retryAfterMs = 0 } = error;
  return { code, message, retryable, times, forMs: forMs() };

  function forMs(): number {
    if (code === 'ERR_INPUT') return UNREADABLE_MS;
    if (!retryable) return doubled(REFUSED_MS, MOST_REFUSED_MS);
    // Many processes that were refused at once must not come back at once.
    return Math.max(retryAfterMs, doubled(BUSY_MS, MOST_BUSY_MS)) * (1 + random / 4);
  }
  function doubled(first: number, most: number): number {
    return Math.min(first * 2 ** (times - 1), most);
  }
}

/** Longer than any of them: a record that says more was written by another clock. */
export const LONGEST_SETBACK_MS = MOST_REFUSED_MS * 1.25;

export function errorOf({ code, message, retryable }: Omit<Setback, 'times' | 'forMs'>, leftMs: number): KeylaneError {
  return new KeylaneError(code, message, { retryable, ...(retryable ? { retryAfterMs: Math.ceil(leftMs) } : {}) });
}
