import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines, type Due } from '../../src/util/deadlines.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SEED } from '../support/seed.ts';

/** The promise: not before its time, and at most so many milliseconds after it. */
const LATE_MS = 16;

interface Item extends Due {
  name: string;
}

/** Items under deadlines; each that passes is taken out and noted with the time. */
function watched(clock: FakeClock) {
  const items = new Set<Item>();
  const passed: { name: string; at: number }[] = [];
  const deadlines = new Deadlines<Item>(
    clock,
    () => items,
    (item) => {
      items.delete(item);
      passed.push({ name: item.name, at: clock.now() });
    },
  );
  const add = (name: string, dueAt: number): Item => {
    const item = { name, dueAt };
    items.add(item);
    deadlines.watch(dueAt);
    return item;
  };
  return { items, passed, deadlines, add };
}

test('a deadline never passes early, and at most one pace late', () => {
  for (const dueAt of [0.1, 1, 15.9, 16, 17, 100, 1_000.5, 60_000]) {
    const clock = new FakeClock(0.05);
    const { passed, add } = watched(clock);
    add('a', dueAt);
    clock.advance(dueAt - clock.now() - 0.01);
    expect(passed, `${dueAt}`).toEqual([]);
    clock.advance(0.01 + LATE_MS);
    expect(passed, `${dueAt}`).toHaveLength(1);
    expect(passed[0]!.at).toBeGreaterThanOrEqual(dueAt);
  }
});

test('many deadlines, from any start of the clock, all pass in time', () => {
  const due = fc.nat(5_000_000).map((us) => us / 1_000);
  const property = fc.property(
    fc.nat(2 ** 31 - 1).map((us) => us / 1_000),
    fc.array(due, { minLength: 1 }),
    (t, dues) => {
      const clock = new FakeClock(t);
      const { passed, add } = watched(clock);
      for (const [i, wait] of dues.entries()) add(String(i), t + wait);
      clock.advance(5_000 + LATE_MS);
      expect(passed).toHaveLength(dues.length);
      for (const { name, at } of passed) {
        const dueAt = t + dues[Number(name)]!;
        expect(at).toBeGreaterThanOrEqual(dueAt);
        expect(at - dueAt).toBeLessThanOrEqual(LATE_MS + 1e-6);
      }
      expect(clock.pending).toBe(0);
    },
  );
  fc.assert(property, { seed: SEED });
});

test('deadlines that come while the clock runs, earlier and later ones, pass in time', () => {
  const clock = new FakeClock(7);
  const { passed, add } = watched(clock);
  add('late', 500);
  clock.advance(50);
  add('early', 100);
  add('middle', 300);
  clock.advance(1_000);
  expect(passed.map(({ name }) => name)).toEqual(['early', 'middle', 'late']);
  for (const [i, dueAt] of [100, 300, 500].entries()) {
    expect(passed[i]!.at).toBeGreaterThanOrEqual(dueAt);
    expect(passed[i]!.at).toBeLessThanOrEqual(dueAt + LATE_MS);
  }
});

test('a deadline in the past passes at the next look, not within the call that watches it', () => {
  const clock = new FakeClock(1_000);
  const { passed, add } = watched(clock);
  add('a', 10);
  expect(passed).toEqual([]);
  clock.advance(0);
  expect(passed).toHaveLength(1);
});

test('all that are due pass in one look, and one timer serves them all', () => {
  const clock = new FakeClock(0);
  const { passed, add } = watched(clock);
  for (let i = 0; i < 100; i++) add(String(i), 1_001 + i / 20);
  expect(clock.pending).toBe(1);
  clock.advance(1_001 + 10 + LATE_MS);
  expect(passed).toHaveLength(100);
  expect(new Set(passed.map(({ at }) => at)).size).toBe(1);
});

test('an item whose deadline was moved later passes at the later time', () => {
  const clock = new FakeClock(0);
  const { passed, add } = watched(clock);
  const item = add('a', 100);
  item.dueAt = 1_000;
  clock.advance(999);
  expect(passed).toEqual([]);
  clock.advance(1 + LATE_MS);
  expect(passed).toHaveLength(1);
});

test('an item that is given more time when it passes is called again when that is over', () => {
  const clock = new FakeClock(0);
  const calls: number[] = [];
  const item = { dueAt: 100 };
  const deadlines = new Deadlines<Due>(
    clock,
    () => [item],
    (due) => {
      calls.push(clock.now());
      due.dueAt = calls.length === 1 ? 1_000 : Number.POSITIVE_INFINITY;
    },
  );
  deadlines.watch(item.dueAt);
  clock.advance(10_000);
  expect(calls).toHaveLength(2);
  expect(calls[0]! - 100).toBeLessThanOrEqual(LATE_MS);
  expect(calls[1]).toBeGreaterThanOrEqual(1_000);
  expect(calls[1]! - 1_000).toBeLessThanOrEqual(LATE_MS);
  expect(clock.pending).toBe(0);
});

test('an item that is settled in time is never called, and its neighbours still are', () => {
  const clock = new FakeClock(0);
  const { items, passed, add } = watched(clock);
  const settled = add('settled', 100);
  add('other', 200);
  clock.advance(50);
  items.delete(settled);
  clock.advance(200);
  expect(passed.map(({ name }) => name)).toEqual(['other']);
});

test('gaps among the items are stepped over', () => {
  const clock = new FakeClock(0);
  const slots: (Due | undefined)[] = [undefined, { dueAt: 100 }, undefined];
  let calls = 0;
  const deadlines = new Deadlines<Due>(
    clock,
    () => slots,
    () => {
      calls++;
      slots[1] = undefined;
    },
  );
  deadlines.watch(100);
  clock.advance(200);
  expect(calls).toBe(1);
});

test('an item that is watched by the call for another one passes in time too', () => {
  const clock = new FakeClock(0);
  const items = new Set<Item>();
  const passed: string[] = [];
  const deadlines = new Deadlines<Item>(
    clock,
    () => items,
    (item) => {
      items.delete(item);
      passed.push(`${item.name} ${clock.now()}`);
      if (item.name !== 'first') return;
      const next = { name: 'next', dueAt: clock.now() + 16 };
      items.add(next);
      deadlines.watch(next.dueAt);
    },
  );
  for (const item of [
    { name: 'first', dueAt: 32 },
    { name: 'far', dueAt: 3_200 },
  ]) {
    items.add(item);
    deadlines.watch(item.dueAt);
  }
  clock.advance(10_000);
  expect(passed).toEqual(['first 32', 'next 48', 'far 3200']);
});

test('a deadline that never comes sets no timer', () => {
  const clock = new FakeClock(0);
  const { add } = watched(clock);
  add('a', Number.POSITIVE_INFINITY);
  expect(clock.pending).toBe(0);
});

test('nothing passes after the stop, and no timer is left', () => {
  const clock = new FakeClock(0);
  const { passed, deadlines, add } = watched(clock);
  add('a', 100);
  deadlines.stop();
  expect(clock.pending).toBe(0);
  clock.advance(1_000);
  expect(passed).toEqual([]);
});

test('what is watched after a stop is watched again', () => {
  const clock = new FakeClock(0);
  const { passed, deadlines, add } = watched(clock);
  add('a', 100);
  deadlines.stop();
  add('b', 200);
  clock.advance(200 + LATE_MS);
  expect(passed.map(({ name }) => name).sort()).toEqual(['a', 'b']);
});
