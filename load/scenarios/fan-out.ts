import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, type Engine } from 'keylane';
import { interleave, median, quantile, round, stopwatch } from '../measure.js';
import type { Figures, Measured, Scenario } from '../scenario.js';

const KEYS = 100;
const CAP = 50;
const WORK = { openMs: 10, delayMs: 5 };
/** The figures of the system whose design this one follows, at each rate: requests/s → P95 in ms (REQUIREMENTS A19). */
const RATES = [10, 100, 500, 1_000, 5_000];

/** 100 cold keys at once, 10 ms to open a connection and 5 ms to run: 15 ms if nothing is in the way. */
export const scenario: Scenario = { name: 'fan-out', fixture: 'dispatch', limitSeconds: 60, binding: false, measure };

let lastKey = 0;

async function measure(): Promise<Measured> {
  const rounds = await interleave(7, {
    free: () => fanOut(1_000),
    capped: () => fanOut(CAP),
  });
  const [free, capped] = [round(median(rounds.free)), round(median(rounds.capped))];
  return {
    figures: {
      ms: free,
      requestsPerSecond: Math.round((KEYS * 1000) / free),
      capped: { connections: CAP, ms: capped, requestsPerSecond: Math.round((KEYS * 1000) / capped) },
      p95MsAtRequestsPerSecond: await latencies(),
    },
    peers: {},
    ratios: { 'time ÷ (open + run)': round(free / 15) },
    targets: [
      { what: 'ms for 100 cold keys', value: free, atMost: 30 },
      { what: `ms with a cap of ${CAP} connections`, value: capped, atMost: 50 },
    ],
    notes: ['no peer: the bound is the work itself, 15 ms; with 50 connections two waves of it'],
  };
}

/** On an engine that is started and has loaded the driver, but has no connection: those of earlier rounds would count. */
async function fanOut(connectionsPerShard: number): Promise<number> {
  const engine = await started(connectionsPerShard);
  const work = stopwatch();
  await Promise.all(Array.from({ length: KEYS }, () => engine.run('echo', { key: newKey(), ...WORK })));
  const { ms } = work();
  await engine.close();
  return ms;
}

async function started(connectionsPerShard: number): Promise<Engine> {
  const engine = await createEngine({ shards: 1, limits: { connectionsPerShard } });
  // The machine runs the code for the first time only once; a program that fans out has run before.
  await Promise.all(Array.from({ length: 20 }, () => engine.run('echo', { key: newKey() })));
  return engine;
}

/** P95 at a fixed rate of arrival, from when a request was due: with a new key each, and with 100 keys that are warm. */
async function latencies(): Promise<Figures> {
  const figures: Record<string, Figures> = {};
  const engine = await started(1_000);
  const keys = Array.from({ length: KEYS }, newKey);
  await Promise.all(keys.map((key) => engine.run('echo', { key, ...WORK })));
  for (const rate of RATES) {
    const count = Math.max(20, rate);
    const cold = await arrive(rate, count, () => engine.run('echo', { key: newKey(), ...WORK }));
    const warm = await arrive(rate, count, (i) => engine.run('echo', { key: keys[i % KEYS]!, ...WORK }));
    figures[rate] = { cold: round(quantile(cold, 0.95)), warm: round(quantile(warm, 0.95)) };
  }
  await engine.close();
  return figures;
}

async function arrive(rate: number, count: number, run: (i: number) => Promise<unknown>): Promise<number[]> {
  const started = performance.now();
  const running: Promise<number>[] = [];
  while (running.length < count) {
    const due = started + (running.length * 1000) / rate;
    const early = due - performance.now();
    if (early > 0) await wait(early);
    else running.push(run(running.length).then(() => performance.now() - due));
  }
  return await Promise.all(running);
}

function newKey(): string {
  return `host-${++lastKey}`;
}
