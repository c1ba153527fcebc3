import { expect, test } from 'vitest';
import { Calls, LAST_ID } from '../../../workers/drivers/stdio/calls.js';
import { seeded } from '../../support/seed.js';

test.each([0, LAST_ID - 100])('after id %d, a call is found by its id alone until it is over', (lastId) => {
  const random = seeded();
  const calls = new Calls<{ id: number }>(lastId);
  const there = new Map<number, { id: number }>();
  // The first stays for long: its place is met again and again by ids that come later.
  const first = { id: calls.newId() };
  const begin = (call: { id: number }) => {
    expect(there.has(call.id)).toBe(false);
    calls.add(call);
    there.set(call.id, call);
  };
  begin(first);
  for (let round = 0; round < 1_000; round++) {
    if (random.below(5) < 3) {
      begin({ id: calls.newId() });
    } else {
      const over = random.pick([...there.values(), { id: first.id }]);
      if (over === first) continue;
      calls.delete(over);
      if (there.get(over.id) === over) there.delete(over.id);
    }
    expect(calls.size).toBe(there.size);
  }
  expect(new Set(calls.all())).toEqual(new Set(there.values()));
  const ids = Array.from({ length: 1_100 }, (_, i) => [i, LAST_ID - i]).flat();
  expect(ids.filter((id) => calls.get(id) !== there.get(id))).toEqual([]);
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32 + 1, 1e300])('nothing has the id %d', (id) => {
  const calls = new Calls<{ id: number }>();
  calls.add({ id: calls.newId() });
  expect(calls.get(id)).toBeUndefined();
});
