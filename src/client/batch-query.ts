import type { BatchOptions } from '../index.js';

/** As the library looks ahead: so many times the concurrency may wait for their key. */
const LOOK_AHEAD = 4;
/** The most that `auto` comes to. */
const MOST_AUTO = 2_000;

/** Options that are numbers, true or false, or words: each is a parameter of its own name. */
export const PLAIN_OPTIONS = [
  'concurrency',
  'concurrencyPerKey',
  'rate',
  'maxFailures',
  'canary',
  'window',
  'attempts',
  'timeoutMs',
  'timeoutFloorMs',
  'timeoutCeilingMs',
  'idempotent',
  'priority',
  'maxOutputTotal',
] as const;

/** Options of a batch as the query of `POST /v1/batches`. */
export function batchQuery(
  driver: string | undefined,
  options: BatchOptions<never>,
  more: Record<string, string> = {},
): string {
  const query = new URLSearchParams(more);
  if (driver !== undefined) query.set('driver', driver);
  for (const name of PLAIN_OPTIONS) {
    const value = options[name];
    if (value !== undefined) query.set(name, String(value));
  }
  for (const wave of options.waves ?? []) query.append('waves', wave);
  return query.toString();
}

/**
 * How many requests are taken ahead of their results. The service runs `concurrency` at once and looks as far ahead as
 * the library does for keys that have room; waves must be seen to their end before the first begins.
 */
export function windowOf({ concurrency = 'auto', waves }: BatchOptions<never>): number {
  if (waves) return Number.POSITIVE_INFINITY;
  return (1 + LOOK_AHEAD) * (concurrency === 'auto' ? MOST_AUTO : concurrency);
}
