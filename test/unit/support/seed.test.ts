import { expect, test } from 'vitest';
import { Random, SEED, seeded, seedsOf } from '../../support/seed.js';

test('a seed fixes all that follows', () => {
  const draw = (seed: number) => Array.from({ length: 50 }, () => seeded(seed).below(1_000_000));
  const [a, b] = [new Random(7), new Random(7)];
  expect(Array.from({ length: 50 }, () => a.next())).toEqual(Array.from({ length: 50 }, () => b.next()));
  expect(draw(7)).not.toEqual(draw(8));
});

test('numbers stay below their bound and reach all of it', () => {
  const random = seeded();
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const n = random.below(10);
    counts[n] = (counts[n] ?? Number.NaN) + 1;
  }
  for (const count of counts) expect(count).toBeGreaterThan(800);
});

test("the run's own seed is tried where no other was kept", () => {
  expect(seedsOf('a-test-without-a-file')).toEqual([SEED]);
});
