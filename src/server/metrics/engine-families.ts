import type { EngineStats, Histogram } from '../../index.js';
import type { Exposition } from './text.js';
import type { Counts, Totals } from './totals.js';

/** To be called with each sample: what a shard has counted since is lost where it is replaced. */
export function noteShards(totals: Totals, { shards }: EngineStats): void {
  for (const [shard, { restarts, inside }] of shards.entries())
    if (inside) totals.note(shard, restarts, countsOf(inside));
}

/** What the engine counts, as metrics. */
export function writeEngine(out: Exposition, stats: EngineStats, totals: Totals): void {
  writeRequests(out, stats);
  out.add('keylane_request_bytes_in_flight', undefined, stats.bytesInFlight);
  for (const [group, { inFlight, limit }] of Object.entries(stats.groups)) {
    out.add('keylane_group_requests_in_flight', { group }, inFlight);
    out.add('keylane_group_limit', { group }, limit);
  }
  for (const [shard, snapshot] of stats.shards.entries()) writeShard(out, shard, snapshot, totals);
}

function writeRequests(out: Exposition, { requests }: EngineStats): void {
  for (const [driver, { outcomes, errors, retries, remembered, queued, open, run, total }] of Object.entries(
    requests,
  )) {
    // A driver that nobody asked for is not shown: there are more of them than are used.
    for (const [outcome, count] of Object.entries(outcomes))
      out.add('keylane_requests_total', { driver, outcome }, count);
    for (const [code, count] of Object.entries(errors))
      out.add('keylane_request_errors_total', { driver, code }, count);
    out.add('keylane_request_retries_total', { driver }, retries);
    out.add('keylane_requests_remembered_total', { driver }, remembered);
    out.histogram('keylane_request_queue_seconds', { driver }, inSeconds(queued));
    out.histogram('keylane_request_open_seconds', { driver }, inSeconds(open));
    out.histogram('keylane_request_run_seconds', { driver }, inSeconds(run));
    out.histogram('keylane_request_duration_seconds', { driver }, inSeconds(total));
  }
}

function inSeconds({ boundsMs, counts, sumMs }: Histogram) {
  return { bounds: boundsMs.map((ms) => ms / 1_000), counts, sum: sumMs / 1_000 };
}

function writeShard(
  out: Exposition,
  shard: number,
  { state, restarts, inFlight, queued, busy, inside }: EngineStats['shards'][number],
  totals: Totals,
): void {
  out.add('keylane_shard_up', { shard }, state === 'serving' ? 1 : 0);
  out.add('keylane_shard_restarts_total', { shard }, restarts);
  out.add('keylane_requests_in_flight', { shard }, inFlight);
  out.add('keylane_requests_queued', { shard }, queued);
  out.add('keylane_loop_busy_ratio', { thread: `shard${shard}` }, busy);
  const counts = totals.of(shard);
  for (const [name, metric] of COUNTERS) {
    const count = counts[name];
    if (count !== undefined) out.add(metric, { shard }, count);
  }
  // What it does not say now is not known: a gauge that stands still would be a lie.
  if (inside) writeInside(out, shard, inside);
}

type Inside = NonNullable<EngineStats['shards'][number]['inside']>;

/** Counts of one thread → what they are called outside. */
const COUNTERS = [
  ['opened', 'keylane_connections_opened_total'],
  ['failed', 'keylane_connections_failed_total'],
  ['closed', 'keylane_connections_closed_total'],
  ['evicted', 'keylane_connections_evicted_total'],
  ['leaked', 'keylane_leases_leaked_total'],
  ['hits', 'keylane_cache_hits_total'],
  ['misses', 'keylane_cache_misses_total'],
  ['stale', 'keylane_cache_stale_total'],
  ['revalidated', 'keylane_cache_revalidated_total'],
  ['evictions', 'keylane_cache_evictions_total'],
] as const;

function countsOf({ opened, failed, closed, evicted, leaked, cache }: Inside): Counts {
  const { hits, misses, stale, revalidated, evictions } = cache;
  return { opened, failed, closed, evicted, leaked, hits, misses, stale, revalidated, evictions };
}

function writeInside(out: Exposition, shard: number, inside: Inside): void {
  const { connections, cache } = inside;
  for (const [state, count] of Object.entries(connections)) out.add('keylane_connections', { shard, state }, count);
  out.add('keylane_requests_waiting', { shard }, inside.waiting);
  out.add('keylane_lanes', { shard }, inside.lanes);
  out.add('keylane_keys', { shard }, inside.keys);
  out.add('keylane_breakers_open', { shard }, inside.stopped);
  out.add('keylane_cache_entries', { shard }, cache.entries);
  out.add('keylane_cache_bytes', { shard }, cache.bytes);
  out.add('keylane_loop_lag_seconds', { thread: `shard${shard}` }, inside.loopLagMs / 1_000);
}
