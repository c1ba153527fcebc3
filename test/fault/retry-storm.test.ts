import type { EngineOptions } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';

const JOBS = 10_000;

/** PROMISES P10: what a host sees of 10,000 jobs when it resets every connection, and how often they were tried. */
async function storm(limits: EngineOptions['limits']) {
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
  const requests = Array.from({ length: JOBS }, () => ({ ...request, password: 'env:PATH' }));
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
  const { attempts, ends, seen } = await storm({ breaker: false });
  expect(attempts).toBeGreaterThan(JOBS);
  expect(attempts).toBeLessThanOrEqual(1.1 * JOBS);
  expect(ends).toEqual(['not_started ERR_CONNECT']);
  expect(seen).toBeLessThanOrEqual(attempts);
});
