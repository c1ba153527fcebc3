import { expect, test } from 'vitest';
import { type Attempt, Breaker } from '../../workers/breaker.ts';
import { seeded, seedsOf } from '../support/seed.ts';

const BOUNDS = { failures: 5, openMs: 30_000, maxOpenMs: 300_000 };
const attempt = (dueAt = 0): Attempt => ({ dueAt });

test('it is open for 30 s, 60 s, 90 s … 300 s, of which chance takes up to a half', () => {
  for (const [random, part] of [
    [() => 0, 1],
    [() => 1, 0.5],
    [() => 0.5, 0.75],
  ] as const) {
    const breaker = new Breaker(BOUNDS);
    const open: number[] = [];
    let now = 0;
    for (let times = 0; open.length < 12; times++) {
      now = Math.max(now, breaker.until);
      const one = attempt();
      breaker.began(one, now);
      const forMs = breaker.failed(one, '', now, random);
      if (times < BOUNDS.failures - 1) expect(forMs).toBe(0);
      else open.push(forMs);
    }
    const whole = [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300];
    expect(open).toEqual(whole.map((seconds) => seconds * 1_000 * part));
  }
});

test('200 hosts that fell in the same moment are not tried in the same moment', () => {
  const random = seeded();
  const seconds = new Map<number, number>();
  for (let host = 0; host < 200; host++) {
    const breaker = new Breaker({ ...BOUNDS, failures: 1 });
    breaker.failed(attempt(), '', 0, () => random.next());
    const second = Math.floor(breaker.until / 1_000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  expect(Math.min(...seconds.keys())).toBeGreaterThanOrEqual(15);
  expect(Math.max(...seconds.values())).toBeLessThan(50);
});

test.each(seedsOf('breaker'))('never two probes at once, whatever happens in whatever order (seed %i)', (seed) => {
  const random = seeded(seed);
  const bounds = { failures: 1 + random.below(4), openMs: 1 + random.below(100), maxOpenMs: 200 };
  let breaker = new Breaker(bounds);
  let now = 0;
  /** Under way, and those among them that began when it was not closed. */
  const under = new Set<Attempt>();
  const probes = new Set<Attempt>();
  const seen = new Set<string>();
  const end = (one: Attempt) => {
    under.delete(one);
    probes.delete(one);
  };
  for (let step = 0; step < 3_000; step++) {
    seen.add(breaker.state);
    const some = under.size > 0 ? random.pick([...under]) : undefined;
    switch (random.below(6)) {
      case 0:
      case 1: {
        const one = attempt(now + 10);
        if (!breaker.lets(now)) {
          expect(() => breaker.began(one, now)).toThrow();
          break;
        }
        const wasClosed = breaker.state === 'closed';
        breaker.began(one, now);
        under.add(one);
        if (!wasClosed) probes.add(one);
        break;
      }
      case 2:
      case 3:
        if (some) {
          const forMs = breaker.failed(some, 'no', now, () => random.next());
          if (forMs > 0) expect(forMs).toBeLessThanOrEqual(bounds.maxOpenMs);
          end(some);
        }
        break;
      case 4:
        if (some && random.below(4) === 0) {
          // Whose try succeeds throws the breaker away, as keys.ts does; a probe that is still under way counts no more.
          end(some);
          probes.clear();
          breaker = new Breaker(bounds);
        } else if (some) {
          breaker.unclear(some);
          end(some);
        }
        break;
      default:
        now += random.below(60);
    }
    expect(probes.size).toBeLessThanOrEqual(1);
    expect(breaker.state === 'half_open').toBe(probes.size === 1);
    if (breaker.state === 'open') expect(breaker.lets(breaker.until)).toBe(true);
  }
  expect([...seen].sort()).toEqual(['closed', 'half_open', 'open']);
});
