import { expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';

test('requests of one key start no faster than its rate, over all its lanes', async () => {
  const engine = await startEngine({ shards: 2, limits: { ratePerKey: 20, burstPerKey: 2 } });
  const begun = performance.now();
  const ended: number[] = [];
  const limited = Array.from({ length: 7 }, async (_, i) => {
    await engine.run('echo', { key: 'limited', openMs: i % 2 });
    ended.push(performance.now() - begun);
  });
  await Promise.all(limited);
  // Two at once, then one every 50 ms; the two threads' clocks are one, rounded to a millisecond.
  for (const [i, at] of ended.entries()) expect(at).toBeGreaterThan((i - 1) * 50 - 2);
});

test('a request whose turn comes too late is not started, says which limit it was, and holds up no other key', async () => {
  const engine = await startEngine({ limits: { ratePerKey: 0.001 } });
  await engine.run('echo', { key: 'k' });
  const stop = new AbortController();
  const waits = failure(engine.run('echo', { key: 'k' }, { signal: stop.signal }));
  const late = await failure(engine.run('echo', { key: 'k' }, { timeoutMs: 30 }));
  await Promise.all(Array.from({ length: 50 }, (_, i) => engine.run('echo', { key: `other-${i}` })));
  expect((await engine.stats()).inFlight).toBe(1);
  stop.abort();
  const canceled = await waits;
  expect(late).toMatchObject({ code: 'ERR_TIMEOUT', outcome: 'not_started', retryable: true });
  expect(late.message).toContain('limits.ratePerKey');
  expect(canceled).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  expect((await engine.stats()).inFlight).toBe(0);
});
