import { type Clock, type Driver, systemClock } from 'keylane';
// The pool is no part of the public surface. Its speed is promised all the same, and can be measured only from within.
import { Pools } from '../../workers/pools.js';
import { fill, lend } from '../idle-pools.js';
import { interleave, median, round } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const FEW = 50;
const MANY = 50_000;
const LOOKS = 500_000;
const ROUNDS = 9;

/** One acquire and one release, in a pool of 50 connections and in one of 50,000: does anything look through them? */
export const scenario: Scenario = {
  name: 'pool-acquire',
  fixture: 'dispatch',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const [few, many, lanes] = await Promise.all([filled(1, FEW), filled(1, MANY), filled(MANY / FEW, FEW)]);
  const rounds = await interleave(ROUNDS, {
    few: () => nsEach(few, 1),
    many: () => nsEach(many, 1),
    lanes: () => nsEach(lanes, MANY / FEW),
  });
  const ns = (name: keyof typeof rounds) => round(median(rounds[name]));
  const ratio = round(ns('many') / ns('few'));
  return {
    figures: {
      nsEach: { [`${FEW} connections`]: ns('few'), [`${MANY} connections`]: ns('many') },
      [`nsEach, ${MANY / FEW} lanes of ${FEW} in turn`]: ns('lanes'),
    },
    peers: {},
    ratios: { '50,000 ÷ 50 connections': ratio },
    targets: [
      { what: 'µs of acquire + release', value: ns('many') / 1000, atMost: 1 },
      { what: '50,000 ÷ 50 connections, at most', value: ratio, atMost: 1.2 },
      { what: '50,000 ÷ 50 connections, at least', value: ratio, atLeast: 0.8 },
    ],
    notes: [
      'no peer: the pool is beside itself. Lanes in turn also pay for memory that no cache of the processor holds',
    ],
  };
}

const clock: Clock = systemClock;
const driver: Driver = {
  streams: 1,
  open: () => Promise.resolve({}),
  execute: () => null,
  reusable: () => true,
  close: () => {},
};

/** `lanes` pools of `connections` idle connections each. */
async function filled(lanes: number, connections: number): Promise<Pools> {
  const limits = {
    connectionsPerLane: connections,
    connectionsPerShard: lanes * connections,
    opensPerKey: connections,
    idleMs: 86_400_000,
    maxLifetimeMs: 86_400_000,
    checkAfterMs: 30_000,
    leakMs: 0,
    connectTimeoutMs: 86_400_000,
  };
  const pools = new Pools(clock, { inFlightPerKey: 1, queuedPerKey: 1, ...limits } as never, () => Promise.resolve({}));
  await fill(pools, lanes, connections, driver, undefined);
  return pools;
}

function nsEach(pools: Pools, lanes: number): number {
  const started = performance.now();
  lend(pools, lanes, driver, LOOKS);
  return ((performance.now() - started) * 1e6) / LOOKS;
}
