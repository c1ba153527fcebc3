// No part of the public surface: what counting costs each request can be measured only from within.
import { KeyCounts } from '../../workers/top-keys.js';
import { interleave, median, round, stopwatch } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const MANY = 10_000;
const NOTES = 500_000;
const ROUNDS = 9;
/** How long requests hold their streams, in µs: one of `echo`, one of SSH on this machine, one that waits for a host. */
const HELD_US = [20, 2_000, 200_000];

/** What it costs each request that its shard knows its top keys, whether one key has all requests or 10,000 take turns. */
export const scenario: Scenario = {
  name: 'top-keys',
  fixture: 'dispatch',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const one = ['key-0'];
  const many = Array.from({ length: MANY }, (_, i) => `key-${i}`);
  const kinds = HELD_US.flatMap((heldUs) => [
    { name: `held ${heldUs} µs, one key`, keys: one, heldUs },
    { name: `held ${heldUs} µs, ${MANY} keys in turn`, keys: many, heldUs },
  ]);
  const runs = kinds.map(({ name, keys, heldUs }) => [name, () => nsEach(keys, heldUs)] as const);
  const rounds = await interleave(ROUNDS, Object.fromEntries(runs));
  const nsEachKind = Object.fromEntries(kinds.map(({ name }) => [name, round(median(rounds[name] ?? []))]));
  const targets = kinds.map(({ name }) => ({ what: `ns of a request, ${name}`, value: nsEachKind[name], atMost: 50 }));
  return {
    figures: { nsEach: nsEachKind },
    peers: {},
    ratios: {},
    targets,
    notes: ['no peer: the counter is beside a loop that only takes the next key. A shard notes each answer once'],
  };
}

/** CPU of noting so many requests, without that of the loop. */
function nsEach(keys: readonly string[], heldUs: number): number {
  const counts = new KeyCounts(0, Math.random);
  const noted = cpuUs(keys, (key) => counts.note(key, heldUs));
  let length = 0;
  const bare = cpuUs(keys, (key) => {
    length += key.length;
  });
  // Nothing of it may be left out because nobody looks.
  if (counts.top(1).requests !== NOTES || length === 0) throw new Error('not all were noted');
  return Math.max(0, ((noted - bare) * 1000) / NOTES);
}

function cpuUs(keys: readonly string[], each: (key: string) => void): number {
  const work = stopwatch();
  for (let i = 0; i < NOTES; i++) each(keys[i % keys.length] as string);
  return work().cpuUs;
}
