import type { Driver } from '../src/types.js';

/** What drivers say of the processes that they have started. */
export function processesOf(drivers: Iterable<Driver | Promise<Driver>>): { subprocesses: number; spawned: number } {
  let subprocesses = 0;
  let spawned = 0;
  for (const driver of drivers) {
    if (driver instanceof Promise) continue;
    subprocesses += countOf(() => driver.subprocesses?.());
    spawned += countOf(() => driver.spawned?.());
  }
  return { subprocesses, spawned };
}

/** A driver that cannot tell has none: to be looked at must not cost the shard. */
function countOf(told: () => number | undefined): number {
  try {
    const count = told();
    return count !== undefined && Number.isSafeInteger(count) ? count : 0;
  } catch {
    return 0;
  }
}
