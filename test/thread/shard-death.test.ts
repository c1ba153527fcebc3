import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine, KeylaneError } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shardOf } from '../../src/routing.js';
import { systemClock } from '../../src/util/clock.js';
import { CRASH, type CrashRequest } from '../support/drivers/own.js';
import { type Random, SEED, seeded } from '../support/seed.js';

const SHARDS = 4;
const JOBS = 1_000;
const ROUNDS = process.env.KEYLANE_LONG ? 50 : 1;
const KEYS = Array.from({ length: 60 }, (_, i) => `host-${i}`);

/** Where writing never waits for a disk: a shard that waits for two seconds is replaced. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let dir: string;
let nextWitness = 0;
beforeAll(() => {
  dir = mkdtempSync(join(MEMORY, 'keylane-death-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

type Death = NonNullable<CrashRequest['die']>;

/** To `block` is to be terminated by the supervisor. */
const DEATHS: Death[] = ['throw', 'reject', 'exit0', 'exit3', 'block', 'heap'];

/** Small, so that a busy machine does not take the filling for a block. */
const limits = { shardHeapMb: 32 };

test.each(DEATHS)(
  'a shard that dies by %s takes nothing along but what it had in flight (W1)',
  async (die) => {
    // A thread that a busy machine lets wait for its turn is not to be taken for blocked.
    const shardBlockedMs = die === 'block' ? 2_000 : 20_000;
    for (let round = 0; round < ROUNDS; round++) {
      // A new one each time: a shard that dies again and again is not replaced at once, and a key that kills twice is kept out.
      const begun = systemClock.now();
      const engine = await createEngine({ shards: SHARDS, drivers: [CRASH], shardBlockedMs, limits });
      // What a thread's start costs on this machine now, beside what else it does.
      const startMs = systemClock.now() - begun;
      try {
        const dead = await killOne(engine, die, startMs, seeded((SEED + round) >>> 0));
        const { shards, inFlight, queued } = await engine.stats();
        expect({ inFlight, queued }).toEqual({ inFlight: 0, queued: 0 });
        expect(shards.map((shard) => shard.restarts)).toEqual(shards.map((_, shard) => (shard === dead ? 1 : 0)));
      } finally {
        await engine.destroy();
      }
    }
  },
  ROUNDS * 30_000,
);

/** 1,000 jobs on 60 keys, one of which kills its shard. Returns the number of that shard. */
async function killOne(engine: Engine, die: Death, startMs: number, random: Random): Promise<number> {
  const witness = join(dir, `${die}-${nextWitness++}`);
  writeFileSync(witness, '');
  const killer = random.below(JOBS);
  const victim = random.pick(KEYS);
  let settled = 0;
  const jobs = Array.from({ length: JOBS }, (_, id) => {
    const key = id === killer ? victim : random.pick(KEYS);
    const request: CrashRequest = { key, id, witness, beforeMs: random.below(30), afterMs: random.below(30) };
    if (id === killer) request.die = die;
    const settling = engine.run('crash', request).finally(() => settled++);
    return settling.then(
      (response) => ({ id, key, response, error: undefined }),
      (error: unknown) => ({ id, key, response: undefined, error: error as KeylaneError }),
    );
  });
  // Its place is taken within a second; the start is of one thread, but beside 1,000 jobs.
  const probe: CrashRequest = { key: victim, id: JOBS, witness, beforeMs: 0, afterMs: 0 };
  await jobs[killer];
  const died = systemClock.now();
  await engine.run('crash', probe, { priority: 10 });
  expect(systemClock.now() - died).toBeLessThan(1_000 + 3 * startMs);
  const results = await Promise.all(jobs);
  expect(settled).toBe(JOBS);

  const left = new Set(readFileSync(witness, 'utf8').split('\n').filter(Boolean).map(Number));
  const dead = shardOf(victim, SHARDS);
  const errors = results.filter(({ error }) => error !== undefined);
  expect(errors.map(({ id }) => id)).toContain(killer);
  for (const { id, key, response, error } of results) {
    if (error === undefined) {
      expect(response).toEqual({ id });
      expect(left.has(id)).toBe(true);
      continue;
    }
    expect(shardOf(key, SHARDS)).toBe(dead);
    expect(error).toBeInstanceOf(KeylaneError);
    // What the witness saw leave is unknown, and nothing else is: the ledger knows as much as the file.
    expect({ id, code: error.code, outcome: error.outcome, retryable: error.retryable, key: error.key }).toEqual({
      id,
      code: 'ERR_SHARD_DIED',
      outcome: left.has(id) ? 'unknown' : 'not_started',
      retryable: !left.has(id),
      key,
    });
  }

  return dead;
}
