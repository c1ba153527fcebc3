import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Call } from '../../src/call.ts';
import { SEED } from '../support/seed.ts';
import { Admissions } from '../support/shared.ts';

const keysOf = (calls: readonly Call[]) => calls.map(({ key }) => key);

describe('a group', () => {
  test('has at most its limit in flight, over all keys and shards', () => {
    const engine = new Admissions({ groups: { db: 2 }, shards: 3 });
    for (let i = 0; i < 9; i++) engine.submit(`k${i}`, { shard: i % 3, labels: ['db'] });
    expect([engine.sent.length, engine.groups]).toEqual([2, { db: 2 }]);
    for (let ended = 0; ended < 9; ended++) {
      expect(engine.flying.length).toBe(Math.min(2, 9 - ended));
      engine.end(engine.flying[0]!);
    }
    expect(engine.groups).toEqual({ db: 0 });
  });

  test('hands a free place to the key that came first, in whatever shard', () => {
    const engine = new Admissions({ groups: { db: 1 }, shards: 3 });
    for (const [i, key] of ['a', 'b', 'c', 'd', 'b'].entries()) engine.submit(key, { shard: i % 3, labels: ['db'] });
    for (let i = 0; i < 5; i++) engine.end(engine.flying[0]!);
    expect(keysOf(engine.sent)).toEqual(['a', 'b', 'c', 'd', 'b']);
  });

  test('that is full stops neither other keys nor other calls of the same key', () => {
    const engine = new Admissions({ groups: { db: 1, web: 1 } });
    engine.submit('a', { labels: ['db'] });
    for (let i = 0; i < 5; i++) engine.submit('a', { labels: ['db'] });
    const others = [
      engine.submit('a'),
      engine.submit('a', { labels: ['web'] }),
      engine.submit('a', { labels: ['free'] }),
      engine.submit('b'),
    ];
    expect(engine.sent.slice(1)).toEqual(others);
  });

  test('lets no key wait for ever beside one that has always more', () => {
    const engine = new Admissions({ groups: { db: 1 } });
    for (let i = 0; i < 1_000; i++) engine.submit('loud', { labels: ['db'] });
    engine.submit('quiet', { labels: ['db'] });
    engine.end(engine.flying[0]!);
    engine.end(engine.flying[0]!);
    expect(keysOf(engine.sent)).toEqual(['loud', 'loud', 'quiet']);
  });

  test('is left to others by a key that is at its share, by a shard that is away, and by who does not want it any more', () => {
    const engine = new Admissions({ groups: { db: 1 }, inFlightPerKey: 1, shards: 2 });
    const first = engine.submit('x', { labels: ['db'] });
    engine.submit('full', { shard: 1 });
    engine.submit('full', { shard: 1, labels: ['db'] });
    const gone = engine.submit('gone', { labels: ['db'] });
    engine.submit('away', { shard: 1, labels: ['db'] });
    const last = engine.submit('last', { labels: ['db'] });
    engine.abandon(gone);
    engine.all[1]!.pause();
    engine.end(first);
    expect(engine.sent.at(-1)).toBe(last);
    engine.all[1]!.open();
    engine.end(last);
    expect(engine.sent.at(-1)!.key).toBe('away');
  });

  test('is asked again by a key that was at its share', () => {
    const engine = new Admissions({ groups: { db: 1 }, inFlightPerKey: 2 });
    const [one, two] = [engine.submit('k'), engine.submit('k')];
    const grouped = engine.submit('k', { labels: ['db'] });
    const other = engine.submit('other', { labels: ['db'] });
    expect(engine.sent).toEqual([one, two, other]);
    engine.end(one);
    engine.end(other);
    expect(engine.sent.at(-1)).toBe(grouped);
  });

  test('is not kept by a key that comes to its share with a call that waits for the total', () => {
    const engine = new Admissions({ groups: { db: 1 }, inFlight: 2, inFlightPerKey: 1 });
    const held = [engine.submit('x'), engine.submit('y')];
    const urgent = engine.submit('k', { priority: 1 });
    engine.submit('k', { labels: ['db'] });
    const other = engine.submit('other', { labels: ['db'] });
    for (const call of held) engine.end(call);
    expect(engine.sent).toEqual([...held, urgent, other]);
  });

  test('is charged once for a label that stands twice', () => {
    const engine = new Admissions({ groups: { db: 2 } });
    engine.submit('a', { labels: ['db', 'x', 'db'] });
    expect(engine.groups).toEqual({ db: 1 });
  });
});

