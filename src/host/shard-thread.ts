import { createRequire } from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type * as Threads from 'piscina';
import type { Limits } from '../wire/limits.js';
import type { LoopTime } from './busy.js';

/** The entry of a shard's thread: the one place where this wing names the other. */
const ENTRY = new URL('../../workers/shard.js', import.meta.url).href;

/** Piscina is loaded with the first thread: 17 ms that a command whose answers are all remembered does not spend. */
const require = createRequire(import.meta.url);

/**
 * What is young in a shard is small and soon gone. With V8's default, about 34 MB a thread, 10,000 SSH hosts over 500
 * connections in 2 shards took 339 MB, with this 277 and 295 MB; a warm SSH command costs up to a tenth more CPU.
 */
const YOUNG_GENERATION_MB = 12;

/**
 * Below 2 GB V8 collects a heap before it has grown to the double of what is in use, above it to the fourfold. With V8's own
 * limit, which is above where memory is plenty, the same hosts took 314 MB, with this 217, and no more CPU.
 */
const OLD_GENERATION_MB = 1_900;
/** V8's own limit, which is less where memory is scarce. */
const OWN_LIMIT_MB = Math.floor(getHeapStatistics().heap_size_limit / 2 ** 20);

/** A shard's thread, as its supervisor sees it. An interface, so that a test can do without threads. */
export interface ShardThread {
  readonly port: MessagePort;
  /** Resolves when the thread has exited, with the error that ended it, or undefined after a drain. */
  readonly exited: Promise<Error | undefined>;
  /** How long its event loop has been at work and idle since it began. */
  loopTime(): LoopTime;
  /** Cuts it. `exited` tells when it is over: a thread inside a native call leaves seconds later. */
  terminate(): void;
}

export interface ThreadTask {
  ledger: SharedArrayBuffer;
  limits: Limits;
  drivers: Record<string, string>;
  /** Mebibytes of its heap; 0 for the usual limit. */
  heapMb: number;
  /** How long the thread is to trace whose code runs; 0 for not at all. */
  traceMs: number;
}

export type StartThread = (task: ThreadTask) => ShardThread;

/**
 * Starts a thread that Piscina keeps: one Piscina a shard, and in it one long task, because Piscina ends the thread of
 * a task that is aborted, rejects all tasks of a worker for one late throw, and knows nothing of keys. `minThreads: 0`:
 * with 1 it would respawn by itself, and a key could have two owners. `atomics: 'disabled'`: else an idle thread's event
 * loop stands still, keep-alives with it.
 */
export const startThread: StartThread = ({ ledger, limits, drivers, heapMb, traceMs }) => {
  const { Piscina } = require('piscina') as typeof Threads;
  const piscina = new Piscina({
    filename: ENTRY,
    minThreads: 0,
    maxThreads: 1,
    atomics: 'disabled',
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
      maxOldGenerationSizeMb: heapMb > 0 ? heapMb : Math.min(OLD_GENERATION_MB, OWN_LIMIT_MB),
    },
  });
  // A throw between the end of the task and the end of the thread: `exited` tells of it, and it must not end the program.
  piscina.on('error', () => {});
  const { port1: port, port2 } = new MessageChannel();
  const task = piscina.run({ port: port2, ledger, limits, drivers, traceMs }, { name: 'serve', transferList: [port2] });
  const worker = piscina.threads[0] as Worker;
  const gone = new Promise<number>((resolve) => worker.once('exit', resolve));
  const ended = task.then(
    () => undefined,
    (error: Error) => error,
  );

  return {
    port,
    exited: exitOf(),
    loopTime: () => worker.performance.eventLoopUtilization(),
    terminate() {
      void worker.terminate();
    },
  };

  async function exitOf(): Promise<Error | undefined> {
    // The task's end is only a cue. Its thread ends by itself when it failed; after a drain it is told to.
    const error = await Promise.race([ended, gone.then((code) => new Error(`the thread exited with code ${code}`))]);
    void worker.terminate();
    await gone;
    port.close();
    await piscina.destroy().catch(() => {});
    return error;
  }
};
