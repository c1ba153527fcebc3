import { createEngine } from 'keylane';
import { expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { fdCount } from '../support/leaks.js';
import { kill } from '../support/process-tree.js';
import { seeded } from '../support/seed.js';
import { hostile } from '../support/stdio.js';

const POINTS = process.env.KEYLANE_LONG ? 1_000 : 50;
const AT_ONCE = 20;

test(`a process that ends at any of ${POINTS} points costs what is in flight on it: each is settled once, as unknown or not started`, async () => {
  const random = seeded();
  const engine = await createEngine({ shards: 1, stdio: { servers: { a: hostile() } } });
  const pids = new Set<number>();
  const counts: Record<string, number> = {};
  try {
    const run = (method: string, params: object) => engine.run('stdio', { server: 'a', method, params });
    for (let point = 0; point < POINTS; point++) {
      const at = random.below(AT_ONCE);
      const pid = (await run('pid', {})).result as number;
      pids.add(pid);
      const way = random.pick(['exit', 'kill', 'half', 'closeStdout', 'from outside']);
      const calls = Array.from({ length: AT_ONCE }, async (_, i) => {
        if (i !== at) return run(random.pick(['echo', 'slow']), { i, ms: random.below(10) });
        if (way !== 'from outside') return run(way, {});
        // It may not have left yet, and goes to the next process then.
        const answer = run('slow', { i, ms: 200 });
        for (let turns = random.below(200); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        kill(pid, 'SIGKILL');
        return answer;
      });
      const settled = await Promise.allSettled(calls);
      for (const [i, one] of settled.entries()) {
        if (one.status === 'fulfilled') {
          expect(one.value.result).toMatchObject({ i });
          counts.ok = (counts.ok ?? 0) + 1;
        } else {
          expect(one.reason).toMatchObject({
            code: 'ERR_CONNECTION_LOST',
            retryable: one.reason.outcome !== 'unknown',
          });
          expect(['unknown', 'not_started']).toContain(one.reason.outcome);
          counts[one.reason.outcome] = (counts[one.reason.outcome] ?? 0) + 1;
        }
      }
      if (way !== 'from outside') expect(settled[at]).toMatchObject({ reason: { outcome: 'unknown' } });
      expect((await engine.stats()).shards[0]?.inside?.requests).toBe(0);
    }
    expect(counts.unknown).toBeGreaterThan(POINTS / 2);
    expect(pids.size).toBe(POINTS);
  } finally {
    await engine.close();
  }
}, 600_000);

test('past its restarts of a minute a server is refused at once, with what it said last and when it is tried again', async () => {
  const engine = await startEngine({
    stdio: { servers: { a: { ...hostile(['exit']), restartsPerMinute: 2 }, b: hostile() } },
  });
  const ask = (server: string) => engine.run('stdio', { server, method: 'echo' });
  for (let i = 0; i < 3; i++)
    expect(await failure(ask('a'))).toMatchObject({
      code: 'ERR_SPAWN',
      outcome: 'not_started',
      message: 'a: the process ended with exit code 3; stderr: hostile: cannot find its database',
    });
  const spawned = async () => (await engine.stats()).shards[0]?.inside?.spawned;
  const before = await spawned();
  const refused = await failure(ask('a'));
  expect(refused).toMatchObject({ code: 'ERR_SPAWN', outcome: 'not_started', key: 'a' });
  expect(refused.message).toMatch(
    /^a: started anew 2 times in a minute; the next time in \d+ s\. The last time: .* cannot find its database$/,
  );
  expect(refused.retryAfterMs).toBeGreaterThan(30_000);
  expect(await spawned()).toBe(before);
  expect(await ask('b')).toEqual({ result: null });
});

test('a warm process takes thousands of requests without a spawn or a descriptor', async () => {
  const engine = await startEngine({ stdio: { servers: { a: hostile() } } });
  const burst = () =>
    Promise.all(
      Array.from({ length: 500 }, (_, i) => engine.run('stdio', { server: 'a', method: 'echo', params: { i } })),
    );
  await burst();
  const now = async () => {
    const { spawned, subprocesses } = (await engine.stats()).shards[0]?.inside ?? {};
    return { spawned, subprocesses, fds: fdCount() };
  };
  const before = await now();
  // The server, and the guard of all.
  expect(before).toMatchObject({ spawned: 2, subprocesses: 2 });
  for (let i = 0; i < 4; i++) await burst();
  expect(await now()).toEqual(before);
});

test('a process that is idle for too long is ended, and its guard with the last', async () => {
  const engine = await startEngine({ stdio: { servers: { a: hostile([], { idleMs: 50 }) } } });
  await engine.run('stdio', { server: 'a', method: 'echo' });
  await until(async () => (await engine.stats()).shards[0]?.inside?.subprocesses === 0);
});
