import { expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';

test('requests of one key start no faster than its rate, over all its lanes, and hold up no other key', async () => {
  const engine = await startEngine({ shards: 2, limits: { ratePerKey: 20, burstPerKey: 2 } });
  const begun = performance.now();
  const ended: number[] = [];
  const limited = Array.from({ length: 7 }, async (_, i) => {
    await engine.run('echo', { key: 'limited', openMs: i % 2 });
    ended.push(performance.now() - begun);
  });
  await Promise.all(Array.from({ length: 50 }, (_, i) => engine.run('echo', { key: `other-${i}` })));
  expect(ended.length).toBeLessThan(7);
  await Promise.all(limited);
  // Two at once, then one every 50 ms; the two threads' clocks are one, rounded to a millisecond.
  for (const [i, at] of ended.entries()) expect(at).toBeGreaterThan((i - 1) * 50 - 2);
});

test('a request whose turn comes too late is not started, and says which limit it was', async () => {
  const engine = await startEngine({ limits: { ratePerKey: 0.001 } });
  await engine.run('echo', { key: 'k' });
  const [late, canceled] = await Promise.all([
    failure(engine.run('echo', { key: 'k' }, { timeoutMs: 30 })),
    failure(engine.run('echo', { key: 'k' }, { signal: AbortSignal.timeout(10) })),
  ]);
  expect(late).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started', retryable: true });
  expect(late.message).toContain('limits.ratePerKey');
  expect(canceled).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  expect((await engine.stats()).inFlight).toBe(0);
});
