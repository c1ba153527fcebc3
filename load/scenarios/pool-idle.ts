import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, type Driver, KeylaneError, systemClock } from 'keylane';
// The pool is no part of the public surface. Its speed is promised all the same, and can be measured only from within.
import { load } from '../../workers/drivers/echo/index.js';
import { Pools } from '../../workers/pools.js';
import { fill, lend } from '../idle-pools.js';
import { medianOf, round, stopwatch } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const KEYS = 1_000;
const EACH = 50;
const ALL = KEYS * EACH;
const LOOKS = 200_000;
const ROUNDS = 5;
const IDLE_MS = 300_000;

/** 50,000 idle connections: what each holds, what lending one costs, and how long the shard is away when all expire. */
export const scenario: Scenario = {
  name: 'pool-idle',
  fixture: 'dispatch',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const driver = (await load()) as Driver;
  // The first compiles everything, so its times do not count; but nothing before it is left on the heap.
  const first = await once(driver, collect);
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await once(driver, collect));
  const of = (figure: keyof Round) => round(medianOf(rounds, (one) => one[figure]));
  const [ns, bytesEach, busyMs, longestMs] = [of('ns'), round(first.bytes), of('busyMs'), of('longestMs')];
  return {
    figures: {
      'ns of acquire + release': ns,
      'bytes of heap for each': bytesEach,
      expiry: { busyMs, wallMs: of('wallMs'), slices: of('slices'), longestMs },
    },
    peers: {},
    ratios: {},
    targets: [
      { what: 'µs of acquire + release', value: ns / 1000, atMost: 1 },
      { what: 'bytes of heap for each idle connection', value: bytesEach, atMost: 1_024 },
      { what: 'ms of shard time until all have expired', value: busyMs, atMost: 100 },
      { what: 'ms of the longest slice of it', value: longestMs, atMost: 5 },
    ],
    notes: [
      `no peer: ${KEYS} keys of ${EACH} connections. Times are CPU of the process or wall time, whichever is less. A slice is from a timer's call to the next turn of the loop, with all promises between`,
    ],
  };
}

interface Round {
  ns: number;
  bytes: number;
  busyMs: number;
  longestMs: number;
  wallMs: number;
  slices: number;
}

async function once(driver: Driver, collect: () => void): Promise<Round> {
  const before = await heapUsed(collect);
  const clock = new SteppedClock();
  const pools = await filled(driver, clock);
  const bytes = ((await heapUsed(collect)) - before) / ALL;
  const ns = nsEach(pools, driver);
  const { slices, wallMs } = await expired(pools, clock);
  await pools.end(new KeylaneError('ERR_CLOSED'));
  const busyMs = slices.reduce((sum, slice) => sum + slice, 0);
  return { ns, bytes, busyMs, longestMs: Math.max(...slices), wallMs, slices: slices.length };
}

/** Real time that can be made to jump; what is far off waits for the jump. */
class SteppedClock implements Clock {
  readonly slices: number[] = [];
  #ahead = 0;
  #far: { at: number; call: () => void }[] = [];

  now(): number {
    return systemClock.now() + this.#ahead;
  }

  timer(ms: number, call: () => void) {
    if (ms < 10_000) return systemClock.timer(ms, () => this.#slice(call));
    const far = { at: this.now() + ms, call };
    this.#far.push(far);
    return {
      cancel: () => {
        this.#far = this.#far.filter((one) => one !== far);
      },
    };
  }

  jump(ms: number): void {
    this.#ahead += ms;
    const due = this.#far.filter(({ at }) => at <= this.now());
    this.#far = this.#far.filter(({ at }) => at > this.now());
    for (const { call } of due) systemClock.timer(0, () => this.#slice(call));
  }

  /**
   * Runs it and notes how long this thread was at it, at most: of the wall time other processes may have had a part, of
   * the process's CPU the threads that collect garbage.
   */
  #slice(call: () => void): void {
    const work = stopwatch();
    call();
    setImmediate(() => {
      const { ms, cpuUs } = work();
      this.slices.push(Math.min(ms, cpuUs / 1000));
    });
  }
}

async function filled(driver: Driver, clock: Clock): Promise<Pools> {
  const limits = {
    connectionsPerLane: EACH,
    connectionsPerShard: ALL,
    opensPerKey: EACH,
    idleMs: IDLE_MS,
    maxLifetimeMs: 1_800_000,
    checkAfterMs: 30_000,
    leakMs: 0,
    connectTimeoutMs: 9_000,
    breaker: { failures: 5, openMs: 30_000, maxOpenMs: 300_000 },
  };
  const context = { deadline: Number.POSITIVE_INFINITY, lost() {} };
  const open = (pool: { target: unknown }, _: unknown, signal: AbortSignal) =>
    driver.open(pool.target, { ...context, signal } as never);
  const pools = new Pools(clock, limits as never, open);
  const target = { openMs: 0, fault: undefined };
  await fill(pools, KEYS, EACH, driver, target);
  return pools;
}

function nsEach(pools: Pools, driver: Driver): number {
  const work = stopwatch();
  lend(pools, KEYS, driver, LOOKS);
  return (work().cpuUs * 1000) / LOOKS;
}

/** Lets the time of all pass at once. */
async function expired(pools: Pools, clock: SteppedClock): Promise<{ slices: number[]; wallMs: number }> {
  clock.slices.length = 0;
  const begun = performance.now();
  clock.jump(IDLE_MS + 60_000);
  while (pools.counts.idle + pools.counts.closing > 0) await new Promise((turn) => setImmediate(turn));
  return { slices: [...clock.slices], wallMs: performance.now() - begun };
}

/** What stays: what one collection finalizes, the next one frees. */
async function heapUsed(collect: () => void): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise<void>((later) => systemClock.timer(30, later));
  }
  return process.memoryUsage().heapUsed;
}
