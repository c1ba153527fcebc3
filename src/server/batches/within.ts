import type { Principal } from '../parts.js';
import type { RunOptions } from './query.js';

/** A batch asks for no more at once, and in a second, than its bearer may: each of its requests is one of theirs. */
export function within(options: RunOptions, { most }: Principal): RunOptions {
  const { perSecond, inFlight } = most;
  const { rate, concurrency } = options;
  return {
    ...options,
    ...(perSecond !== undefined && { rate: Math.min(rate ?? perSecond, perSecond) }),
    ...(inFlight !== undefined && {
      concurrency: typeof concurrency === 'number' ? Math.min(concurrency, inFlight) : inFlight,
    }),
  };
}
