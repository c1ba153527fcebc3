import type { Driver } from 'keylane';
import type { Lease } from '../workers/lease.js';
import type { Pools } from '../workers/pools.js';

/** Opens so many connections in each of `lanes` lanes, which are idle then. */
export async function fill(pools: Pools, lanes: number, each: number, driver: Driver, target: unknown): Promise<void> {
  for (const [key, lane] of namesOf(lanes)) {
    await new Promise((done) => pools.of(key, lane, target, driver).warm(each, done));
  }
  if (pools.counts.idle !== lanes * each) throw new Error(`${pools.counts.idle} idle connections`);
}

/** Takes a stream and gives it back, so many times, of `lanes` lanes in turn. */
export function lend(pools: Pools, lanes: number, driver: Driver, times: number): void {
  let lease: Lease | undefined;
  const waiter = {
    priority: 0,
    inQueue: undefined as never,
    granted(granted: Lease) {
      lease = granted;
    },
    refused(error: Error) {
      throw error;
    },
  };
  const names = namesOf(lanes);
  for (let i = 0; i < times; i++) {
    const [key, lane] = names[i % lanes]!;
    pools.of(key, lane, undefined, driver).acquire(waiter);
    lease!.release();
  }
}

function namesOf(lanes: number): (readonly [key: string, lane: string])[] {
  return Array.from({ length: lanes }, (_, lane) => [`key-${lane}`, `lane-${lane}`] as const);
}
