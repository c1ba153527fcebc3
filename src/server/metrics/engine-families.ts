import type { EngineStats, Histogram, KeyState } from '../../index.js';
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
  out.add('keylane_requests_in_flight_limit', undefined, stats.limits.inFlight);
  out.add('keylane_requests_queued_limit', undefined, stats.limits.queued);
  out.add('keylane_request_bytes_in_flight_limit', undefined, stats.limits.bytesInFlight);
  for (const [group, { inFlight, limit }] of Object.entries(stats.groups)) {
    out.add('keylane_group_requests_in_flight', { group }, inFlight);
    out.add('keylane_group_limit', { group }, limit);
  }
  writeJournals(out, stats.batches);
  for (const [shard, snapshot] of stats.shards.entries()) writeShard(out, shard, snapshot, totals);
}

function writeJournals(out: Exposition, { running, journal }: EngineStats['batches']): void {
  out.add('keylane_batches_in_flight', undefined, running);
  out.add('keylane_journals_open', undefined, journal.open);
  out.add('keylane_journal_commits_total', undefined, journal.commits);
  out.add('keylane_journal_commits_failed_total', undefined, journal.failed);
  out.add('keylane_journal_commit_seconds_total', undefined, journal.commitMs / 1_000);
  out.add('keylane_journal_requests_total', undefined, journal.begun);
  out.add('keylane_journal_results_total', undefined, journal.results);
  out.add('keylane_journal_bytes_total', undefined, journal.bytes);
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

/** Of keys, where somebody asked for that. */
export function writeKeys(out: Exposition, keys: readonly KeyState[]): void {
  for (const { key, requests, queued, connections, breaker } of keys) {
    const count = Object.values(connections).reduce((sum, one) => sum + one, 0);
    out.add('keylane_key_requests', { key }, requests + queued);
    out.add('keylane_key_connections', { key }, count);
    out.add('keylane_key_stopped', { key }, breaker ? 1 : 0);
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
  out.add('keylane_shard_state', { shard, state }, 1);
  out.add('keylane_shard_restarts_total', { shard }, restarts);
  out.add('keylane_requests_in_flight', { shard }, inFlight);
  out.add('keylane_requests_queued', { shard }, queued);
  out.add('keylane_loop_busy_ratio', { thread: `shard${shard}` }, busy);
  writeCounts(out, shard, totals.of(shard));
  // What it does not say now is not known: a gauge that stands still would be a lie.
  if (inside) writeInside(out, shard, inside);
}

type Inside = NonNullable<EngineStats['shards'][number]['inside']>;

/** Counts of one thread → what they are called outside, and by how much they are more there. */
const COUNTERS = [
  ['opened', 'keylane_connections_opened_total', 1],
  ['failed', 'keylane_connections_failed_total', 1],
  ['livedMs', 'keylane_connections_lived_seconds_total', 1_000],
  ['reused', 'keylane_connections_reused_total', 1],
  ['leaked', 'keylane_leases_leaked_total', 1],
  ['delayed', 'keylane_rate_delayed_total', 1],
  ['spawned', 'keylane_subprocesses_started_total', 1],
  ['hits', 'keylane_cache_hits_total', 1],
  ['misses', 'keylane_cache_misses_total', 1],
  ['stale', 'keylane_cache_stale_total', 1],
  ['joined', 'keylane_cache_joined_total', 1],
  ['revalidated', 'keylane_cache_revalidated_total', 1],
  ['evictions', 'keylane_cache_evictions_total', 1],
] as const;
/** What counts of why connections were closed begin with. */
const CLOSED_BY = 'closed_by_';

function countsOf({ opened, failed, livedMs, reused, leaked, rates, spawned, cache, closedBy }: Inside): Counts {
  const { hits, misses, stale, joined, revalidated, evictions } = cache;
  const closed = Object.entries(closedBy).map(([why, count]) => [CLOSED_BY + why, count] as const);
  return {
    ...{ opened, failed, livedMs, reused, leaked, delayed: rates.delayed, spawned },
    ...{ hits, misses, stale, joined, revalidated, evictions },
    ...Object.fromEntries(closed),
  };
}

function writeCounts(out: Exposition, shard: number, counts: Counts): void {
  for (const [name, metric, divisor] of COUNTERS) {
    const count = counts[name];
    if (count !== undefined) out.add(metric, { shard }, count / divisor);
  }
  for (const [name, count] of Object.entries(counts)) {
    if (!name.startsWith(CLOSED_BY)) continue;
    out.add('keylane_connections_closed_total', { shard, reason: name.slice(CLOSED_BY.length) }, count);
  }
}

function writeInside(out: Exposition, shard: number, inside: Inside): void {
  const { connections, streams, breakers, cache, memory } = inside;
  for (const [state, count] of Object.entries(connections)) out.add('keylane_connections', { shard, state }, count);
  out.add('keylane_streams', { shard }, streams.total);
  out.add('keylane_streams_leased', { shard }, streams.leased);
  for (const [what, states] of Object.entries(breakers))
    for (const [state, count] of Object.entries(states)) out.add('keylane_breakers', { shard, what, state }, count);
  out.add('keylane_requests_waiting', { shard }, inside.waiting);
  out.add('keylane_rate_waiting', { shard }, inside.rates.waiting);
  out.add('keylane_subprocesses', { shard }, inside.subprocesses);
  out.add('keylane_lanes', { shard }, inside.lanes);
  out.add('keylane_keys', { shard }, inside.keys);
  out.add('keylane_cache_filling', { shard }, cache.filling);
  out.add('keylane_cache_entries', { shard }, cache.entries);
  out.add('keylane_cache_bytes', { shard }, cache.bytes);
  const thread = `shard${shard}`;
  out.add('keylane_loop_lag_seconds', { thread }, inside.loopLagMs / 1_000);
  out.add('keylane_heap_used_bytes', { thread }, memory.heapUsedBytes);
  out.add('keylane_array_buffer_bytes', { thread }, memory.arrayBufferBytes);
}
