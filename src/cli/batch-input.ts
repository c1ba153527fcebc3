import type { FleetHost, IndexedJob, JobSource, SshRequest } from '../index.js';
import type { Hosts } from './fleet.js';

/**
 * The jobs as the command line runs them: what is known of a host (its address, its user, its labels) goes into those that
 * name it, after what their line says; and what a command prints is kept as bytes.
 */
export function reachable(source: JobSource, known: Hosts): JobSource {
  const dressed = (job: IndexedJob) => (isOfHost(job, source) ? ofHost(job, known) : job);
  return {
    ...source,
    async *read(wanted) {
      for await (const job of source.read(wanted)) yield dressed(job);
    },
  };
}

function isOfHost({ driver, request }: IndexedJob, { identity }: JobSource): boolean {
  if ((driver ?? identity?.driver) !== 'ssh' || typeof request !== 'object' || request === null) return false;
  return typeof (request as { host?: unknown }).host === 'string' || 'account' in request;
}

function ofHost(job: IndexedJob, known: Hosts): IndexedJob {
  const request = job.request as SshRequest;
  if (request.host === undefined) return { ...job, request: { encoding: 'buffer', ...request } };
  let said: FleetHost;
  try {
    said = known.of(request.host);
  } catch {
    // No name of a host: the request says so itself, as its result.
    return job;
  }
  const { request: says, labels } = said;
  return {
    ...job,
    request: { encoding: 'buffer', ...says, ...request, host: says.host },
    ...(labels.length > 0 && { labels: [...new Set([...(job.labels ?? []), ...labels])] }),
  };
}
