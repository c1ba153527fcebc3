import type { ErrorCode } from '../errors.js';
import type { Sample } from './limiter.js';

/** As much of a try that is over as a limiter looks at; a Call is one. */
export interface Ended {
  readonly error: { readonly code: ErrorCode } | undefined;
  /** −1: it never got to a shard. */
  readonly shard: number;
  readonly reused: boolean;
  /** Microseconds in the shard: waiting for a stream, opening a connection, running. */
  readonly queuedUs: number;
  readonly openUs: number;
  readonly runUs: number;
}

/**
 * What a try says of its key. Its time is that of its run and of the wait for a stream: a key whose streams are all
 * taken has no use for more in flight. The opening counts only where most of a round had to open.
 */
export function signOfKey(ended: Ended, startedAt: number, now: number): Sample {
  const { error, openUs, reused } = ended;
  const cold = openUs > 0 || !reused;
  const us = ended.queuedUs + ended.runUs + (cold ? openUs : 0);
  const refused = error !== undefined && ended.shard >= 0 && PUSHED_BACK.has(error.code);
  return { startedAt, now, tookMs: us / 1000, answered: !error, refused, cold };
}

/** What it says of all keys together: that a host refuses is its own matter, but not that we have no room. */
export function signOfAll(ended: Ended, startedAt: number, now: number): Sample {
  const { error } = ended;
  const refused = error?.code === 'ERR_SATURATED';
  return { startedAt, now, tookMs: now - startedAt, answered: !error, refused, cold: false };
}

/** ERR_CONNECT is a refusal, and what sshd drops while it has too many log-ins (MaxStartups). */
const PUSHED_BACK: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_TIMEOUT', 'ERR_CONNECT', 'ERR_SATURATED']);
