import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import type { Account } from './account.js';

/** How accounts are tried out. Each rejects where the account does not work, and stops at the signal. */
export interface Verifiers {
  /** Gets an access token, for an account with `oauth`. */
  token(account: Account, signal: AbortSignal): Promise<unknown>;
  /** Opens a connection, for an account without. */
  connection(account: Account, signal: AbortSignal): Promise<unknown>;
}

export interface VerifyOptions {
  /** Accounts at once. @default 128 */
  concurrency?: number;
  /** Milliseconds for each. @default 30_000 */
  timeoutMs?: number;
  /** Ends it early: what has no verdict by then gets `ERR_CANCELED`. */
  signal?: AbortSignal;
}

export interface AccountVerdict {
  name: string;
  driver: string;
  /** What was tried. */
  tried: 'token' | 'connection';
  ok: boolean;
  /** Why not. */
  error?: KeylaneError;
  ms: number;
}

const CONCURRENCY = 128;
const TIMEOUT_MS = 30_000;

/** Tries all of them, so many at once: when one is done the next begins, nothing waits for a round to be over. */
export async function verifyAll(
  accounts: readonly Account[],
  verifiers: Verifiers,
  { concurrency = CONCURRENCY, timeoutMs = TIMEOUT_MS, signal }: VerifyOptions,
  clock: Clock,
): Promise<AccountVerdict[]> {
  checkWhole('concurrency', concurrency, 10_000);
  checkWhole('timeoutMs', timeoutMs, 86_400_000);
  const verdicts: AccountVerdict[] = [];
  const waiting = accounts.entries();
  const work = async () => {
    for (const [index, account] of waiting)
      verdicts[index] = await verdictOf(account, verifiers, timeoutMs, signal, clock);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, accounts.length) }, work));
  return verdicts;
}

async function verdictOf(
  account: Account,
  verifiers: Verifiers,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<AccountVerdict> {
  const { name, driver, oauth } = account;
  const tried = oauth ? 'token' : 'connection';
  const since = clock.now();
  const verdict = (error?: KeylaneError): AccountVerdict => {
    const ms = Math.round(clock.now() - since);
    return { name, driver, tried, ok: error === undefined, ...(error && { error }), ms };
  };
  try {
    await within(timeoutMs, signal, clock, (stop) => verifiers[tried](account, stop));
    return verdict();
  } catch (thrown) {
    if (thrown instanceof KeylaneError) return verdict(thrown);
    return verdict(new KeylaneError('ERR_CONNECT', `${name}: ${String(thrown)}`, { key: name, cause: thrown }));
  }
}

/** Ends at the time-out and at the caller's signal, whether the work ever does or not. */
async function within<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const canceled = () => stop.abort(new KeylaneError('ERR_CANCELED', undefined, { cause: signal?.reason }));
  const late = () => stop.abort(new KeylaneError('ERR_TIMEOUT', `no answer within ${timeoutMs} ms`));
  if (signal?.aborted) canceled();
  stop.signal.throwIfAborted();
  const timer = clock.timer(timeoutMs, late);
  signal?.addEventListener('abort', canceled, { once: true });
  try {
    return await new Promise<T>((resolve, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true });
      work(stop.signal).then(resolve, reject);
    });
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', canceled);
  }
}

function checkWhole(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new KeylaneError('ERR_INPUT', `\`${name}\` must be a whole number from 1 to ${most}, not ${String(value)}`);
}
