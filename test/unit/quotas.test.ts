import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeylaneError } from '../../src/errors.ts';
import type { Quota } from '../../src/types.ts';
import type { Entrant, Ticket } from '../../workers/gate.ts';
import { Starts } from '../../workers/starts.ts';
import { Window } from '../../workers/window.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Random } from '../support/random.ts';
import { SEED } from '../support/seed.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** A request that starts as soon as it has passed, and ends when a test says so. */
class Mail implements Entrant {
  readonly units: number;
  readonly priority: number;
  readonly ticket: Ticket;
  startedAt: number | undefined = undefined;
  error: KeylaneError | undefined = undefined;
  readonly #world: World;

  constructor(world: World, { units = 1, priority = 0, key = 'k', quotas = world.quotas }: MailHow) {
    this.units = units;
    this.priority = priority;
    this.#world = world;
    this.ticket = world.starts.ticket(key, this, quotas, units);
  }

  passed(): void {
    this.startedAt = this.#world.clock.now();
    this.#world.started.push(this);
    this.#world.starts.started(this.ticket);
  }

  refused(error: KeylaneError): void {
    this.error = error;
  }

  end(): void {
    this.#world.starts.ended(this.ticket);
  }
}

interface MailHow {
  units?: number;
  priority?: number;
  key?: string;
  quotas?: readonly Quota[];
}

class World {
  readonly clock = new FakeClock(10_000);
  readonly starts: Starts;
  readonly quotas: readonly Quota[];
  readonly started: Mail[] = [];

  constructor(quotas: readonly Quota[], spent = false) {
    this.quotas = quotas;
    this.starts = new Starts(this.clock, undefined, spent);
  }

  send(how: MailHow = {}): Mail {
    const mail = new Mail(this, how);
    this.starts.enter(mail.ticket);
    return mail;
  }

  /** Sends one that has its answer at once. */
  sendAndEnd(how: MailHow = {}): Mail {
    const mail = this.send(how);
    mail.end();
    return mail;
  }
}

/** Milliseconds. A time and a window later is told in doubles, of which the last digit is nobody's. */
const HAIR = 1e-6;

/** In any window no more than so many units. */
function expectWithin(times: readonly { at: number; units: number }[], { most, perMs }: Quota): void {
  const sorted = [...times].sort((a, b) => a.at - b.at);
  let units = 0;
  let from = 0;
  for (const one of sorted) {
    units += one.units;
    while (sorted[from]!.at <= one.at - perMs + HAIR) units -= sorted[from++]!.units;
    expect(units).toBeLessThanOrEqual(most);
  }
}

describe('a quota', () => {
  test('lets as many start as it says in any window, and the next when the first is out of it', () => {
    const world = new World([{ most: 3, perMs: MINUTE }]);
    const { clock, started } = world;
    for (const ms of [0, 10_000, 10_000]) {
      clock.advance(ms);
      world.sendAndEnd();
    }
    const later = [world.send(), world.send()];
    clock.advance(39_999);
    expect(started).toHaveLength(3);
    clock.advance(1);
    expect(started).toHaveLength(4);
    clock.advance(10_000);
    expect(later.map(({ startedAt }) => startedAt)).toEqual([70_000, 80_000]);
  });

  test('counts a request from its answer on, since its peer may have counted it as late as that', () => {
    const world = new World([{ most: 1, perMs: MINUTE }]);
    const slow = world.send();
    world.clock.advance(5_000);
    slow.end();
    const next = world.send();
    world.clock.advance(59_999);
    expect(next.startedAt).toBeUndefined();
    world.clock.advance(1);
    expect(next.startedAt).toBe(75_000);
  });

  test('does not wait for the answer of one that runs for longer than the window', () => {
    const world = new World([{ most: 1, perMs: 1_000 }]);
    world.send();
    const next = world.send();
    world.clock.advance(1_999);
    expect(next.startedAt).toBeUndefined();
    world.clock.advance(1);
    expect(next.startedAt).toBe(12_000);
  });

  test('may count units: a large one waits until there is room for it, and those behind it wait for it', () => {
    const world = new World([{ most: 10, perMs: MINUTE, of: 'units' }]);
    world.sendAndEnd({ units: 6 });
    const [large, small] = [world.send({ units: 5 }), world.send({ units: 1 })];
    expect([large.startedAt, small.startedAt]).toEqual([undefined, undefined]);
    world.clock.advance(MINUTE);
    expect([large.startedAt, small.startedAt]).toEqual([70_000, 70_000]);
  });

  test('refuses what can never be within it, and says why', () => {
    const world = new World([{ most: 10, perMs: DAY, of: 'units' }]);
    const { error } = world.send({ units: 11 });
    expect(error).toMatchObject({ code: 'ERR_TOO_LARGE', outcome: 'not_started', key: 'k', retryable: false });
    expect(error?.message).toBe('the request counts 11: the quota of k is 10 units in any 86400 s; divide it');
    expect(world.starts.size).toBe(0);
  });

  test('holds together with others: the one that has least left counts', () => {
    const world = new World([
      { most: 2, perMs: 1_000 },
      { most: 3, perMs: MINUTE },
    ]);
    for (let i = 0; i < 6; i++) world.send();
    const at = (count: number) => {
      for (const mail of world.started) mail.end();
      expect(world.started).toHaveLength(count);
    };
    at(2);
    world.clock.advance(1_000);
    at(3);
    world.clock.advance(58_999);
    at(3);
    world.clock.advance(1);
    at(5);
    world.clock.advance(999);
    at(5);
    world.clock.advance(1);
    at(6);
  });

  test('is the key’s over all its lanes, and no other key’s', () => {
    const world = new World([]);
    const quotas = () => [{ most: 2, perMs: MINUTE }];
    const mails = ['a', 'a', 'a', 'b'].map((key) => world.send({ key, quotas: quotas() }));
    expect(mails.map(({ startedAt }) => startedAt)).toEqual([10_000, 10_000, undefined, 10_000]);
  });

  test('is remembered while it counts anything, whoever else comes, and then forgotten', () => {
    const world = new World([{ most: 2, perMs: DAY }]);
    world.sendAndEnd();
    for (let i = 0; i < 500; i++) world.sendAndEnd({ key: `other ${i}` });
    world.clock.advance(DAY - 1);
    expect(world.starts.remembers('k')).toBe(true);
    world.clock.advance(1);
    expect([world.starts.size, world.clock.pending]).toEqual([0, 0]);
  });

  test('of an hour at most is taken to be used up where a thread before may have done that', () => {
    const [hour, day] = [3_600_000, DAY].map((perMs) => {
      const world = new World([{ most: 5, perMs }], true);
      const mail = world.send();
      world.clock.advance(perMs);
      return mail.startedAt;
    });
    expect([hour, day]).toEqual([3_610_000, 10_000]);
  });

  test('of 10,000 a day takes bounded memory, is never exceeded, and is used to 99 % and more', () => {
    const window = new Window({ most: 10_000, perMs: DAY });
    const random = new Random(SEED);
    const counted: { at: number; units: number }[] = [];
    let largest = 0;
    for (let now = 0; now < 3 * DAY; now += random.below(16_000)) {
      if (window.readyAt(now, 1) > now) continue;
      window.pass(1);
      window.count(1, now);
      counted.push({ at: now, units: 1 });
      largest = Math.max(largest, window.size);
    }
    expectWithin(counted, { most: 10_000, perMs: DAY });
    expect(largest).toBeLessThanOrEqual(132);
    expect(counted.length).toBeGreaterThan(29_000);
  });
});

