import { existsSync, readFileSync } from 'node:fs';
import { onTestFailed } from 'vitest';
import { Random } from './random.js';

export { Random };

/**
 * What drives every random choice of a test. A run prints its seed; `SEED=… npm test -- path` repeats it.
 *
 * A seed that once found a fault is kept for ever, so that the fault is looked for in every run: as a line of
 * test/seeds/NAME.txt (a number, then why it is there), where NAME is what the test passes to `seedsOf`.
 */
export const SEED = seedFrom(process.env.SEED);

function seedFrom(text: string | undefined): number {
  if (text === undefined || text === '') return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    throw new Error(`SEED=${text} is not a whole number below 2^32`);
  return seed;
}

/** The seeds to run a test with: those kept in test/seeds/NAME.txt, then this run's own. */
export function seedsOf(name: string): number[] {
  const file = new URL(`../seeds/${name}.txt`, import.meta.url);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return [...lines.filter((line) => /^\d/.test(line)).map((line) => seedFrom(line.split(/\s/, 1)[0])), SEED];
}

/** A source of randomness for the running test; if the test fails, the seed is printed. Call it inside the test. */
export function seeded(seed = SEED): Random {
  onTestFailed(() => {
    process.stderr.write(`SEED=${seed} repeats this failure\n`);
  });
  return new Random(seed);
}
