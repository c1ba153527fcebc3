import { expect, test } from 'vitest';
import { SEED, seeded, seedsOf } from '../support/seed.ts';
import { BatchWorld } from './world/batch-world.ts';

/** PROMISES R1 to R3: so many on every change; `npm run test:long` plays 10,000. */
const SEEDS = Number(process.env.WORLDS ?? (process.env.KEYLANE_LONG === undefined ? 200 : 10_000));

/** What the runs together must have met, or they show nothing. */
const SOMETIMES = [
  'an idempotent one ran twice',
  'an unknown one had not run',
  'an unknown one had run',
  'died after a commit',
  'died after a request left',
  'died after a result was handed out',
  'died before a commit',
  'died before a request left',
  'died between the effect and its answer',
  'died with an answer on its way',
  'outcome failed',
  'outcome not_started ERR_CONNECT',
  'outcome not_started ERR_STOPPED',
  'outcome ok',
  'outcome unknown ERR_CONNECTION_LOST',
  'outcome unknown ERR_INTERRUPTED',
  'was cut',
  'was drained',
  'was paused',
];

test(`in ${SEEDS} worlds whose processes die at any step no request is lost, recorded twice or, if it must not, run twice`, {
  timeout: 3_600_000,
}, async () => {
  seeded();
  const met = new Set<string>();
  const seeds = [...seedsOf('batch').slice(0, -1), ...Array.from({ length: SEEDS }, (_, i) => (SEED + i) >>> 0)];
  for (const seed of seeds) {
    const world = new BatchWorld(seed);
    await world.play();
    if (world.faults.length > 0) throw new Error(`SEED=${seed} WORLDS=1: ${world.faults.join('; ')}`);
    for (const what of world.sometimes) met.add(what);
  }
  if (SEEDS > 100) expect(SOMETIMES.filter((what) => !met.has(what))).toEqual([]);
});
