import type { StdioOrder, StdioTarget } from '../../../src/specs/stdio.js';
import type { StdioResponse } from '../../../src/stdio-types.js';
import type { Driver } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import { Child } from './child.js';
import type { StdioConnection } from './connection.js';
import { Guardian } from './guardian.js';
import { Opener } from './open.js';
import { LONGEST_PAUSE_MS, Restarts } from './restarts.js';

/** Processes that speak JSON-RPC on their standard input and output. A connection is a process, a stream an id. */
export function load(
  clock: Clock = systemClock,
): Promise<Driver<StdioTarget, StdioConnection, StdioOrder, StdioResponse>> {
  const guardian = new Guardian();
  const opener = new Opener(clock, guardian, new Restarts(clock));
  return Promise.resolve({
    streams: ({ requestsPerProcess }) => requestsPerProcess,
    // What belongs to a session is in the memory of one process, which must not end for its age.
    limits: ({ stateless, processes, idleMs, startTimeoutMs }) => ({
      connectionsPerLane: stateless ? processes : 1,
      connectionsPerKey: processes,
      ...(stateless ? {} : { maxLifetimeMs: 0 }),
      ...(startTimeoutMs === undefined ? {} : { connectTimeoutMs: startTimeoutMs + LONGEST_PAUSE_MS }),
      ...(idleMs === undefined ? {} : { idleMs }),
    }),
    open: (target, context) => opener.open(target, context),
    execute: (connection, order, context) => connection.execute(order, context),
    ok: ({ error }) => error === undefined,
    reusable: (connection) => connection.state === 'open',
    check: (connection, withinMs) => connection.check(withinMs),
    subprocesses: () => Child.running + guardian.counts.running,
    spawned: () => Child.started + guardian.counts.started,
    close: (connection) => connection.close(),
  });
}
