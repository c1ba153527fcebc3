import { describe, expect, test } from 'vitest';
import type { Call } from '../../src/call.ts';
import { Admissions } from '../support/shared.ts';

const shardsOf = (calls: readonly Call[]) => calls.map(({ key }) => key[0]).join('');

/** Ends the call that has been in flight for longest, so many times. */
function turn(engine: Admissions, times: number): void {
  for (let i = 0; i < times; i++) engine.end(engine.flying[0]!);
}

describe('the total', () => {
  test('is all of one shard’s where the others have no use for it', () => {
    const engine = new Admissions({ inFlight: 16, shards: 4 });
    for (let i = 0; i < 100; i++) engine.submit(`a${i % 20}`);
    expect([engine.shared.total.inFlight, engine.shared.total.queued]).toEqual([16, 84]);
  });

  test('is never exceeded, however the shards come to it', () => {
    const engine = new Admissions({ inFlight: 16, shards: 4 });
    for (let i = 0; i < 400; i++) engine.submit(`${'abcd'[i % 4]}${i % 7}`, { shard: i % 4 });
    for (let ended = 0; ended < 400; ended++) {
      expect(engine.flying.length).toBe(Math.min(16, 400 - ended));
      turn(engine, 1);
    }
  });

  test('has its next free place for a shard that has nothing, before one that has much', () => {
    const engine = new Admissions({ inFlight: 16, shards: 2 });
    for (let i = 0; i < 100; i++) engine.submit(`a${i % 20}`);
    const call = engine.submit('b', { shard: 1 });
    turn(engine, 1);
    expect(engine.sent.at(-1)).toBe(call);
  });

  test('keeps a little for a shard that is busy, so that one that never answers cannot have everything', () => {
    const engine = new Admissions({ inFlight: 32, shards: 2 });
    engine.submit('b', { shard: 1 });
    for (let i = 0; i < 100; i++) engine.submit(`a${i % 20}`);
    // An eighth of half of 32 is the other shard's own.
    expect(engine.all.map(({ inFlight }) => inFlight)).toEqual([30, 1]);
    for (let i = 0; i < 50; i++) {
      engine.submit(`b${i}`, { shard: 1 });
      engine.end(engine.flying.find(({ key }) => key.startsWith('b'))!);
    }
    expect(engine.all.map(({ inFlight }) => inFlight)).toEqual([30, 1]);
  });

  test('gives each key the same share, in whatever shard, and each shard as many turns as it has keys', () => {
    const engine = new Admissions({ inFlight: 1, shards: 2 });
    engine.submit('x');
    for (let i = 0; i < 10; i++) {
      engine.submit('a0');
      for (const key of ['b0', 'b1', 'b2']) engine.submit(key, { shard: 1 });
    }
    turn(engine, 13);
    expect(shardsOf(engine.sent).slice(1, 13)).toBe('abbbabbbabbb');
  });

  test('lets a shard that is away neither fly nor hold up the others', () => {
    const engine = new Admissions({ inFlight: 2, shards: 2 });
    for (let i = 0; i < 4; i++) engine.submit(`a${i}`);
    for (let i = 0; i < 4; i++) engine.submit(`b${i}`, { shard: 1 });
    engine.all[0]!.pause();
    turn(engine, 6);
    expect(shardsOf(engine.sent)).toBe('aabbbb');
    engine.all[0]!.open();
    expect(shardsOf(engine.sent)).toBe('aabbbbaa');
  });
});

/** Turns until the nine quiet keys, which live in two shards, are through. */
function turnsOfNine(withLoud: boolean): number {
  const engine = new Admissions({ inFlight: 10, shards: 2 });
  if (withLoud) for (let i = 0; i < 10_000; i++) engine.submit('loud');
  for (let i = 0; i < 90; i++) engine.submit(`quiet-${i % 9}`, { shard: (i % 9) % 2 });
  for (let turns = 1, left = 90; ; turns++) {
    const call = engine.flying[0]!;
    engine.end(call);
    if (call.key !== 'loud' && --left === 0) return turns;
  }
}

test('nine keys beside a loud one need at most twice their turns over several shards too (P12)', () => {
  expect(turnsOfNine(true)).toBeLessThanOrEqual(2 * turnsOfNine(false));
});

describe('the bytes in flight', () => {
  test('stay below their bound; what does not fit waits and lets small ones pass', () => {
    const engine = new Admissions({ bytesInFlight: 1_000 });
    const first = engine.submit('a', { bytes: 700 });
    const large = engine.submit('b', { bytes: 600 });
    const small = engine.submit('c', { bytes: 50 });
    expect(engine.flying).toEqual([first, small]);
    engine.end(first);
    expect(engine.flying).toEqual([small, large]);
  });

  test('are not for small ones alone: at last all wait for the one that does not fit', () => {
    const engine = new Admissions({ bytesInFlight: 2_000 });
    const first = engine.submit('a', { bytes: 1_500 });
    const large = engine.submit('b', { bytes: 1_500 });
    for (let i = 0; i < 2_000; i++) {
      const small = engine.submit(`c${i}`, { bytes: 1 });
      if (!engine.flying.includes(small)) {
        engine.end(first);
        expect(engine.flying[0]).toBe(large);
        expect(engine.flying).toContain(small);
        return;
      }
      engine.end(small);
    }
    expect.fail('it was never its turn');
  });

  test('of one call that is larger than the bound are let through alone', () => {
    const engine = new Admissions({ bytesInFlight: 1_000 });
    const before = engine.submit('a', { bytes: 10 });
    const huge = engine.submit('b', { bytes: 5_000 });
    expect(engine.flying).toEqual([before]);
    engine.end(before);
    expect(engine.flying).toEqual([huge]);
    const after = engine.submit('c', { bytes: 10 });
    expect(engine.flying).toEqual([huge]);
    engine.end(huge);
    expect(engine.flying).toEqual([after]);
  });

  test('keep a key’s large call from no other of a higher priority, and an abandoned one keeps nobody', () => {
    const engine = new Admissions({ bytesInFlight: 1_000 });
    engine.submit('a', { bytes: 700 });
    const large = engine.submit('b', { bytes: 600 });
    const low = engine.submit('b', { bytes: 1, priority: -1 });
    expect(engine.sent).toHaveLength(1);
    const urgent = engine.submit('b', { bytes: 1, priority: 1 });
    expect(engine.sent.at(-1)).toBe(urgent);
    engine.abandon(large);
    expect(engine.sent.at(-1)).toBe(low);
  });
});

test('a low priority is not starved by a high one that never ends', () => {
  const engine = new Admissions({ inFlight: 1 });
  engine.submit('k');
  const [low, middle] = [engine.submit('k', { priority: -10 }), engine.submit('k', { priority: 0 })];
  for (let i = 0; i < 40; i++) {
    engine.submit('k', { priority: 10 });
    turn(engine, 1);
  }
  expect(engine.sent).toContain(low);
  expect(engine.sent).toContain(middle);
  // Fifteen of sixteen turns go by priority.
  expect(engine.sent.indexOf(low)).toBeGreaterThanOrEqual(15);
  expect(engine.sent.indexOf(middle)).toBeGreaterThanOrEqual(30);
});

test('a call that is refused leaves nothing behind', () => {
  const engine = new Admissions({ inFlight: 1, queued: 1, queuedPerKey: 1 });
  engine.submit('a');
  engine.submit('b');
  for (let i = 0; i < 100; i++) expect(() => engine.submit(`new-${i}`)).toThrow('maxQueued');
  expect(engine.all[0]!.keys).toBe(2);
});
