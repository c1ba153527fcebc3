import { expect, test } from 'vitest';
import { SEED, seeded, seedsOf } from '../support/seed.ts';
import { play } from './world/play.ts';

/** PROMISES X5: so many on every change; `npm run test:long` plays 10,000. */
const SEEDS = Number(process.env.WORLDS ?? (process.env.KEYLANE_LONG === undefined ? 200 : 10_000));

/** What the runs together must have met, or they show nothing. */
const SOMETIMES = [
  'a batch was left early',
  'a host allowed fewer streams',
  'a host gave no sign of life',
  'a host ignored a connection',
  'a host never answered',
  'a request met a dead connection',
  'a request was tried again',
  'a thread died',
  'a thread died while it started',
  'a thread stood still',
  'an unknown one had not run',
  'an unknown one had run',
  'connections were prewarmed',
  'event breaker_closed',
  'event breaker_open',
  'event key_moved',
  'event shard_blocked',
  'event shard_died',
  'outcome canceled ERR_CANCELED',
  'outcome failed',
  'outcome not_started ERR_AUTH',
  'outcome not_started ERR_BREAKER_OPEN',
  'outcome not_started ERR_CONNECT',
  'outcome not_started ERR_SATURATED',
  'outcome not_started ERR_SHARD_DIED',
  'outcome not_started ERR_TIMEOUT',
  'outcome ok',
  'outcome unknown ERR_CONNECTION_LOST',
  'outcome unknown ERR_SHARD_DIED',
  'outcome unknown ERR_TIMEOUT',
];

test(`in ${SEEDS} worlds nothing is lost, run twice or lied about, and all comes to an end`, {
  timeout: 3_600_000,
}, async () => {
  seeded();
  const met = new Set<string>();
  const seeds = [...seedsOf('engine').slice(0, -1), ...Array.from({ length: SEEDS }, (_, i) => (SEED + i) >>> 0)];
  for (const seed of seeds) {
    const { world } = await play(seed);
    if (world.faults.length > 0) throw new Error(`SEED=${seed}: ${world.faults.join('; ')}\n${world.lastLines}`);
    for (const what of world.sometimes) met.add(what);
  }
  expect(SOMETIMES.filter((what) => !met.has(what))).toEqual([]);
});

test('the same seed gives the same run, event by event', async () => {
  seeded();
  for (let i = 0; i < 5; i++) {
    const seed = (SEED + i) >>> 0;
    const first = await play(seed);
    expect((await play(seed)).hash).toBe(first.hash);
  }
});
