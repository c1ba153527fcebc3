import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { ShardEvent } from '../../src/events.ts';
import type { OpenContext } from '../../src/types.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Caller, call, type FakeConnection, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { seeded, seedsOf } from '../support/seed.ts';

const STEPS = process.env.KEYLANE_LONG ? 50_000 : 2_000;
const KEYS = ['k1', 'k2'];
const LANES = ['a', 'b', 'c'];
/** What an open may come to, besides a connection. */
const FAILURES = [
  new KeylaneError('ERR_CONNECT', 'nobody there'),
  new KeylaneError('ERR_CONNECT', 'nobody there'),
  new KeylaneError('ERR_CONNECT', 'nobody there'),
  new KeylaneError('ERR_AUTH', 'permission denied'),
  new KeylaneError('ERR_HOST_KEY', 'another key'),
  new KeylaneError('ERR_DNS', 'no resolver'),
  new KeylaneError('ERR_CONNECT', 'too many files', { local: true }),
  new KeylaneError('ERR_CONNECT', 'nobody at the jump host', { key: 'bastion' }),
];

type OpenGate = FakeDriver['opens'][number];

/** Tells of an open at the moment when it begins. */
class WatchedDriver extends FakeDriver {
  readonly #begun: (gate: OpenGate) => void;

  constructor(begun: (gate: OpenGate) => void) {
    super(2);
    this.#begun = begun;
  }

  override open(target: unknown, context: OpenContext): Promise<FakeConnection> {
    const opening = super.open(target, context);
    this.#begun(this.opens.at(-1) as OpenGate);
    return opening;
  }
}

/** PROMISES P7. An open that began while its key was stopped is a probe, as seen by the peer. */
test.each(seedsOf('one-probe'))(
  'a stopped host sees one probe at a time, over all its lanes, and everybody is told something (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const clock = new FakeClock(1_000_000);
    /** Keys that are stopped, by what. */
    const stopped = new Map(KEYS.map((key) => [key, new Set<string>()]));
    const seen = new Set<string>();
    const tell = (event: ShardEvent) => {
      if (event.type !== 'breaker_open' && event.type !== 'breaker_closed') return;
      seen.add(`${event.type} ${event.what}`);
      if (event.type === 'breaker_open') stopped.get(event.key)?.add(event.what);
      else stopped.get(event.key)?.delete(event.what);
    };
    const breaker = { failures: 3, openMs: 1_000, maxOpenMs: 5_000 };
    const pools = poolsWith(
      clock,
      { breaker, connectionsPerLane: 3, idleMs: 500 },
      { tell, random: () => random.next() },
    );
    /** Opens that began while their key was stopped, and have not ended since. */
    const probes = new Map<OpenGate, string>();
    const driver = new WatchedDriver((gate) => {
      const key = String(gate.about.target).slice(0, 2);
      if (stopped.get(key)?.size) probes.set(gate, key);
    });
    const look = () => {
      for (const [gate, key] of probes) {
        const over = !driver.opens.includes(gate) || gate.about.context.signal.aborted;
        if (over || !stopped.get(key)?.size) probes.delete(gate);
        else seen.add('a probe');
      }
      for (const key of KEYS) {
        const under = [...probes.values()].filter((one) => one === key).length;
        expect(under, `${key} sees ${under} probes at once`).toBeLessThanOrEqual(1);
      }
      const all = KEYS.filter((key) => stopped.get(key)?.size).length;
      expect(pools.keys.stopped).toBe(all);
    };
    const callers: Caller[] = [];
    for (let step = 0; step < STEPS; step++) {
      switch (random.below(6)) {
        case 0:
        case 1: {
          const key = random.pick(KEYS);
          const lane = random.pick(LANES);
          callers.push(call(pools.of(key, `${key} ${lane}`, `${key} ${lane}`, driver), `${key} ${lane}`));
          break;
        }
        case 2:
          if (driver.opens.length > 0) driver.failOpen(random.pick(FAILURES));
          break;
        case 3:
          if (driver.opens.length > 0 && random.below(3) === 0) driver.letOpen();
          break;
        case 4: {
          const at = callers.findIndex(({ told }) => told.length === 1 && !(told[0] instanceof KeylaneError));
          if (at >= 0) callers.splice(at, 1)[0]?.lease.discard(new Error('broken'));
          break;
        }
        default:
          clock.advance(random.below(3_000));
      }
      await settled();
      look();
    }
    // What waits is told when the driver comes to an end with its opens.
    for (; driver.opens.length > 0; await settled()) driver.failOpen(FAILURES[0]);
    const leases = () => callers.filter(({ told }) => told.length === 1 && !(told[0] instanceof KeylaneError));
    for (let one = leases()[0]; one; one = leases()[0]) {
      callers.splice(callers.indexOf(one), 1);
      one.lease.discard(new Error('broken'));
      await settled();
      for (; driver.opens.length > 0; await settled()) driver.failOpen(FAILURES[0]);
    }
    expect(
      callers.filter(({ told }) => told.length !== 1).map(({ name, told }) => `${name} was told ${told.length} times`),
    ).toEqual([]);
    expect([...seen].sort()).toEqual([
      'a probe',
      'breaker_closed connect',
      'breaker_closed log_in',
      'breaker_open connect',
      'breaker_open log_in',
    ]);
  },
  120_000,
);
