import { expect, test } from 'vitest';
import { Blame } from '../../src/host/blame.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock(1_000);
  const told: unknown[] = [];
  const blame = new Blame(clock, (key, deaths, forMs, shard) => told.push({ key, deaths, forMs, shard }));
  const died = (running: string | undefined, ...inFlight: string[]) => blame.died(3, running, new Set(inFlight));
  return { clock, blame, died, told };
}

test('a key whose code ran at two deaths within a minute is kept out for a minute, and no other (W3)', () => {
  const { clock, blame, died, told } = setUp();
  died('a', 'a', 'b');
  expect(blame.any).toBe(false);
  clock.advance(59_999);
  died('a', 'a', 'b');
  expect(told).toEqual([{ key: 'a', deaths: 2, forMs: 60_000, shard: 3 }]);
  expect(blame.refusal('b')).toBeUndefined();
  expect(blame.refusal('a')).toMatchObject({ code: 'ERR_QUARANTINED', outcome: 'not_started', retryable: false });
  expect(blame.refusal('a')).toMatchObject({ key: 'a', message: expect.stringContaining('60 s') });
  clock.advance(59_999);
  expect(blame.refusal('a')).toBeDefined();
  clock.advance(1);
  expect(blame.refusal('a')).toBeUndefined();
});

test('two deaths further apart are no reason, nor are two of different keys', () => {
  const { clock, blame, died, told } = setUp();
  died('a', 'a', 'b');
  died('b', 'a', 'b');
  clock.advance(60_000);
  died('a', 'a', 'b');
  expect(told).toEqual([]);
  expect(blame.any).toBe(false);
});

test('after its quarantine one more death within a minute is enough, and then it is forgotten', () => {
  const { clock, blame, died, told } = setUp();
  died('a', 'a');
  died('a', 'a');
  clock.advance(100_000);
  died('a', 'a');
  expect(told).toMatchObject([{ deaths: 2 }, { deaths: 3 }]);
  clock.advance(120_000);
  died('a', 'a');
  expect(told).toHaveLength(2);
  expect(blame.any).toBe(false);
});

test('the only key in flight is to blame; among several nobody is, but the next thread traces', () => {
  const { clock, blame, died, told } = setUp();
  died(undefined);
  expect(blame.traceMs).toBe(0);
  died(undefined, 'a', 'b', 'c');
  died(undefined, 'a', 'b', 'c');
  expect(told).toEqual([]);
  expect(blame.traceMs).toBe(60_000);
  clock.advance(20_000);
  expect(blame.traceMs).toBe(40_000);
  // Found out by the trace: it was in flight at the earlier ones too.
  died('b', 'b', 'c');
  expect(told).toMatchObject([{ key: 'b', deaths: 3 }]);

  const other = setUp();
  other.died(undefined, 'a');
  other.died(undefined, 'a');
  expect(other.told).toMatchObject([{ key: 'a', deaths: 2 }]);
  expect(other.blame.traceMs).toBe(0);
});
