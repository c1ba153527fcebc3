// The process of the soak: an engine, what is asked of it, and what it holds. soak.ts leads it.
import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, type Engine, type EngineEvent } from 'keylane';
import { descendants } from '../../test/support/process-tree.js';
import { heapInUse } from '../garbage.js';
import { serveProgram } from '../program.js';
import type { SoakHosts } from '../soak/fleet.js';
import type { AtRest, Held, Look } from '../soak/verdicts.js';
import { Work } from './soak-work.js';

export type SoakEngine = typeof steps;

/** The last one is never killed: what it leaks stays. */
const SHARDS = 3;
const KEYS_EACH = 40;
/** After what was in flight has settled: the idle time of the connections, and closing them. */
const MOST_REST_MS = 20_000;

let engine: Engine;
let work: Work;
let before: Held;
let kills = 0;
/** Echo keys, by the shard that they are in. */
const keys: string[][] = Array.from({ length: SHARDS }, () => []);
const events: Record<string, number> = {};
const uncaught: string[] = [];

process.on('uncaughtException', (error) => uncaught.push(String(error?.stack ?? error)));
process.on('unhandledRejection', (error) => uncaught.push(`unhandled: ${String((error as Error)?.stack ?? error)}`));
process.on('warning', (warning) => uncaught.push(`warning: ${warning.stack ?? warning.message}`));

const steps = {
  async start({ hosts, seed }: { hosts: SoakHosts; seed: number }): Promise<void> {
    // Threads would open these, and they stay.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
    before = held();
    engine = await createEngine({
      shards: SHARDS,
      closeTimeoutMs: 10_000,
      // All that comes with age and with failure is to happen all the time.
      limits: {
        idleMs: 1_000,
        maxLifetimeMs: 10_000,
        checkAfterMs: 500,
        connectTimeoutMs: 2_000,
        leakMs: 2_000,
        groups: { few: 2 },
        ratePerKey: 50,
        breaker: { failures: 5, openMs: 500, maxOpenMs: 2_000 },
      },
      ssh: { knownHosts: hosts.knownHosts, agent: 'none' },
      drivers: [new URL('./soak-driver.js', import.meta.url)],
      onEvent: ({ type }: EngineEvent) => {
        events[type] = (events[type] ?? 0) + 1;
      },
    });
    for (let i = 0; keys.some((of) => of.length < KEYS_EACH); i += 100) {
      const requests = Array.from({ length: 100 }, (_, j) => ({ key: `soak-${i + j}` }));
      for await (const { key, shard } of engine.batch('echo', requests)) keys[shard]?.push(key);
    }
    work = new Work(engine, hosts, seed);
    work.go();
  },

  /** Ends the thread of one of the shards, in turn, by a request of a key that did so long ago or never. */
  async kill(_: undefined): Promise<void> {
    const shard = kills % (SHARDS - 1);
    const key = keys[shard]?.[Math.floor(kills / (SHARDS - 1)) % KEYS_EACH] as string;
    kills++;
    await engine.run('soak', { key, order: 'end' }).catch(() => undefined);
  },

  async look(_: undefined): Promise<Look> {
    const { shards } = await engine.stats();
    const connections = shards.flatMap(({ inside }) => Object.values(inside?.connections ?? {}));
    return {
      ...work.figures,
      pending: work.pending,
      fds: held().fds,
      heapBytes: process.memoryUsage().heapUsed,
      rssBytes: process.memoryUsage.rss(),
      connections: connections.reduce((sum, count) => sum + count, 0),
      restarts: shards.reduce((sum, { restarts }) => sum + restarts, 0),
      leaked: shards.reduce((sum, { inside }) => sum + (inside?.leaked ?? 0), 0),
      kills,
      events,
      uncaught,
    };
  },

  /** Stops the work, lets connections grow old and end, collects the garbage of all threads, and looks at what is left. */
  async rest({ goOn }: { goOn: boolean }): Promise<AtRest> {
    await work.stop();
    const late = performance.now() + MOST_REST_MS;
    while (performance.now() < late && (await open()) > 0) await wait(50);
    let heapBytes = 0;
    // Twice: what the first collection finalizes, the second one frees.
    for (let i = 0; i < 2; i++) {
      heapBytes = heapInUse();
      for (const [key = ''] of keys) heapBytes += (await engine.run('soak', { key, order: 'collect' })).heapBytes;
      await wait(100);
    }
    const connections = await open();
    const { fds, children } = held();
    const rest = { fds, children, heapBytes, rssBytes: process.memoryUsage.rss(), connections, pending: work.pending };
    if (goOn) work.go();
    return rest;
  },

  async close(_: undefined): Promise<{ before: Held; after: Held; ms: number }> {
    const begun = performance.now();
    await engine.close();
    const ms = performance.now() - begun;
    await wait(100);
    return { before, after: held(), ms };
  },
};

/** Connections of all shards, whatever their state. */
async function open(): Promise<number> {
  const { shards } = await engine.stats();
  const states = shards.map(({ inside }) => (inside === undefined ? [1] : Object.values(inside.connections)));
  return states.flat().reduce((sum, count) => sum + count, 0);
}

function held(): Held {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    // What ends by itself within a turn.
    if (!['Immediate', 'TickObject', 'FSReqCallback', 'FSReqPromise', 'CloseReq'].includes(name))
      resources[name] = (resources[name] ?? 0) + 1;
  }
  return { fds: readdirSync('/proc/self/fd').length - 1, children: descendants(process.pid).length, resources };
}

serveProgram(steps);
