import { expect, test } from 'vitest';
import { Keepalive, type KeepaliveHost } from '../../../workers/drivers/ssh/keepalive.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seeded, seedsOf } from '../../support/seed.ts';

const INTERVAL_MS = 15_000;

class FakeHost implements KeepaliveHost {
  bytesRead = 100;
  readonly asked: number[] = [];
  lostAt: number | undefined = undefined;
  answers = true;
  readonly #clock: FakeClock;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  ping(answered?: () => void): void {
    this.asked.push(this.#clock.now());
    if (answered) this.#waiting.push(answered);
    if (this.answers) this.answer();
  }

  answer(): void {
    this.bytesRead++;
    for (const answered of this.#waiting.splice(0)) answered();
  }

  silent(): void {
    this.lostAt = this.#clock.now();
  }
}

function setUp({ random = (): number => 0.5, keepaliveMs = INTERVAL_MS, clock = new FakeClock(1_000_000) } = {}) {
  const host = new FakeHost(clock);
  const keepalive = new Keepalive(host, { keepaliveMs, keepaliveCount: 3 }, clock, random);
  return { clock, host, keepalive };
}

test.each(seedsOf('keepalive'))(
  '1,000 connections that were opened together ask over more than a tenth of the interval (P5), seed %i',
  (seed) => {
    const chance = seeded(seed);
    const clock = new FakeClock(1_000_000);
    const hosts = Array.from({ length: 1_000 }, () => setUp({ clock, random: () => chance.next() }).host);
    clock.advance(10 * INTERVAL_MS);
    // The first question, and the last of ten intervals: what is apart stays apart.
    for (const which of [0, -1]) {
      const at = hosts.map(({ asked }) => asked.at(which) as number);
      expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(0.1 * INTERVAL_MS);
    }
    expect(hosts.every(({ lostAt }) => lostAt === undefined)).toBe(true);
  },
);

test.each([0, 0.001, 0.5, 0.999])(
  'a silent peer is lost between 3.5 and 4 intervals after its last byte, whatever the first look was (%f)',
  (first) => {
    const { clock, host } = setUp({ random: () => first });
    host.answers = false;
    clock.advance(5 * INTERVAL_MS);
    expect(host.asked.length).toBe(3);
    const silentMs = (host.lostAt ?? 0) - 1_000_000;
    expect(silentMs).toBeGreaterThanOrEqual(3.5 * INTERVAL_MS);
    expect(silentMs).toBeLessThanOrEqual(4 * INTERVAL_MS);
  },
);

test('a peer that answers has been heard within twice the interval at any time: a check asks nothing', async () => {
  const { clock, host, keepalive } = setUp();
  for (let step = 0; step < 300; step++) {
    clock.advance(777);
    const asked = host.asked.length;
    expect(await keepalive.check(2 * INTERVAL_MS)).toBe(true);
    expect(host.asked).toHaveLength(asked);
  }
});

test('a check of a peer that was not heard for longer asks it, and resolves when it answers', async () => {
  const { clock, host, keepalive } = setUp({ keepaliveMs: 0 });
  host.answers = false;
  clock.advance(40_000);
  let said: boolean | undefined;
  const checked = keepalive.check(30_000).then((well) => {
    said = well;
  });
  await Promise.resolve();
  expect([host.asked.length, said]).toEqual([1, undefined]);
  host.answer();
  await checked;
  expect(said).toBe(true);
});

test('nothing is asked of a connection that has ended', () => {
  const { clock, host, keepalive } = setUp();
  keepalive.stop();
  clock.advance(10 * INTERVAL_MS);
  expect([host.asked.length, clock.pending]).toEqual([0, 0]);
});
