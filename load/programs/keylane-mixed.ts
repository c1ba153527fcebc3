// The measured program of the mixed run: an engine, and callers of all drivers.
import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, type Engine, type EngineOptions, KeylaneError } from 'keylane';
import { heapInUse } from '../garbage.js';
import { quantile } from '../measure.js';
import { treeOf } from '../proc.js';
import { serveProgram } from '../program.js';

export type KeylaneMixed = typeof steps;

/** Of one driver. */
export interface Mix {
  /** Asked in turn. They are answered with yes, unless a fault comes between. */
  requests: readonly object[];
  /** Each waits `pauseMs` after each answer, so that the machine is not the bottleneck, and late answers make fewer. */
  callers: number;
  pauseMs: number;
  /** What goes wrong by itself; asked now and then, beside the others. */
  faulty: readonly object[];
}

export interface Seen {
  ok: number;
  perSecond: number;
  p50Ms: number;
  p95Ms: number;
  /** Code, or outcome where there is none, of what was not ok. */
  others: Record<string, number>;
  /** Errors of no kind that a caller is to meet. */
  wrong: string[];
}

/** With nothing to do, connections aged and gone, garbage collected in all threads. */
export interface Rest {
  fds: number;
  processes: number;
  connections: number;
  heapMb: number;
}

const FAULTY_EVERY_MS = 500;
const MOST_REST_MS = 20_000;

let engine: Engine;
let mixes: Record<string, Mix>;
let shards: number;

const steps = {
  async start(start: { options: EngineOptions & { shards: number }; mixes: Record<string, Mix> }): Promise<void> {
    ({ mixes } = start);
    ({ shards } = start.options);
    engine = await createEngine({ drivers: [new URL('./gc-driver.js', import.meta.url).href], ...start.options });
  },

  /** The callers of these drivers, at the same time. */
  async go({ drivers, seconds }: { drivers: readonly string[]; seconds: number }): Promise<Record<string, Seen>> {
    const seen = await Promise.all(drivers.map(async (driver) => [driver, await called(driver, seconds)] as const));
    return Object.fromEntries(seen);
  },

  cpu(_: undefined): number {
    const { user, system } = process.cpuUsage();
    return user + system;
  },

  async rest(_: undefined): Promise<Rest> {
    const late = performance.now() + MOST_REST_MS;
    while (performance.now() < late && (await open()) > 0) await wait(50);
    let heap = 0;
    // Twice: what the first collection finalizes, the second one frees.
    for (let i = 0; i < 2; i++) {
      heap = heapInUse();
      // Each shard has some of these keys; the last word of each is what counts, and they say the same.
      const ofShard = new Map<number, number>();
      for (let key = 0; key < 8 * shards; key++) {
        const { shard, response } = await engine.result('gc' as 'echo', { key: `gc-${key}` });
        ofShard.set(shard, response as unknown as number);
      }
      for (const bytes of ofShard.values()) heap += bytes;
      await wait(100);
    }
    while (performance.now() < late && (await open()) > 0) await wait(50);
    return {
      fds: readdirSync('/proc/self/fd').length - 1,
      processes: treeOf(process.pid).length - 1,
      connections: await open(),
      heapMb: heap / 1e6,
    };
  },

  /** Of a closed engine. */
  async close(_: undefined): Promise<{ processes: number }> {
    await engine.close();
    await wait(200);
    return { processes: treeOf(process.pid).length - 1 };
  },
};

async function called(driver: string, seconds: number): Promise<Seen> {
  const { requests, callers, pauseMs, faulty } = mixes[driver]!;
  const run = engine.run.bind(engine) as unknown as (
    driver: string,
    request: object,
    about?: object,
  ) => Promise<object>;
  const seen: Seen = { ok: 0, perSecond: 0, p50Ms: 0, p95Ms: 0, others: {}, wrong: [] };
  const ms: number[] = [];
  const began = performance.now();
  const isOver = () => performance.now() - began > seconds * 1000;
  const note = (what: string) => {
    seen.others[what] = (seen.others[what] ?? 0) + 1;
  };
  const failed = (error: unknown) => {
    if (error instanceof KeylaneError) note(`${error.code} ${error.outcome}`);
    else seen.wrong.push(String(error));
  };
  const call = async (lane: number) => {
    for (let i = lane; !isOver(); i += callers) {
      const asked = performance.now();
      try {
        await run(driver, requests[i % requests.length]!, { timeoutMs: 5_000 });
        ms.push(performance.now() - asked);
      } catch (error) {
        failed(error);
      }
      await wait(pauseMs);
    }
  };
  const fail = async () => {
    for (let i = 0; !isOver(); i++) {
      const asked = faulty[i % faulty.length];
      if (asked) await run(driver, asked, { timeoutMs: 1_000 }).then(() => note('a fault: an answer'), failed);
      await wait(FAULTY_EVERY_MS);
    }
  };
  await Promise.all([fail(), ...Array.from({ length: callers }, (_, lane) => call(lane))]);
  const lived = (performance.now() - began) / 1000;
  const at = (q: number) => (ms.length === 0 ? 0 : quantile(ms, q));
  return { ...seen, ok: ms.length, perSecond: ms.length / lived, p50Ms: at(0.5), p95Ms: at(0.95) };
}

/** Connections of all shards, whatever their state. */
async function open(): Promise<number> {
  const { shards } = await engine.stats();
  const states = shards.map(({ inside }) => (inside === undefined ? [1] : Object.values(inside.connections)));
  return states.flat().reduce((sum, count) => sum + count, 0);
}

serveProgram(steps);