describe('a call of several groups', () => {
  test('flies when all of them have room, and is charged to all', () => {
    const engine = new Admissions({ groups: { db: 1, web: 2 } });
    const [db, web] = [engine.submit('a', { labels: ['db'] }), engine.submit('b', { labels: ['web'] })];
    const both = engine.submit('c', { labels: ['web', 'db'] });
    engine.submit('d', { labels: ['web'] });
    expect(engine.sent).not.toContain(both);
    engine.end(web);
    expect(engine.sent).not.toContain(both);
    engine.end(db);
    expect(engine.sent).toContain(both);
    expect(engine.groups).toEqual({ db: 1, web: 2 });
  });

  test('keeps the scarce place while it waits for the other, and none of the many', () => {
    const engine = new Admissions({ groups: { web: 3, db: 1 } });
    engine.submit('a', { labels: ['db'] });
    for (let i = 0; i < 10; i++) engine.submit(`both-${i}`, { labels: ['web', 'db'] });
    for (let i = 0; i < 3; i++) engine.submit(`web-${i}`, { labels: ['web'] });
    expect(engine.groups).toEqual({ db: 1, web: 3 });
  });

  test('that waits for the place of another which waits for its own is impossible', () => {
    const engine = new Admissions({ groups: { p: 1, q: 1 } });
    engine.submit('p', { labels: ['p'] });
    engine.submit('q', { labels: ['q'] });
    engine.submit('a', { labels: ['p', 'q'] });
    engine.submit('b', { labels: ['q', 'p'] });
    while (engine.flying.length > 0) engine.end(engine.flying[0]!);
    expect(keysOf(engine.sent)).toEqual(['p', 'q', 'a', 'b']);
  });
});

/** What may happen to the admissions of two shards, whose calls have up to three groups. */
const act = fc.record({
  what: fc.constantFrom('submit', 'submit', 'submit', 'end', 'end', 'abandon', 'pause', 'open', 'refuse'),
  pick: fc.nat(1_000),
  shard: fc.nat(1),
  priority: fc.integer({ min: -10, max: 10 }),
  labels: fc.subarray(['one', 'two', 'five', 'free']),
  bytes: fc.constantFrom(0, 0, 0, 100, 400, 2_000),
});
const LIMITS = { one: 1, two: 2, five: 5 };

test('the bounds hold at every step, nothing that could fly waits, and all that is not let go flies in the end', () => {
  const property = fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
    const engine = new Admissions({
      groups: LIMITS,
      inFlight: 8,
      inFlightPerKey: 2,
      bytesInFlight: 1_000,
      queuedPerKey: 10,
      queued: 40,
      shards: 2,
    });
    const open = [true, true];
    const { total } = engine.shared;
    let [submitted, gone] = [0, 0];
    for (const { what, pick, shard, ...shape } of acts) {
      const admission = engine.all[shard]!;
      if (what === 'submit') {
        try {
          engine.submit(`${shard}-${pick % 3}`, { shard, ...shape });
          submitted++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SATURATED' });
        }
      } else if (what === 'end') {
        const { flying } = engine;
        if (flying.length > 0) engine.end(flying[pick % flying.length]!);
      } else if (what === 'abandon') {
        const { waiting } = engine;
        if (waiting.length === 0) continue;
        engine.abandon(waiting[pick % waiting.length]!);
        gone++;
      } else if (what === 'refuse') {
        admission.refuse(new Error('away') as never, () => gone++);
        admission.open();
        open[shard] = true;
      } else {
        admission[what]();
        open[shard] = what === 'open';
      }
      holds(engine, open);
      expect(engine.sent.length + total.queued + gone).toBe(submitted);
    }
    for (const admission of engine.all) admission.open();
    while (engine.flying.length > 0) engine.end(engine.flying[0]!);
    expect(engine.sent.length + gone).toBe(submitted);
    expect([total.inFlight, total.queued, total.bytes]).toEqual([0, 0, 0]);
    expect(engine.groups).toEqual({ one: 0, two: 0, five: 0 });
    // No place was lost on the way: as many fly at once as may.
    for (let i = 0; i < 8; i++) engine.submit(`last-${i}`, { shard: i % 2, labels: i < 5 ? ['five'] : [] });
    expect(total.inFlight).toBe(8);
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

function holds(engine: Admissions, open: readonly boolean[]): void {
  const { flying, waiting } = engine;
  const { total } = engine.shared;
  const bytes = flying.reduce((sum, call) => sum + call.bytes, 0);
  expect([total.inFlight, total.bytes, total.queued]).toEqual([flying.length, bytes, waiting.length]);
  expect(flying.length).toBeLessThanOrEqual(8);
  if (flying.length > 1) expect(bytes).toBeLessThanOrEqual(1_000);
  const inFlight = (of: (call: Call) => boolean) => flying.filter(of).length;
  for (const [name, limit] of Object.entries(LIMITS)) {
    const count = inFlight(({ labels }) => labels?.includes(name) === true);
    expect(engine.groups[name]).toBe(count);
    expect(count).toBeLessThanOrEqual(limit);
  }
  // Of 8 places one is kept for each shard at most. Where what waits fits, nothing waits but for what is full.
  const largest = Math.max(0, ...waiting.map((call) => call.bytes));
  if (flying.length > 6 || bytes + largest > 1_000) return;
  const groupsOf = (call: Call) => Object.keys(LIMITS).filter((name) => call.labels?.includes(name));
  // Who needs several places may have some while it waits for others.
  const several = waiting.some((call) => groupsOf(call).length > 1);
  for (const call of waiting) {
    if (!open[Number(call.key[0])] || inFlight(({ key }) => key === call.key) >= 2) continue;
    const groups = groupsOf(call);
    const full = groups.some((name) => engine.groups[name] === LIMITS[name as keyof typeof LIMITS]);
    if (!full && !(several && groups.length > 0)) expect.fail(`${call.key} waits for nothing`);
  }
}
