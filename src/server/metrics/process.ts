import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Clock } from '../../index.js';

/** What is told of the process in `/v1/stats`. What cannot be known here, because this is not Linux, is not there. */
export interface ProcessStats {
  pid: number;
  rssBytes: number;
  /** What of it no file is behind: this is what grows when something leaks. */
  rssAnonBytes?: number;
  /** Of the main thread. */
  heapUsedBytes: number;
  heapTotalBytes: number;
  externalBytes: number;
  arrayBufferBytes: number;
  /** Seconds of CPU time of all threads since the start. */
  cpuSeconds: number;
  openFds?: number;
  threads?: number;
  childProcesses?: number;
  loopLag: LoopLag;
  /** The share of the last second in which the main thread was at work, 0 … 1. */
  busy: number;
}

/** By how much the main thread's event loop was late, over the last 10 s. */
export interface LoopLag {
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/**
 * How often the event loop's delay is looked at. Every 10 ms takes 0.65 % of a core of a process that does nothing else,
 * every 50 ms 0.15 %; what blocks for longer than that is seen in any case.
 */
const RESOLUTION_MS = 50;
const SPAN_MS = 10_000;
/** A share of less time than this says nothing. */
const SHORTEST_MS = 500;
/** What takes a look at each descriptor and each thread is read as often at most: 10,000 descriptors take 5 ms. */
const SLOW_MS = 5_000;

/** Reads how the process is. */
export class ProcessVitals {
  readonly #clock: Clock;
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #spanSince: number;
  #lag: LoopLag | undefined = undefined;
  #loop = performance.eventLoopUtilization();
  #busy = 0;
  #slow: Pick<ProcessStats, 'openFds' | 'childProcesses'> = {};
  #slowAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#spanSince = clock.now();
  }

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  /** `busy` is of the time since it was last read, half a second at least. */
  read(): ProcessStats {
    const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    this.#lookAtLoop();
    return {
      pid: process.pid,
      rssBytes: rss,
      ...statusOf(),
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      arrayBufferBytes: arrayBuffers,
      cpuSeconds: (user + system) / 1e6,
      ...this.#slowly(),
      loopLag: this.#lagNow(),
      busy: this.#busy,
    };
  }

  #lookAtLoop(): void {
    const loop = performance.eventLoopUtilization();
    const { active, idle, utilization } = performance.eventLoopUtilization(loop, this.#loop);
    if (active + idle < SHORTEST_MS) return;
    this.#busy = utilization;
    this.#loop = loop;
  }

  #slowly(): Pick<ProcessStats, 'openFds' | 'childProcesses'> {
    const now = this.#clock.now();
    if (now - this.#slowAt >= SLOW_MS) {
      this.#slowAt = now;
      this.#slow = { ...openFds(), ...childProcesses() };
    }
    return this.#slow;
  }

  /** Of the last whole span of time, or what is worse in the one that runs; of this one where there was none before. */
  #lagNow(): LoopLag {
    const running: LoopLag = {
      p50Ms: lateMs(this.#delay.percentile(50)),
      p99Ms: lateMs(this.#delay.percentile(99)),
      maxMs: lateMs(this.#delay.max),
    };
    const last = this.#lag ?? running;
    const now = this.#clock.now();
    if (now - this.#spanSince >= SPAN_MS) {
      this.#spanSince = now;
      this.#lag = running;
      this.#delay.reset();
    }
    return { ...last, maxMs: Math.max(last.maxMs, running.maxMs) };
  }
}

/** The timer that is measured is itself so long; what nothing was measured of is 0. */
function lateMs(nanoseconds: number): number {
  const ms = nanoseconds / 1e6 - RESOLUTION_MS;
  return ms > 0 && ms < 1e12 ? Math.round(ms * 1_000) / 1_000 : 0;
}

function statusOf(): Pick<ProcessStats, 'rssAnonBytes' | 'threads'> {
  const status = textOf('/proc/self/status');
  const rssAnon = /^RssAnon:\s+(\d+) kB/m.exec(status)?.[1];
  const threads = /^Threads:\s+(\d+)/m.exec(status)?.[1];
  return {
    ...(rssAnon !== undefined && { rssAnonBytes: Number(rssAnon) * 1_024 }),
    ...(threads !== undefined && { threads: Number(threads) }),
  };
}

function openFds(): Pick<ProcessStats, 'openFds'> {
  // One of them is the directory itself.
  const names = namesIn('/proc/self/fd');
  return names ? { openFds: names.length - 1 } : {};
}

/** A child belongs to the thread that started it. */
function childProcesses(): Pick<ProcessStats, 'childProcesses'> {
  const threads = namesIn('/proc/self/task');
  if (!threads) return {};
  let children = 0;
  for (const thread of threads)
    children += textOf(`/proc/self/task/${thread}/children`).split(' ').filter(Boolean).length;
  return { childProcesses: children };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A thread that has ended meanwhile, or a system without /proc.
    return '';
  }
}

function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}
