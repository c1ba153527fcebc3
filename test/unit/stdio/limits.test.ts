import { expect, test } from 'vitest';
import { makeStdioSpec } from '../../../src/specs/stdio.ts';
import type { StdioServer } from '../../../src/stdio-types.ts';
import { load } from '../../../workers/drivers/stdio/index.ts';

async function limitsOf(server: Partial<StdioServer>) {
  const { target } = makeStdioSpec({ servers: { x: { command: 'x', ...server } } }).parse({ server: 'x', method: 'm' });
  return (await load()).limits?.(target as never);
}

test('a process that may hold a session never ends for its age, and one that holds none as all connections do', async () => {
  expect(await limitsOf({})).toEqual({ connectionsPerLane: 1, connectionsPerKey: 4, maxLifetimeMs: 0 });
  expect(await limitsOf({ stateless: true })).toEqual({ connectionsPerLane: 4, connectionsPerKey: 4 });
});

test('a start has the time that its server says, the pause before it apart', async () => {
  expect(await limitsOf({ startTimeoutMs: 90_000, idleMs: 5 })).toMatchObject({ connectTimeoutMs: 95_000, idleMs: 5 });
});
