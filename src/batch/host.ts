import type { LearnedTimeouts } from '../adaptive/timeouts.js';
import type { DriverCache } from '../cache/driver-cache.js';
import type { CachePlan } from '../cache/plan.js';
import type { Call, CallEvents } from '../call.js';
import type { KeylaneError } from '../errors.js';
import type { RequestMeter } from '../meter.js';
import type { RetryBudget } from '../retry-budget.js';
import type { Parsed } from '../types.js';
import type { Clock } from '../util/clock.js';
import type { Slots } from './slots.js';

/** What a batch needs of its engine: the clock and the budget are the engine's, the rest is of one driver. */
export interface BatchHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly retries: RetryBudget;
  /** What `concurrency: 'auto'` may grow to, at most. */
  readonly most: number;
  /** What is known of the driver's keys, for `timeoutMs: 'auto'`. */
  readonly timeouts: LearnedTimeouts;
  /** Takes a request apart, within its bounds; rejects or throws `ERR_INPUT`. */
  parse(request: unknown, bounds: ParseBounds): Parsed | Promise<Parsed>;
  ok(response: unknown): boolean;
  /** Milliseconds after which an answer that is not ok may be asked for again; undefined where it is final. */
  again?: ((response: unknown, parsed: Parsed) => number | undefined) | undefined;
  /** Starts one try. Throws what keeps it from being handed over. */
  submit(parsed: Parsed, how: SubmitHow, events: CallEvents): Call;
  credit(call: Call, bytes: number): void;
  /** Takes back the tries of a signal that still wait for admission: nothing of them has left. */
  recall?(signal: AbortSignal, why: () => KeylaneError): void;
  /** What is remembered; a prewarm has none. */
  readonly cache?: Pick<DriverCache, 'plan' | 'look' | 'heard' | 'forget'>;
  /** Who counts what became of the requests; a prewarm has none. */
  readonly meter?: Pick<RequestMeter, 'result'> | undefined;
  /** Where the places of a batch are found while it has requests in flight; a prewarm is not looked at. */
  readonly slots?: Set<Slots> | undefined;
  /** The same for another driver, where requests may name theirs. Throws `ERR_INPUT` for one that there is not. */
  of?(driver: string): BatchHost;
}

export interface ParseBounds {
  deadline: number;
  signal: AbortSignal | undefined;
  /** See `Spec.parse`. */
  mark?: string | undefined;
}

export interface SubmitHow {
  deadline: number;
  signal: AbortSignal;
  priority: number;
  labels: readonly string[] | undefined;
  plan?: CachePlan | undefined;
}
