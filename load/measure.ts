import { setTimeout as wait } from 'node:timers/promises';

export interface Work {
  count: number;
  ms: number;
  /** CPU of the whole process, all threads, in microseconds. */
  cpuUs: number;
}

/** Keeps `lanes` calls of `one` in flight for `ms`, then lets them end. The clock is not read for each: that would be measured too. */
export async function keepInFlight(lanes: number, ms: number, one: (lane: number) => Promise<unknown>): Promise<Work> {
  let [over, count] = [false, 0];
  const loop = async (lane: number) => {
    while (!over) {
      await one(lane);
      count++;
    }
  };
  const work = stopwatch();
  const loops = Array.from({ length: lanes }, (_, lane) => loop(lane));
  await wait(ms);
  over = true;
  await Promise.all(loops);
  return { count, ...work() };
}

/** Calls `one` for each index below `count`, `lanes` at once; a lane takes the indexes that are its own modulo `lanes`. */
export async function runAll(lanes: number, count: number, one: (lane: number) => Promise<unknown>): Promise<Work> {
  const loop = async (lane: number) => {
    for (let i = lane; i < count; i += lanes) await one(lane);
  };
  const work = stopwatch();
  await Promise.all(Array.from({ length: lanes }, (_, lane) => loop(lane)));
  return { count, ...work() };
}

/** Call the result to read wall and CPU time since now. */
export function stopwatch(): () => { ms: number; cpuUs: number } {
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  return () => {
    const ms = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    return { ms, cpuUs: user + system };
  };
}

/**
 * Runs all in turn, `rounds` times (A B C A B C …), so that whatever else the machine does meets all of them. The first
 * round warms up and is not counted.
 */
export async function interleave<Name extends string, T>(
  rounds: number,
  runs: Record<Name, () => Promise<T> | T>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(runs) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Name, T[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const result = await runs[name]();
      if (round > 0) results[name].push(result);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!;
}

/** The median over rounds of a figure of each. */
export function medianOf<T>(rounds: readonly T[], figure: (round: T) => number): number {
  return median(rounds.map(figure));
}

export const perSecond = ({ count, ms }: Work) => (count * 1000) / ms;
export const cpuEach = ({ count, cpuUs }: Work) => cpuUs / count;
export const msEach = ({ count, ms }: Work) => ms / count;

/** Three significant digits: more would be noise. */
export function round(value: number): number {
  return Number(value.toPrecision(3));
}
