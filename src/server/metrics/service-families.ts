import type { DiskStats } from '../../index.js';
import type { BatchCounts } from '../batches/service-batches.js';
import type { Events } from '../events.js';
import type { HttpMeter } from './http.js';
import type { ServiceStats } from './stats.js';
import type { Exposition } from './text.js';

/** HTTP, as metrics. */
export function writeHttp(out: Exposition, meter: HttpMeter, { http }: ServiceStats, streamsOpened: number): void {
  for (const { method, route, statuses, durations } of meter.routes()) {
    for (const [status, count] of statuses) out.add('keylane_http_requests_total', { method, route, status }, count);
    out.histogram('keylane_http_request_duration_seconds', { method, route }, durations);
  }
  out.add('keylane_http_requests_in_flight', undefined, http.inFlight);
  out.add('keylane_http_connections', undefined, http.connections);
  for (const [reason, count] of Object.entries(http.refused)) out.add('keylane_http_refused_total', { reason }, count);
  out.add('keylane_http_streams', undefined, http.streams);
  out.add('keylane_http_streams_opened_total', undefined, streamsOpened);
  out.add('keylane_http_streams_dropped_total', undefined, http.dropped);
}

/** The process and its main thread, as metrics. */
export function writeProcess(
  out: Exposition,
  { process: its, version, at, uptimeMs }: ServiceStats,
  maxFds: number,
): void {
  const main = { thread: 'main' };
  out.add('keylane_build_info', { version, node: process.version }, 1);
  out.add('keylane_loop_busy_ratio', main, its.busy);
  out.add('keylane_loop_lag_seconds', main, its.loopLag.maxMs / 1_000);
  out.add('keylane_loop_lag_p99_seconds', main, its.loopLag.p99Ms / 1_000);
  out.add('keylane_heap_used_bytes', main, its.heapUsedBytes);
  out.add('keylane_array_buffer_bytes', main, its.arrayBufferBytes);
  out.add('keylane_heap_total_bytes', main, its.heapTotalBytes);
  out.add('process_cpu_seconds_total', undefined, its.cpuSeconds);
  out.add('process_start_time_seconds', undefined, Math.round(at - uptimeMs) / 1_000);
  out.add('process_resident_memory_bytes', undefined, its.rssBytes);
  if (its.rssAnonBytes !== undefined) out.add('keylane_process_anonymous_memory_bytes', undefined, its.rssAnonBytes);
  if (its.openFds !== undefined) out.add('process_open_fds', undefined, its.openFds);
  if (Number.isFinite(maxFds)) out.add('process_max_fds', undefined, maxFds);
  if (its.threads !== undefined) out.add('keylane_process_threads', undefined, its.threads);
  if (its.childProcesses !== undefined) out.add('keylane_child_processes', undefined, its.childProcesses);
}

/** Batches with a journal. */
export function writeBatches(out: Exposition, { inFlight, left, ...states }: BatchCounts): void {
  for (const [state, count] of Object.entries(states)) out.add('keylane_batches', { state }, count);
  out.add('keylane_batch_jobs_in_flight', undefined, inFlight);
  out.add('keylane_batch_jobs_left', undefined, left);
}

export function writeDisk(out: Exposition, disk: DiskStats | undefined): void {
  out.add('keylane_cache_disk_entries', undefined, disk?.entries ?? 0);
  out.add('keylane_cache_disk_bytes', undefined, disk?.bytes ?? 0);
}

export function writeEvents(out: Exposition, events: Events): void {
  for (const [type, count] of events.counts) out.add('keylane_events_total', { type }, count);
}
