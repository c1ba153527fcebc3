import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

export interface Peak {
  rssAnonBytes: number;
  fileDescriptors: number;
}

/** Anonymous resident memory of a process: heaps, stacks and buffers, without the mapped files that processes share. */
export function rssAnon(pid: number): number {
  return statusOf(pid, 'RssAnon');
}

/** All that is in memory of a process, what it shares with others included. */
export function resident(pid: number): number {
  return statusOf(pid, 'VmRSS');
}

/** In bytes; 0 where the process has ended. */
function statusOf(pid: number, field: 'RssAnon' | 'VmRSS'): number {
  let status = '';
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {}
  const [, kib = 0] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  return Number(kib) * 1024;
}

/** A process and all that it has started, as far as that runs and still has its parent. */
export function treeOf(pid: number): number[] {
  const all = [pid];
  // It grows while it is walked.
  for (const one of all) {
    try {
      for (const thread of readdirSync(`/proc/${one}/task`)) {
        const children = readFileSync(`/proc/${one}/task/${thread}/children`, 'utf8');
        all.push(...children.split(' ').filter(Boolean).map(Number));
      }
    } catch {
      // Gone meanwhile.
    }
  }
  return all;
}

/** CPU of a process and of all its threads so far. In steps of 10 ms. (proc(5): utime and stime, after the name in brackets) */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function fileDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Looks at a process every 25 ms, from outside, until `during` settles. */
export async function peakOf(pid: number, during: Promise<unknown>): Promise<Peak> {
  const peak: Peak = { rssAnonBytes: 0, fileDescriptors: 0 };
  let over = false;
  const stop = () => {
    over = true;
  };
  during.then(stop, stop);
  while (!over) {
    peak.rssAnonBytes = Math.max(peak.rssAnonBytes, rssAnon(pid));
    peak.fileDescriptors = Math.max(peak.fileDescriptors, fileDescriptors(pid));
    await wait(25);
  }
  return peak;
}

/** RssAnon of a process every 25 ms until `during` settles. */
export async function sampled(pid: number, during: Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  let over = false;
  const stop = () => {
    over = true;
  };
  during.then(stop, stop);
  while (!over) {
    samples.push(rssAnon(pid));
    await wait(25);
  }
  return samples;
}
