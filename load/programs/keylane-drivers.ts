// The measured program with keylane in it, for any of its drivers. bare-*.ts are its twins.
import { readdirSync } from 'node:fs';
import { createEngine, type Engine, type EngineOptions, type EngineStream } from 'keylane';
import { collectGarbage, heapInUse } from '../garbage.js';
import { runAll, stopwatch, type Work } from '../measure.js';
import { arrive } from '../open-arrivals.js';
import { treeOf } from '../proc.js';
import { serveProgram } from '../program.js';

export type KeylaneDrivers = typeof steps;

/** What lanes ask in turn; each lane always the same one. */
export interface Asked {
  driver: string;
  requests: readonly object[];
}

const GC_DRIVER = new URL('./gc-driver.js', import.meta.url).href;

let engine: Engine;
/** The same, for drivers whose names are known at run time only. */
let any: {
  run(driver: string, request: object, options?: object): Promise<object>;
  stream(driver: string, request: object, options?: object): EngineStream<never>;
};
const held: EngineStream<never>[] = [];
let bytesHeard = 0;
let chunksHeard = 0;

const steps = {
  async start(options: EngineOptions): Promise<void> {
    engine = await createEngine({ drivers: [GC_DRIVER], ...options });
    any = engine as unknown as typeof any;
  },

  /** So many connections for each request's lane. */
  async prewarm({ driver, requests, perKey = 1 }: Asked & { perKey?: number }): Promise<Work> {
    const work = stopwatch();
    const { ready, failed } = await engine.prewarm(driver as 'echo', requests as never, { perKey, timeoutMs: 120_000 });
    if (failed.length > 0) throw new Error(`${ready} ready, ${failed.length} not: ${failed[0]?.stack}`);
    return { count: ready * perKey, ...work() };
  },

  /** `count` requests, `lanes` at once. */
  run: ({ driver, requests, lanes, count }: Asked & { lanes: number; count: number }): Promise<Work> =>
    runAll(lanes, count, async (lane) => check(driver, await any.run(driver, requests[lane % requests.length]!))),

  /** Requests leave at their times, whatever became of those before. Milliseconds from when each was due to its answer. */
  fire: ({ driver, requests, rate, seconds }: Asked & { rate: number; seconds: number }): Promise<number[]> =>
    arrive(rate, seconds, async (i) => check(driver, await any.run(driver, requests[i % requests.length]!))),

  /** Opens streams, and reads them until `release`. Resolves when each has said something. */
  async hold({ driver, requests, count }: Asked & { count: number }): Promise<void> {
    const opened = Array.from({ length: count }, (_, i) => {
      const stream = any.stream(driver, requests[i % requests.length]!, { timeoutMs: 0 });
      held.push(stream);
      stream.response.catch(() => {});
      return new Promise<void>((resolve, reject) => {
        (async () => {
          for await (const { data } of stream) {
            bytesHeard += data.length;
            chunksHeard++;
            resolve();
          }
        })().catch(reject);
      });
    });
    await Promise.all(opened);
  },

  heard: (_: undefined): { bytes: number; chunks: number } => ({ bytes: bytesHeard, chunks: chunksHeard }),

  async release(_: undefined): Promise<void> {
    await Promise.all(held.splice(0).map((stream) => stream.return()));
  },

  /** CPU of the whole process so far, in microseconds. */
  cpu(_: undefined): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },

  /** What it holds now. */
  async look(_: undefined): Promise<Look> {
    const { shards } = await engine.stats();
    const sum = (of: (inside: NonNullable<(typeof shards)[0]['inside']>) => number) =>
      shards.reduce((total, { inside }) => total + (inside ? of(inside) : 0), 0);
    return {
      opened: sum(({ opened }) => opened),
      spawned: sum(({ spawned }) => spawned),
      connections: sum(({ connections }) => connections.idle + connections.busy + connections.full),
      processes: treeOf(process.pid).length - 1,
      fds: readdirSync('/proc/self/fd').length,
    };
  },

  /** Collects the garbage of all threads. Node must run with --expose-gc. */
  async collect({ shards }: { shards: number }): Promise<void> {
    for (let i = 0; i < 8 * shards; i++) await any.run('gc', { key: `gc-${i}` });
    collectGarbage();
  },

  heap: (_: undefined): number => heapInUse(),

  async close(_: undefined): Promise<void> {
    await engine.close();
  },
};

export interface Look {
  /** Connections opened, and processes started, so far. */
  opened: number;
  spawned: number;
  connections: number;
  /** Its children and theirs. */
  processes: number;
  fds: number;
}

/** `run` resolves with an answer no, too. */
function check(driver: string, answer: object): void {
  const isYes: Record<string, (answer: never) => boolean> = {
    smtp: ({ code }: { code: number }) => code === 250,
    http: ({ status }: { status: number }) => status === 200,
    stdio: ({ error }: { error?: object }) => error === undefined,
  };
  if (isYes[driver]?.(answer as never) === false) throw new Error(`${driver}: ${JSON.stringify(answer).slice(0, 500)}`);
}

serveProgram(steps);
