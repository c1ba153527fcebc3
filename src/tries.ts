import type { Call } from './call.js';
import { KeylaneError } from './errors.js';
import type { Attempt } from './types.js';
import type { Clock } from './util/clock.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

export interface TryPolicy {
  attempts: number;
  idempotent: boolean;
  /** No try begins after it. */
  deadline: number;
  signal: AbortSignal | undefined;
}

export interface Tried {
  /** The last try, settled. */
  call: Call;
  attempts: number;
  history: Attempt[];
}

/**
 * Tries until an answer comes, the error is not one to try again for, or the policy says enough. Between tries it waits
 * a random time up to 500 ms, 1 s, 2 s … 30 s ("full jitter": M. Brooker, Exponential Backoff And Jitter, AWS 2015).
 */
export async function tryUntilSettled(
  start: () => Promise<Call>,
  policy: TryPolicy,
  clock: Clock,
  random: () => number,
): Promise<Tried> {
  const history: Attempt[] = [];
  let call = await start();
  for (;;) {
    const attempts = history.length + 1;
    const { error } = call;
    if (!error || attempts >= policy.attempts || !mayTryAgain(error, policy.idempotent)) break;
    const wait = backoffMs(attempts, random);
    if (clock.now() + wait >= policy.deadline || policy.signal?.aborted) break;
    await pause(wait, clock, policy.signal);
    if (policy.signal?.aborted) break;
    let next: Call;
    try {
      next = await start();
    } catch {
      // It could not be handed over (closed, saturated): what the last try said is what is known.
      break;
    }
    history.push({ outcome: error.outcome, code: error.code, message: error.message });
    call = next;
  }
  call.error = inTheLightOf(history, call.error);
  return { call, attempts: history.length + 1, history };
}

/** That the last try has not started says nothing of an earlier one that may have run. */
function inTheLightOf(history: readonly Attempt[], error: KeylaneError | undefined): KeylaneError | undefined {
  if (error?.outcome !== 'not_started' || history.every(({ outcome }) => outcome !== 'unknown')) return error;
  const { code, key, cause } = error;
  const message = `${error.message}; an earlier try may have run`;
  return new KeylaneError(code, message, { outcome: 'unknown', cause, ...(key === undefined ? {} : { key }) });
}

/** Trying again can help and does no harm: nothing reached the peer, or running twice is declared harmless. */
export function mayTryAgain(error: KeylaneError, idempotent: boolean): boolean {
  return error.retryable || (idempotent && error.outcome === 'unknown');
}

/** Milliseconds before try `attempts` + 1. */
export function backoffMs(attempts: number, random: () => number): number {
  return random() * Math.min(FIRST_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS);
}

function pause(ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      timer.cancel();
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const timer = clock.timer(ms, over);
    signal?.addEventListener('abort', over, { once: true });
  });
}
