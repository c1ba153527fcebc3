// The measured program with keylane in it. bare-ssh2.ts is its twin.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createEngine, type Engine, type EngineOptions } from 'keylane';
import { collectGarbage } from '../garbage.js';
import { runAll, stopwatch, type Work } from '../measure.js';
import type { Fleet } from '../peers/bare-ssh2.js';
import { serveProgram } from '../program.js';

export type KeylaneSsh = typeof steps;

export interface Start {
  fleet: Fleet;
  options: EngineOptions;
}

let engine: Engine;
let fleet: Fleet;

const steps = {
  /** Starts the engine, without a connection. */
  async start(start: Start): Promise<void> {
    fleet = start.fleet;
    const { port, user, identity, knownHosts } = fleet;
    engine = await createEngine({ ...start.options, ssh: { port, user, identity, knownHosts, ...start.options.ssh } });
  },

  /** One connection to each address from `first` on. */
  async connect({ first = 0, count = fleet.addresses.length }: { first?: number; count?: number }): Promise<Work> {
    const requests = fleet.addresses.slice(first, first + count).map((host) => ({ host, command: 'true' }));
    const work = stopwatch();
    const { ready, failed } = await engine.prewarm('ssh', requests);
    if (failed.length > 0) throw new Error(`${ready} connected, ${failed.length} not: ${failed[0]?.stack}`);
    return { count: requests.length, ...work() };
  },

  /** `count` commands, `streams` at once on each address. */
  async run({ count, streams }: { count: number; streams: number }): Promise<Work> {
    const { addresses } = fleet;
    return await runAll(addresses.length * streams, count, async (lane) => {
      const { code } = await engine.run('ssh', { host: addresses[lane % addresses.length]!, command: 'true' });
      if (code !== 0) throw new Error(`exit code ${code}`);
    });
  },

  /** One command on each address, as a batch. */
  async batch({ concurrency }: { concurrency: number }): Promise<Work & { failures: string[] }> {
    const requests = fleet.addresses.map((host) => ({ host, command: 'true' }));
    const failures: string[] = [];
    const work = stopwatch();
    for await (const { request, outcome, error } of engine.batch('ssh', requests, { concurrency })) {
      if (outcome !== 'ok') failures.push(`${request.host}: ${outcome} ${error?.message ?? ''}`);
    }
    return { count: requests.length, ...work(), failures };
  },

  /** `count` commands as a batch, on each address in turn. `id`: of its journal; undefined: it has none. */
  async rounds(about: {
    count: number;
    concurrency: number;
    id: string | undefined;
  }): Promise<Work & { reused: number }> {
    const { count, concurrency, id } = about;
    const { addresses } = fleet;
    const requests = Array.from({ length: count }, (_, i) => ({
      host: addresses[i % addresses.length]!,
      command: 'true',
    }));
    const journal = id === undefined ? {} : { id, journal: true };
    let reused = 0;
    const work = stopwatch();
    for await (const { outcome, error, reused: kept } of engine.batch('ssh', requests, { concurrency, ...journal })) {
      if (outcome !== 'ok') throw error ?? new Error(outcome);
      if (kept) reused++;
    }
    return { count, ...work(), reused };
  },

  /** Connects to all addresses at once. How late was this thread's own event loop meanwhile? */
  async handshakes(_: undefined): Promise<{ p99Ms: number; maxMs: number; ms: number }> {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const work = stopwatch();
    await Promise.all(fleet.addresses.map((host) => engine.run('ssh', { host, command: 'true' })));
    const { ms } = work();
    delay.disable();
    return { p99Ms: delay.percentile(99) / 1e6, maxMs: delay.max / 1e6, ms };
  },

  /** Drops what nobody needs, in this thread and in the shards (by a driver whose request is just that). */
  async collect({ driver }: { driver: string }): Promise<void> {
    const run = engine.run as (driver: string, request: unknown) => Promise<unknown>;
    for (let i = 0; i < 64; i++) await run.call(engine, driver, { key: `key-${i}` });
    collectGarbage();
  },

  async close(_: undefined): Promise<void> {
    await engine.close();
  },
};

serveProgram(steps);
