import type { EngineOptions } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';

const JOBS = 10_000;

/** PROMISES P10: what a host sees of so many jobs when it resets every connection, and how often they were tried. */
async function storm(limits: EngineOptions['limits'], jobs = JOBS) {
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: 1 }, fault: { accept: 'rst' } });
  onTestFinished(() => proxy.stop());
  const engine = await startEngine({ limits: limits ?? {} });
  const request = {
    host: '127.0.0.1',
    port: proxy.port,
    user: 'nobody',
    command: 'true',
    hostKeys: 'insecure',
  } as const;
  const requests = Array.from({ length: jobs }, () => ({ ...request, password: 'env:PATH' }));
  let attempts = 0;
  const ends = new Set<string>();
  for await (const { outcome, error, attempts: tries } of engine.batch('ssh', requests, { attempts: 5 })) {
    attempts += tries;
    ends.add(`${outcome} ${error?.code}`);
  }
  return { attempts, ends: [...ends].sort(), seen: proxy.connections.length };
}

test('10,000 jobs for a dead host: five connections or few more, and at most 1.1 attempts each', async () => {
  const { attempts, ends, seen } = await storm({ breaker: { openMs: 1_000 } });
  expect(attempts).toBeLessThanOrEqual(1.1 * JOBS);
  expect(ends).toEqual(['not_started ERR_BREAKER_OPEN', 'not_started ERR_CONNECT']);
  // One that was under way, and a probe for each time that it was open.
  expect(seen).toBeLessThanOrEqual(20);
});

test('without a breaker it is the budget that bounds the attempts', async () => {
  // Each attempt is a connection, so there are fewer. From 1,000 on the budget is the tenth.
  const jobs = process.env.KEYLANE_LONG ? JOBS : 2_000;
  const { attempts, ends, seen } = await storm({ breaker: false }, jobs);
  expect(attempts).toBeGreaterThan(jobs);
  expect(attempts).toBeLessThanOrEqual(1.1 * jobs);
  expect(ends).toEqual(['not_started ERR_CONNECT']);
  expect(seen).toBeLessThanOrEqual(attempts);
});
