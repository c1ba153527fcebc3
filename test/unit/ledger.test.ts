import { expect, test } from 'vitest';
import { Ledger } from '../../src/wire/ledger.ts';

/** The two sides of one memory, as a shard and the main thread have them. */
function sides(slots: number): { shard: Ledger; main: Ledger } {
  const memory = Ledger.memory(slots);
  return { shard: new Ledger(memory), main: new Ledger(memory) };
}

test('a run that was not sent is not taken for sent, whatever lies in its slot', () => {
  const { shard, main } = sides(2);
  expect(main.wasSent(0, 1)).toBe(false);
  shard.sent(0, 1);
  expect(main.wasSent(0, 1)).toBe(true);
  expect(main.wasSent(0, 2)).toBe(false);
  expect(main.wasSent(1, 1)).toBe(false);
});

test('the next run of a slot takes the place of the one before', () => {
  const { shard, main } = sides(1);
  shard.sent(0, 7);
  shard.sent(0, 8);
  expect([main.wasSent(0, 7), main.wasSent(0, 8)]).toEqual([false, true]);
});

test('every slot has a word of its own, and ids have 32 bits', () => {
  const { shard, main } = sides(100);
  for (let slot = 0; slot < 100; slot++) shard.sent(slot, 2 ** 32 - 1 - slot);
  for (let slot = 0; slot < 100; slot++) {
    for (const other of [0, 50, 99]) expect(main.wasSent(slot, 2 ** 32 - 1 - other)).toBe(slot === other);
  }
});

test('the slot whose code runs is named, the first one too, and none is none', () => {
  const { shard, main } = sides(3);
  const seen = [main.runningSlot];
  for (const slot of [0, 2, -1]) {
    shard.running(slot);
    seen.push(main.runningSlot);
  }
  expect(seen).toEqual([-1, 0, 2, -1]);
});

test('the heartbeat counts, beside the slots', () => {
  const { shard, main } = sides(1);
  expect(main.beats).toBe(0);
  shard.sent(0, 9);
  shard.running(0);
  for (let i = 0; i < 3; i++) shard.beat();
  expect([main.beats, main.runningSlot, main.wasSent(0, 9)]).toEqual([3, 0, true]);
});

test('no word lies outside the memory: the last slot fits, and it is no larger than needed', () => {
  expect(Ledger.memory(4_096).byteLength).toBe((2 + 4_096) * 4);
  const { shard, main } = sides(4_096);
  shard.sent(4_095, 5);
  expect(main.wasSent(4_095, 5)).toBe(true);
});
