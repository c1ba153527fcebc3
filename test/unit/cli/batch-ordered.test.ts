import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Bits, type Line, OrderedLines } from '../../../src/cli/batch-ordered.ts';

/** A journal that has what was put so far. */
class FakeJournal {
  readonly lines = new Map<number, string>();
  reads = 0;

  async *from(first: number): AsyncGenerator<Line> {
    this.reads++;
    const found = [...this.lines].filter(([index]) => index >= first).sort(([a], [b]) => a - b);
    for (const [index, line] of found) yield { index, line };
  }
}

it('writes each line once and in order, whatever the order in which they come and however little may be held', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }).chain((count) =>
        fc.record({
          order: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
          // Of an earlier process: not written here.
          known: fc.subarray([...Array(count).keys()]),
          mostHeld: fc.integer({ min: 0, max: 40 }),
        }),
      ),
      async ({ order, known, mostHeld }) => {
        const journal = new FakeJournal();
        const skip = new Bits();
        for (const index of known) {
          journal.lines.set(index, `line ${index}`);
          skip.add(index);
        }
        const written: string[] = [];
        const ordered = new OrderedLines((line) => void written.push(line), {
          ...{ next: 0, skip, mostHeld },
          readFrom: (index) => journal.from(index),
        });
        const fresh = order.filter((index) => !known.includes(index));
        for (const index of fresh) {
          journal.lines.set(index, `line ${index}`);
          await ordered.put(index, `line ${index}`);
        }
        expect(written).toEqual([...fresh].sort((a, b) => a - b).map((index) => `line ${index}`));
      },
    ),
  );
});

it('holds no more than it may behind one that is late, and reads the rest back once', async () => {
  const journal = new FakeJournal();
  const written: string[] = [];
  const ordered = new OrderedLines((line) => void written.push(line), {
    ...{ next: 0, mostHeld: 1_000 },
    readFrom: (index) => journal.from(index),
  });
  const put = async (index: number) => {
    journal.lines.set(index, String(index));
    await ordered.put(index, String(index));
  };
  for (let index = 1; index < 5_000; index++) await put(index);
  expect([written.length, journal.reads]).toEqual([0, 0]);
  await put(0);
  expect(written).toEqual(Array.from({ length: 5_000 }, (_, index) => String(index)));
  expect(journal.reads).toBe(1);
});

it('stops at one that has not come, and goes on from there', async () => {
  const journal = new FakeJournal();
  for (const index of [0, 1, 3]) journal.lines.set(index, String(index));
  const written: string[] = [];
  const ordered = new OrderedLines((line) => void written.push(line), {
    next: 0,
    readFrom: (index) => journal.from(index),
  });
  await ordered.readBack();
  expect(written).toEqual(['0', '1']);
  journal.lines.set(2, '2');
  await ordered.readBack();
  expect(written).toEqual(['0', '1', '2', '3']);
});
