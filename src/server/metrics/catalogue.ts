/** One metric as it is exposed. `labels` beside `le`. */
export interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

const counter = (help: string, ...labels: string[]): Metric => ({ type: 'counter', help, labels });
const gauge = (help: string, ...labels: string[]): Metric => ({ type: 'gauge', help, labels });
const histogram = (help: string, ...labels: string[]): Metric => ({ type: 'histogram', help, labels });

/**
 * All metrics of `/metrics`; docs/metrics.md is made of this. Every label has values of a bounded set: drivers, outcomes,
 * codes, shards, routes, groups, states. Keys are none, but for the three that `metrics.keys` asks for.
 */
export const METRICS = {
  // Requests
  keylane_requests_total: counter(
    'Requests that were settled, each once, however many tries it had.',
    'driver',
    'outcome',
  ),
  keylane_request_errors_total: counter('Requests that ended with an error, by its code.', 'driver', 'code'),
  keylane_request_retries_total: counter('Tries after the first ones.', 'driver'),
  keylane_requests_remembered_total: counter('Requests answered out of memory or from disk.', 'driver'),
  keylane_request_duration_seconds: histogram(
    'How long requests took: queue, open and run together, of those that reached a shard.',
    'driver',
  ),
  keylane_request_queue_seconds: histogram('How long requests waited: for admission and for a stream.', 'driver'),
  keylane_request_open_seconds: histogram(
    'How long requests waited for a connection to be opened, those that did.',
    'driver',
  ),
  keylane_request_run_seconds: histogram('How long requests ran, of the last try.', 'driver'),
  keylane_requests_in_flight: gauge('Requests in the shard.', 'shard'),
  keylane_requests_queued: gauge('Requests that wait for admission to the shard.', 'shard'),
  keylane_requests_waiting: gauge('Requests in the shard that wait for a stream.', 'shard'),
  keylane_request_bytes_in_flight: gauge('Bytes of the requests in flight, as limits.bytesInFlight counts them.'),
  keylane_requests_in_flight_limit: gauge('Requests that may be in flight, in all shards together (maxInFlight).'),
  keylane_requests_queued_limit: gauge('Requests that may wait, in all shards together (maxQueued).'),
  keylane_request_bytes_in_flight_limit: gauge('Bytes that may be in flight (limits.bytesInFlight).'),
  keylane_group_requests_in_flight: gauge('Requests in flight of a group of limits.groups.', 'group'),
  keylane_group_limit: gauge('Requests that a group of limits.groups may have in flight.', 'group'),
  // Connections
  keylane_connections: gauge(
    'Connections by state: idle, busy (streams left), full, opening, checking, closing.',
    'shard',
    'state',
  ),
  keylane_connections_opened_total: counter('Connections opened.', 'shard'),
  keylane_connections_failed_total: counter('Connections that could not be opened.', 'shard'),
  keylane_connections_closed_total: counter('Connections that were open and were ended, by why.', 'shard', 'reason'),
  keylane_connections_lived_seconds_total: counter('Seconds for which the closed connections had been open.', 'shard'),
  keylane_connections_reused_total: counter('Requests that got a connection which had served another before.', 'shard'),
  keylane_leases_leaked_total: counter('Leases that drivers forgot to give back (limits.leakMs).', 'shard'),
  keylane_lanes: gauge('Lanes that have a pool.', 'shard'),
  keylane_keys: gauge('Keys that have a lane.', 'shard'),
  keylane_streams: gauge('Streams of the connections that are open.', 'shard'),
  keylane_streams_leased: gauge('Streams that are leased to requests.', 'shard'),
  keylane_breakers: gauge(
    'Keys that are let alone after failures (open), or whose one try is under way (probing), by what failed.',
    'shard',
    'what',
    'state',
  ),
  keylane_rate_waiting: gauge(
    'Requests that wait under limits.ratePerKey or a quota, or for a peer that wants to be left alone.',
    'shard',
  ),
  keylane_rate_delayed_total: counter('Requests that had to wait for one of these.', 'shard'),
  keylane_subprocesses: gauge('Processes that drivers have started and that run.', 'shard'),
  keylane_subprocesses_started_total: counter('Processes that drivers have started.', 'shard'),
  // Keys, where `metrics.keys` asks for them
  keylane_key_requests: gauge('Requests of a key in its shard and before it (metrics.keys).', 'key'),
  keylane_key_connections: gauge('Connections of a key (metrics.keys).', 'key'),
  keylane_key_stopped: gauge('1 where the key is let alone after failures (metrics.keys).', 'key'),
  // Shards and threads
  keylane_shard_up: gauge('1 where the shard serves.', 'shard'),
  keylane_shard_state: gauge('1 for the state that the shard is in.', 'shard', 'state'),
  keylane_shard_restarts_total: counter('How often the thread of the shard was replaced.', 'shard'),
  keylane_loop_busy_ratio: gauge('Share of the last second in which the event loop of a thread was at work.', 'thread'),
  keylane_loop_lag_seconds: gauge('The most by which the event loop of a thread was late in the last 10 s.', 'thread'),
  keylane_loop_lag_p99_seconds: gauge(
    'By how much the event loop of the main thread was late, 99th percentile of the last 10 s.',
    'thread',
  ),
  keylane_heap_used_bytes: gauge('Used bytes of the JavaScript heap of a thread.', 'thread'),
  keylane_array_buffer_bytes: gauge('Bytes of buffers outside of the JavaScript heap of a thread.', 'thread'),
  keylane_heap_total_bytes: gauge('Bytes of the JavaScript heap of a thread.', 'thread'),
  // Cache
  keylane_cache_hits_total: counter('Answers given out of the memory of a shard.', 'shard'),
  keylane_cache_misses_total: counter('Answers that were asked of a shard and had to be fetched.', 'shard'),
  keylane_cache_stale_total: counter('Answers given past their time, with another being fetched.', 'shard'),
  keylane_cache_joined_total: counter(
    'Of the hits, those that waited for what was being fetched for another.',
    'shard',
  ),
  keylane_cache_revalidated_total: counter('Fetches whose old answer the peer said to hold still.', 'shard'),
  keylane_cache_evictions_total: counter('Answers dropped for want of room.', 'shard'),
  keylane_cache_filling: gauge('Answers that are being fetched to be remembered.', 'shard'),
  keylane_cache_entries: gauge('Answers in the memory of a shard.', 'shard'),
  keylane_cache_bytes: gauge('Bytes of the answers in the memory of a shard.', 'shard'),
  keylane_cache_disk_entries: gauge('Answers on disk, of all processes.'),
  keylane_cache_disk_bytes: gauge('Bytes of the answers on disk.'),
  // Batches with a journal
  keylane_batches: gauge(
    'Batches with a journal: running, paused, taking_in (a body is read), waiting for others.',
    'state',
  ),
  keylane_batch_jobs_in_flight: gauge('Jobs in flight of the batches that run.'),
  keylane_batch_jobs_left: gauge('Jobs without a result, of the batches that run.'),
  keylane_batches_in_flight: gauge('Batches of the engine that have requests in flight, with a journal or without.'),
  keylane_journals_open: gauge('Journals that are open.'),
  keylane_journal_commits_total: counter('Times that something was flushed to the disk for journals.'),
  keylane_journal_commits_failed_total: counter('Commits of journals that failed: each ended its batch.'),
  keylane_journal_commit_seconds_total: counter('Seconds that commits of journals took.'),
  keylane_journal_requests_total: counter('Requests of which a journal has that they are about to leave.'),
  keylane_journal_results_total: counter('Results that journals have.'),
  keylane_journal_bytes_total: counter('Bytes of the results that journals have.'),
  // The engine's events
  keylane_events_total: counter('What the engine told of itself: breakers, leaks, shards, memory, tokens.', 'type'),
  // HTTP
  keylane_http_requests_total: counter(
    'HTTP requests that ended; status 499: the client went first.',
    'method',
    'route',
    'status',
  ),
  keylane_http_request_duration_seconds: histogram(
    'How long HTTP requests took, to the last byte of the answer.',
    'method',
    'route',
  ),
  keylane_http_requests_in_flight: gauge('HTTP requests that have no whole answer yet, open streams among them.'),
  keylane_http_connections: gauge('Open HTTP connections.'),
  keylane_http_refused_total: counter('HTTP requests and connections that were refused, by why.', 'reason'),
  keylane_http_streams: gauge('Live answers that are open: server-sent events and lines.'),
  keylane_http_streams_opened_total: counter('Live answers that were begun.'),
  keylane_http_streams_dropped_total: counter('Live answers that were cut because they were read too slowly.'),
  // The process
  keylane_build_info: gauge('1; the versions are in the labels.', 'version', 'node'),
  keylane_child_processes: gauge('Child processes that run.'),
  process_cpu_seconds_total: counter('Seconds of CPU time of all threads.'),
  process_start_time_seconds: gauge('When the process started, in seconds of Unix time.'),
  process_resident_memory_bytes: gauge('Resident bytes of the process.'),
  keylane_process_anonymous_memory_bytes: gauge('Resident bytes of the process that no file is behind.'),
  process_open_fds: gauge('Open file descriptors.'),
  process_max_fds: gauge('File descriptors that may be open.'),
  keylane_process_threads: gauge('Threads of the process.'),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
