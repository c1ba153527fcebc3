import type { Account } from './accounts/account.js';
import { accountIn, ofAccount } from './accounts/request.js';
import { KeylaneError } from './errors.js';
import type { Parsed, Spec } from './types.js';
import type { Clock } from './util/clock.js';
import { isThenable } from './util/thenable.js';

/** How long a spec is waited for. */
export interface PrepareBounds {
  deadline: number;
  signal: AbortSignal | undefined;
  /** What the request is known again by; see `Spec.parse`. */
  mark?: string | undefined;
}

/** Where accounts are found by their names. */
export interface AccountLookup {
  get(name: string): Promise<Account>;
}

/** True where there is nothing to do but to parse the request. On the path of every call. */
export function isReady(spec: Spec, request: unknown): boolean {
  return spec.resolve === undefined && accountIn(spec.name, request) === undefined;
}

/**
 * The request as its spec reads it, after what `resolve` has to do first, and with what its account says. Its time counts:
 * rejects with `ERR_TIMEOUT` at the deadline and `ERR_CANCELED` at the signal, whether `resolve` ever settles or not.
 */
export async function prepare(
  spec: Spec,
  request: unknown,
  bounds: PrepareBounds,
  clock: Clock,
  accounts: AccountLookup,
): Promise<Parsed> {
  const name = accountIn(spec.name, request);
  if (name !== undefined) {
    const account = await within(accounts.get(name), bounds, clock);
    const named = ofAccount(spec.name, account, request as Record<string, unknown>);
    const parsed = await prepare(spec, named.request, bounds, clock, accounts);
    return named.bounds ? { ...parsed, account: named.bounds } : parsed;
  }
  if (!spec.resolve) return parse(spec, request, bounds.mark);
  let resolved: unknown;
  try {
    const resolving = spec.resolve(request);
    resolved = isThenable(resolving) ? await within(Promise.resolve(resolving), bounds, clock) : resolving;
  } catch (thrown) {
    throw asInputError(spec, thrown);
  }
  return parse(spec, resolved, bounds.mark);
}

/** The request as its spec reads it. Whatever a spec throws is a KeylaneError here. */
export function parse(spec: Spec, request: unknown, mark?: string): Parsed {
  try {
    return spec.parse(request, mark);
  } catch (thrown) {
    throw asInputError(spec, thrown);
  }
}

function asInputError(spec: Spec, thrown: unknown): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  return new KeylaneError('ERR_INPUT', `the driver ${spec.name} cannot read the request: ${String(thrown)}`, {
    cause: thrown,
  });
}

function within<T>(resolving: Promise<T>, { deadline, signal }: PrepareBounds, clock: Clock): Promise<T> {
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    const late = () => reject(new KeylaneError('ERR_TIMEOUT', 'the deadline passed while the request was prepared'));
    const canceled = () => reject(new KeylaneError('ERR_CANCELED', undefined, { cause: signal?.reason }));
    const timer = deadline === Number.POSITIVE_INFINITY ? undefined : clock.timer(deadline - clock.now(), late);
    signal?.addEventListener('abort', canceled, { once: true });
    if (signal?.aborted) canceled();
    stop = () => {
      timer?.cancel();
      signal?.removeEventListener('abort', canceled);
    };
  });
  return Promise.race([resolving, stopped]).finally(stop);
}
