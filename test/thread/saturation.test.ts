import { expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { runProgram } from '../support/programs/run.js';

const CALLS = process.env.KEYLANE_LONG ? 1_000_000 : 200_000;

test(`past the bound a call is refused within 5 ms, and ${CALLS} refused calls leave nothing behind (P6)`, async () => {
  const { stdout } = await runProgram('saturation', [String(CALLS)], ['--expose-gc']);
  const { firstMs, grown, refused, codes, inFlight, queued } = JSON.parse(stdout) as Record<string, number>;
  expect({ refused, codes, inFlight, queued }).toEqual({
    refused: CALLS + 10_005,
    codes: 'ERR_SATURATED',
    // A key's share is half of what may be in flight; 50 of each wait.
    inFlight: 10,
    queued: 100,
  });
  expect(firstMs).toBeLessThan(5);
  // Far from a pointer for each second call, which is that of a new key.
  expect(grown).toBeLessThan(CALLS * 2);
});

test('the bound of one key keeps no other key out, and the bound of all keeps all out', async () => {
  const engine = await startEngine({ maxInFlight: 2, maxQueued: 5, limits: { queuedPerKey: 3 } });
  const hang = (key: string) => engine.run('echo', { key, fault: 'hang' });
  // One flies and three wait; one more of another key flies and two wait.
  const held = [...['a', 'a', 'a', 'a'], ...['b', 'b', 'b']].map((key) => hang(key).catch(() => {}));
  const ofKey = await failure(hang('a'));
  expect(ofKey).toMatchObject({ code: 'ERR_SATURATED', outcome: 'not_started', retryable: true });
  expect(ofKey.message).toContain('limits.queuedPerKey');
  expect((await failure(hang('c'))).message).toContain('maxQueued');
  await engine.destroy();
  await Promise.all(held);
});

test('a batch larger than every bound waits for its turn and loses nothing', async () => {
  const engine = await startEngine({ shards: 2, maxInFlight: 4, maxQueued: 5, limits: { queuedPerKey: 2 } });
  const requests = Array.from({ length: 2_000 }, (_, i) => ({ key: `k${i % 3}`, payload: i }));
  const seen = new Set<unknown>();
  for await (const { outcome, response } of engine.batch('echo', requests, { concurrency: 500 })) {
    expect(outcome).toBe('ok');
    seen.add(response?.payload);
  }
  expect(seen.size).toBe(requests.length);
});
