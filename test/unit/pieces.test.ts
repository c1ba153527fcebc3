import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Pieces } from '../../src/util/pieces.ts';
import { seeded } from '../support/seed.ts';

/** Bytes of the heap and of buffers that are in use. */
function used(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('what was added comes out as it was, however it was cut, and again after that', () => {
  const random = seeded();
  const pieces = new Pieces();
  for (let round = 0; round < 50; round++) {
    const added: Buffer[] = [];
    for (let count = random.below(300); count > 0; count--) {
      const piece = Buffer.alloc(random.below(random.pick([3, 100, 1_023, 1_025, 40_000])), random.below(256));
      added.push(piece);
      pieces.add(piece);
    }
    const whole = Buffer.concat(added);
    expect(pieces.bytes).toBe(whole.length);
    expect(pieces.take().equals(whole)).toBe(true);
    expect(pieces.bytes).toBe(0);
  }
});

test('a MiB of single bytes takes a few MiB', () => {
  const slab = Buffer.alloc(65_536, 'x');
  const pieces = new Pieces();
  const before = used();
  for (let at = 0; at < 1_048_576; at++) pieces.add(slab.subarray(at % 65_536, (at % 65_536) + 1));
  expect(used() - before).toBeLessThan(8 * 1_048_576);
  expect(pieces.bytes).toBe(1_048_576);
});
