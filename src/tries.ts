import type { Call } from './call.js';
import { KeylaneError } from './errors.js';
import type { RetryBudget } from './retry-budget.js';
import type { Attempt, Outcome, Parsed, Spec } from './types.js';
import type { Clock } from './util/clock.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

export interface TryPolicy {
  key: string;
  attempts: number;
  idempotent: boolean;
  /** No try begins after it. */
  deadline: number;
  signal: AbortSignal | undefined;
  budget: RetryBudget;
  /** Milliseconds after which what was answered may be asked again; undefined where the answer is final. */
  again?: ((call: Call) => number | undefined) | undefined;
  /** Where there is not room for all to wait until a peer may be tried again. */
  waitingRoom?: WaitingRoom;
  /** Called before it waits for the next try. */
  pausing?: (() => void) | undefined;
  /** What is known of tries that were made before, by another process. */
  before?: readonly Attempt[];
}

export interface WaitingRoom {
  /** False where it is full. */
  enter(): boolean;
  leave(): void;
}

export interface Tried {
  /** The last try that was handed over, settled. */
  call: Call;
  /** Tries that were handed over. */
  attempts: number;
  history: Attempt[];
}

/**
 * Tries until a final answer comes, the error is not one to try again for, the policy says enough or the budget is spent.
 * Between tries it waits as long as the error or the answer says that it makes no sense, and a random time up to 500 ms, 1 s, 2 s …
 * 30 s ("full jitter": M. Brooker, Exponential Backoff And Jitter, AWS 2015).
 *
 * A try that cannot be handed over counts too. Rejects with what kept it from that if none was.
 */
export async function tryUntilSettled(
  start: () => Promise<Call>,
  policy: TryPolicy,
  clock: Clock,
  random: () => number,
): Promise<Tried> {
  if (policy.attempts > 1) policy.budget.requested();
  const history: Attempt[] = policy.before?.length ? [...policy.before] : [];
  let call: Call | undefined;
  for (let tries = 1; ; tries++) {
    let after: number | undefined;
    try {
      const next = await start();
      if (call) history.push(call.error ? attemptOf(call.error) : NOT_NOW);
      call = next;
      after = next.error ? againAfter(next.error, policy) : policy.again?.(next);
    } catch (thrown) {
      // What the last try said is what is known. Where there was none, this is.
      const wait = thrown instanceof KeylaneError ? againAfter(thrown, policy) : undefined;
      if (wait === undefined || !(await mayGoOn(wait, tries, policy, clock, random))) {
        if (!call) throw thrown;
        break;
      }
      continue;
    }
    if (after === undefined || !(await mayGoOn(after, tries, policy, clock, random))) break;
  }
  call.error = inTheLightOf(history, call.error);
  return { call, attempts: history.length + 1, history };
}

/** What is told of a try that the peer has answered, and wanted to be made later. */
const NOT_NOW: Attempt = Object.freeze({
  outcome: 'failed',
  code: 'NOT_NOW',
  message: 'the peer wants it to be tried later',
});

/** How long it makes no sense to try again; undefined where it never does. */
function againAfter(error: KeylaneError, { idempotent }: TryPolicy): number | undefined {
  return mayTryAgain(error, idempotent) ? (error.retryAfterMs ?? 0) : undefined;
}

/** When a spec wants an answer to be asked for again. One that cannot tell has no such wish. */
export function answerAgainAfter(
  spec: Pick<Spec, 'ok' | 'again'>,
  response: unknown,
  parsed: Parsed,
): number | undefined {
  if (!spec.again) return undefined;
  try {
    if (spec.ok(response)) return undefined;
    const ms = spec.again(response, parsed);
    return ms !== undefined && ms >= 0 ? ms : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves with true when it is time for the next try. */
async function mayGoOn(
  afterMs: number,
  tries: number,
  policy: TryPolicy,
  clock: Clock,
  random: () => number,
): Promise<boolean> {
  const { key, attempts, deadline, signal, budget, waitingRoom, pausing } = policy;
  if (tries >= attempts || signal?.aborted) return false;
  const wait = afterMs + backoffMs(tries, random);
  if (clock.now() + wait >= deadline || !budget.take(key)) return false;
  const room = afterMs > 0 ? waitingRoom : undefined;
  if (room && !room.enter()) return false;
  pausing?.();
  await pause(wait, clock, signal);
  room?.leave();
  return !signal?.aborted;
}

export function attemptOf({ outcome, code, message }: KeylaneError): Attempt {
  return { outcome, code, message };
}

/** That the last try has not started says nothing of an earlier one that may have run. */
export function inTheLightOf<E extends KeylaneError | undefined>(
  history: readonly Attempt[],
  error: E,
): E | KeylaneError {
  if (error?.outcome !== 'not_started' || history.every(({ outcome }) => outcome !== 'unknown')) return error;
  const { code, key, cause } = error;
  const message = `${error.message}; an earlier try may have run`;
  return new KeylaneError(code, message, { outcome: 'unknown', cause, ...(key === undefined ? {} : { key }) });
}

/** Can it have had an effect? `shard`: the last try's, −1 where it never left the main thread. */
export function mayHaveRun(outcome: Outcome | undefined, shard: number, history: readonly Attempt[]): boolean {
  return outcome !== 'not_started' && (shard >= 0 || history.some((earlier) => earlier.outcome === 'unknown'));
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
