import { KeylaneError } from '../errors.js';
import type { TokenAccount } from './settings.js';

/** For each who asked an error of their own, that names their account. */
export function named(error: unknown, account: TokenAccount, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted && error === signal.reason) return canceled(account, signal);
  if (!(error instanceof KeylaneError)) {
    const why = error instanceof Error ? `${error.name}${'code' in error ? ` ${String(error.code)}` : ''}` : 'unknown';
    return new KeylaneError('ERR_TOKEN', `account ${account.name}: no token could be had: ${why}`, {
      key: account.name,
    });
  }
  const { code, message, retryable, retryAfterMs } = error;
  return new KeylaneError(code, `account ${account.name}: ${message}`, {
    key: account.name,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

export function canceled(account: TokenAccount, signal: AbortSignal): KeylaneError {
  return new KeylaneError('ERR_CANCELED', undefined, { key: account.name, cause: signal.reason });
}