test('in any window of the peer’s no quota is exceeded, wherever it counts between start and answer; nobody starves, and nobody waits in vain', () => {
  const quota = fc.record({
    most: fc.integer({ min: 3, max: 12 }),
    perMs: fc.constantFrom(500, 1_000, 5_000, 60_000),
    of: fc.constantFrom('requests' as const, 'units' as const),
  });
  const act = fc.record({
    what: fc.constantFrom('send', 'send', 'send', 'end', 'end', 'leave', 'wait', 'wait'),
    units: fc.integer({ min: 1, max: 3 }),
    priority: fc.integer({ min: -2, max: 2 }),
    pick: fc.nat(1_000),
    ms: fc.oneof(fc.nat(50), fc.double({ min: 0, max: 8_000, noNaN: true })),
  });
  const different = { selector: ({ perMs, of }: Quota) => `${of} ${perMs}`, minLength: 1, maxLength: 3 };
  const property = fc.property(
    fc.uniqueArray(quota, different),
    fc.array(act, { maxLength: 150 }),
    fc.nat(),
    (quotas, acts, seed) => {
      const random = new Random(seed);
      const world = new World(quotas);
      const { clock, started } = world;
      const all: Mail[] = [];
      const seen: { at: number; units: number }[] = [];
      const ended = new Set<Mail>();
      const waiting = () => all.filter(({ ticket }) => ticket.state === 'waiting');
      const shortest = Math.min(...quotas.map(({ perMs }) => perMs));
      const end = (mail: Mail | undefined) => {
        if (!mail || ended.has(mail)) return;
        ended.add(mail);
        // The peer counts it somewhere in between, within the shortest of its windows.
        const longest = Math.min(clock.now() - mail.startedAt!, shortest);
        seen.push({ at: mail.startedAt! + random.next() * longest, units: mail.units });
        mail.end();
      };
      const running = () => started.filter((mail) => !ended.has(mail));
      for (const { what, units, priority, pick, ms } of acts) {
        if (what === 'send') all.push(world.send({ units, priority }));
        else if (what === 'end') end(running()[pick % Math.max(1, running().length)]);
        else if (what === 'leave') waiting()[pick % Math.max(1, waiting().length)]?.end();
        else clock.advance(ms);
        expect(clock.pending).toBeLessThanOrEqual(1);
        // Work conserving: who is first in line would be one too many, by what has started in some window and its answers.
        const head = waiting().sort((a, b) => b.priority - a.priority)[0];
        if (!head) continue;
        const isOver = quotas.some(({ most, perMs, of = 'requests' }) => {
          const size = (mail: Mail) => (of === 'units' ? mail.units : 1);
          const counts = started.filter(({ startedAt }) => startedAt! + shortest + perMs > clock.now());
          return counts.reduce((sum, mail) => sum + size(mail), size(head)) > most;
        });
        expect(isOver).toBe(true);
      }
      for (let turn = 0; waiting().length > 0; turn++) {
        expect(turn).toBeLessThan(1_000);
        for (const mail of running()) end(mail);
        clock.advance(Math.max(...quotas.map(({ perMs }) => perMs)));
      }
      for (const mail of running()) end(mail);
      for (const one of quotas) {
        const size = (units: number) => (one.of === 'units' ? units : 1);
        expectWithin(
          started.map(({ startedAt, units }) => ({ at: startedAt!, units: size(units) })),
          one,
        );
        expectWithin(
          seen.map(({ at, units }) => ({ at, units: size(units) })),
          one,
        );
      }
      clock.advance(3 * MINUTE);
      expect([world.starts.size, clock.pending]).toEqual([0, 0]);
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 200 });
});
