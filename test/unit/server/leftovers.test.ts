import { pino } from 'pino';
import { expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.ts';
import type { BatchSummary, ErrorCode } from '../../../src/index.ts';
import { admin } from '../../../src/server/access/principal.ts';
import { Leftovers } from '../../../src/server/batches/leftovers.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';

function setUp(refusals: ErrorCode[]) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const tried: string[] = [];
  const left = { id: 's-1', state: 'interrupted', settings: { by: 'keylane serve', principal: 'admin', options: {} } };
  const leftovers = new Leftovers({
    clock,
    log: pino({ level: 'silent' }),
    stopping: stop.signal,
    summaries: { list: () => Promise.resolve([left as unknown as BatchSummary]) },
    principalNamed: () => admin,
    hasRoom: () => true,
    changed: () => {},
    goOn: ({ id }) => {
      tried.push(id);
      const code = refusals.shift();
      return code ? Promise.reject(new KeylaneError(code, 'not now')) : Promise.resolve();
    },
  });
  return { clock, stop, tried, leftovers };
}

for (const code of ['ERR_EXISTS', 'ERR_SATURATED', 'ERR_QUOTA'] as const)
  test(`a batch that cannot be gone on with yet (${code}) is tried again until it can, though no other one ends`, async () => {
    const { clock, tried, leftovers } = setUp([code, code]);
    await leftovers.start();
    expect([leftovers.size, leftovers.has('s-1'), tried.length]).toEqual([1, true, 1]);
    clock.advance(1_000);
    await settled();
    clock.advance(1_000);
    await settled();
    expect([leftovers.size, tried.length, clock.pending]).toEqual([0, 3, 0]);
  });

test('what cannot be gone on with at all is left, and a service that stops tries nothing more', async () => {
  const forbidden = setUp(['ERR_FORBIDDEN']);
  await forbidden.leftovers.start();
  expect([forbidden.leftovers.size, forbidden.clock.pending]).toEqual([0, 0]);
  const stopped = setUp(['ERR_QUOTA']);
  await stopped.leftovers.start();
  stopped.stop.abort();
  expect(stopped.clock.pending).toBe(0);
});
