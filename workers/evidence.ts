import type { KeylaneError } from '../src/errors.js';

/**
 * What a failed open says of its peer.
 *
 * failed    it cannot be connected to: nothing listens, no answer, cut before the log-in, its process does not serve
 * refused   it answered, and does not take us for who we are
 * reached   it answered; that we did not come to terms is another matter (host key, certificate, algorithms), and tomorrow
 *           the same
 * unclear   nothing: the cause lies on our side, with the resolver, or with a host on the way; it was not asked at all, since
 *           its address is not one that may be connected to, or what it would be told is too large
 */
export type Evidence = 'failed' | 'refused' | 'reached' | 'unclear';

/** `key` is the peer's. */
export function evidenceOf(error: KeylaneError, key: string): Evidence {
  // A host on the way that refuses us says nothing of what this host thinks of us.
  if (error.local || (error.key !== undefined && error.key !== key)) return 'unclear';
  switch (error.code) {
    case 'ERR_AUTH':
      return 'refused';
    case 'ERR_HOST_KEY':
      return 'reached';
    case 'ERR_CONNECT':
    case 'ERR_CONNECTION_LOST':
    case 'ERR_PROTOCOL':
    case 'ERR_TIMEOUT':
    case 'ERR_TLS':
      return error.retryable || error.outcome === 'unknown' ? 'failed' : 'reached';
    case 'ERR_SPAWN':
      // Its driver knows when the next try makes sense, and made none.
      if (error.retryAfterMs !== undefined) return 'unclear';
      return error.retryable ? 'failed' : 'reached';
    default:
      return 'unclear';
  }
}
