import type { EngineStats, Histogram } from '../../index.js';
import type { HttpStats } from './http.js';
import { quantile } from './quantile.js';
import type { Lately as LatelyStats } from './stats.js';

/** What is looked at, of a sample. */
interface Seen {
  readonly at: number;
  readonly engine: Pick<EngineStats, 'requests'>;
  readonly http: Pick<HttpStats, 'refused'>;
}

/** The service's bounds. What it refuses because it is wrong, or nobody's who may, is no sign of load. */
const BOUNDS = ['ERR_QUOTA', 'connections', 'connections_per_address'];
/** The engine's: it may be asked again. */
const REFUSALS = ['ERR_SATURATED', 'ERR_BREAKER_OPEN', 'ERR_SHARD_UNAVAILABLE', 'ERR_QUARANTINED'];
const NOTHING: LatelyStats = {
  perSecond: 0,
  notOkPerSecond: 0,
  refusedPerSecond: 0,
  p50Ms: null,
  p95Ms: null,
  p99Ms: null,
};

/** What happened between one sample and the next. */
export class Lately {
  last: LatelyStats = NOTHING;
  #before: Sum | undefined = undefined;
  #at = 0;

  turn({ at, engine, http }: Seen): LatelyStats {
    const now = sumOf(engine, http);
    const before = this.#before ?? sumOf({ requests: {} }, { refused: {} });
    // The wall clock may be set back.
    const seconds = Math.max(0.001, (at - this.#at) / 1_000);
    const first = this.#before === undefined;
    this.#before = now;
    this.#at = at;
    if (first) return this.last;
    const counts = now.counts.map((count, bucket) => count - (before.counts[bucket] ?? 0));
    this.last = {
      perSecond: (now.settled - before.settled) / seconds,
      notOkPerSecond: (now.notOk - before.notOk) / seconds,
      refusedPerSecond: (now.refused - before.refused) / seconds,
      p50Ms: quantile(0.5, now.boundsMs, counts),
      p95Ms: quantile(0.95, now.boundsMs, counts),
      p99Ms: quantile(0.99, now.boundsMs, counts),
    };
    return this.last;
  }
}

interface Sum {
  settled: number;
  notOk: number;
  refused: number;
  boundsMs: readonly number[];
  /** How long requests took, of all drivers. */
  counts: number[];
}

function sumOf({ requests }: Pick<EngineStats, 'requests'>, { refused }: Pick<HttpStats, 'refused'>): Sum {
  const sum: Sum = {
    settled: 0,
    notOk: 0,
    refused: total(BOUNDS.map((why) => refused[why] ?? 0)),
    boundsMs: [],
    counts: [],
  };
  for (const { outcomes, errors, total: took } of Object.values(requests)) {
    const settled = total(Object.values(outcomes));
    sum.settled += settled;
    sum.notOk += settled - outcomes.ok;
    sum.refused += total(REFUSALS.map((code) => errors[code] ?? 0));
    add(sum, took);
  }
  return sum;
}

function add(sum: Sum, { boundsMs, counts }: Histogram): void {
  sum.boundsMs = boundsMs;
  sum.counts = counts.map((count, bucket) => count + (sum.counts[bucket] ?? 0));
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
