import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap, type Timed } from '../../src/util/heap.ts';
import { SEED } from '../support/seed.ts';

test('a heap gives what is due first, whatever joined, moved and left', () => {
  const act = fc.tuple(fc.constantFrom('set', 'set', 'remove', 'shift'), fc.nat(9), fc.nat(20));
  const property = fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
    const heap = new Heap<Timed>();
    const items = Array.from({ length: 10 }, (): Timed => ({ dueAt: 0, place: -1 }));
    const inside = new Set<Timed>();
    for (const [what, pick, dueAt] of acts) {
      const item = what === 'shift' ? heap.first : items[pick];
      if (!item) continue;
      if (what === 'set') {
        heap.set(item, dueAt);
        inside.add(item);
      } else {
        heap.remove(item);
        inside.delete(item);
      }
      expect(heap.first?.dueAt).toBe(inside.size === 0 ? undefined : Math.min(...[...inside].map((one) => one.dueAt)));
      for (const one of items) expect(one.place >= 0).toBe(inside.has(one));
    }
  });
  fc.assert(property, { seed: SEED });
});
