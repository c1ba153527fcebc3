import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { Driver } from '../../src/types.ts';
import type { Pool } from '../../workers/pool.ts';
import type { Pools } from '../../workers/pools.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { Caller, type FakeConnection, FakeDriver, poolsWith } from '../support/fake-driver.ts';
import { type Random, seeded, seedsOf } from '../support/seed.ts';

/** PROMISES P2. `STEPS=100000 npm test -- test/sim` takes the long way. */
const STEPS = Number(process.env.STEPS ?? (process.env.KEYLANE_LONG ? 100_000 : 5_000));
const STREAMS = 3;
/** In one lane: long enough a line to see its order, short enough to see its end. */
const MOST_WAITING = 8;
const LIMITS = {
  connectionsPerLane: 3,
  connectionsPerShard: 7,
  opensPerKey: 2,
  breaker: { failures: 3, openMs: 500, maxOpenMs: 2_000 },
  idleMs: 2_000,
  maxLifetimeMs: 1_500,
  checkAfterMs: 300,
  connectTimeoutMs: 1_000,
};
const LANES = ['k1 a', 'k1 b', 'k2 a', 'k2 b', 'k3 a', 'k4 a'];

/** Lives end this much late at most. */
const LATE_MS = 16;

/** What the world looks like from outside: who waits, in which order, and who holds which stream. */
class Model {
  readonly clock = new FakeClock(1_000_000);
  readonly driver = new FakeDriver(STREAMS);
  readonly pools: Pools;
  readonly log: string[] = [];
  /** Those who wait, by lane, in the order in which they should be served. */
  readonly waiting = new Map<string, ModelCaller[]>(LANES.map((lane) => [lane, []]));
  readonly holding: ModelCaller[] = [];
  readonly all: ModelCaller[] = [];
  readonly faults: string[] = [];
  /** Checks that ended each way, and grants of connections near the end of their life: each must happen. */
  readonly seen = { well: 0, ill: 0, late: 0, old: 0 };
  /** When something was last heard of a connection's peer. */
  readonly heardAt = new Map<FakeConnection, number>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.pools = poolsWith(this.clock, LIMITS, { random: () => random.next() });
    this.driver.closesAtOnce = false;
  }

  pool(lane: string): Pool {
    return this.pools.of(lane.slice(0, 2), lane, lane, this.driver as Driver);
  }

  readonly #steps: Record<string, () => void> = {
    acquire: () => this.#acquire(),
    // Callers outnumber those who leave, so that most lanes have a line most of the time.
    acquireMore: () => this.#acquire(),
    acquireStillMore: () => this.#acquire(),
    acquireMost: () => this.#acquire(),
    release: () => this.#settle((caller) => caller.lease.release()),
    releaseMore: () => this.#settle((caller) => caller.lease.release()),
    discard: () => this.#settle((caller) => caller.lease.discard(new Error('broken'))),
    exceed: () => this.#exceed(),
    cancel: () => this.#cancel(),
    open: () => this.driver.opens.length > 0 && this.driver.letOpen(),
    openMore: () => this.driver.opens.length > 0 && this.driver.letOpen(),
    failOpen: () => this.driver.opens.length > 0 && this.driver.failOpen(),
    failAuth: () => this.#rarely() && this.driver.opens.length > 0 && this.driver.failOpen(AUTH),
    close: () => this.driver.closes.length > 0 && this.driver.letClose(),
    closeMore: () => this.driver.closes.length > 0 && this.driver.letClose(),
    check: () => this.#check(true),
    checkMore: () => this.#check(true),
    checkIll: () => this.#check(false),
    die: () => this.driver.opened.length > 0 && this.#random.pick(this.driver.opened.slice(-20)).die(),
    rest: () => this.#rarely() && this.#rest(),
    wait: () => this.clock.advance(this.#random.below(400)),
    waitLong: () => this.#rarely() && this.clock.advance(31_000),
  };

  step(): void {
    const name = this.#random.pick(Object.keys(this.#steps));
    this.log.push(name);
    this.#steps[name]?.();
  }

  /** Everybody goes home, and after a while the first ones come back: to connections that were silent. */
  #rest(): void {
    while ([...this.waiting.values()].some((queue) => queue.length > 0)) this.#cancel();
    while (this.holding.length > 0) this.#settle((caller) => caller.lease.release());
    this.clock.advance(LIMITS.checkAfterMs + this.#random.below(600));
    for (let i = 0; i < 5; i++) this.#acquire();
  }

  /** Or nobody answers: then the clock ends it. */
  #check(well: boolean): void {
    if (this.driver.checks.length === 0) return;
    const connection = this.driver.letCheck(well);
    if (this.driver.closed.includes(connection)) this.seen.late++;
    else if (well) this.seen.well++;
    else this.seen.ill++;
    if (well) this.heardAt.set(connection, this.clock.now());
  }

  /** A connection is lent or given back. */
  used(connection: FakeConnection): void {
    this.heardAt.set(connection, this.clock.now());
  }

  #rarely(): boolean {
    return this.#random.below(5) === 0;
  }

  #acquire(): void {
    const lane = this.#random.pick(LANES);
    if ((this.waiting.get(lane)?.length ?? 0) >= MOST_WAITING) return;
    const caller = new ModelCaller(this, lane, this.#random.pick([-1, 0, 0, 0, 1]));
    this.all.push(caller);
    this.enqueue(caller, false);
    this.pool(lane).acquire(caller);
  }

  #settle(how: (caller: ModelCaller) => void): void {
    const caller = this.#take();
    if (!caller) return;
    this.used(caller.connection);
    how(caller);
    expect(() => caller.lease.release()).toThrow('settled twice');
  }

  #exceed(): void {
    const caller = this.#take();
    if (!caller) return;
    const { lease } = caller;
    this.used(caller.connection);
    lease.exceeded(1 + this.#random.below(STREAMS));
    caller.told.length = 0;
    this.enqueue(caller, true);
    this.pool(caller.lane).putBack(caller);
  }

  #cancel(): void {
    const queues = [...this.waiting.values()].filter((queue) => queue.length > 0);
    if (queues.length === 0) return;
    const queue = this.#random.pick(queues);
    const caller = this.#random.pick(queue);
    queue.splice(queue.indexOf(caller), 1);
    this.pool(caller.lane).abandon(caller);
    this.all.splice(this.all.indexOf(caller), 1);
  }

  #take(): ModelCaller | undefined {
    if (this.holding.length === 0) return undefined;
    return this.holding.splice(this.#random.below(this.holding.length), 1)[0];
  }

  /** Behind those of its priority; who is put back, before them. */
  enqueue(caller: ModelCaller, first: boolean): void {
    const queue = this.waiting.get(caller.lane) ?? [];
    const behind = ({ priority }: Caller) => priority < caller.priority || (first && priority === caller.priority);
    const place = queue.findIndex(behind);
    queue.splice(place < 0 ? queue.length : place, 0, caller);
  }

  check(): void {
    const { counts, keys } = this.pools;
    const leased = new Map<object, number>();
    for (const { lease } of this.holding) leased.set(lease.connection, (leased.get(lease.connection) ?? 0) + 1);
    for (const { lease } of this.holding) {
      const { connection } = lease;
      if (connection.leased !== leased.get(connection)) this.faults.push('leased does not add up');
      const right = connection.leased < connection.streams ? 'busy' : 'full';
      if (connection.state !== right && connection.state !== 'closing')
        this.faults.push(`${connection.state}: ${right}`);
    }
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(total).toBeLessThanOrEqual(LIMITS.connectionsPerShard);
    expect(Math.min(...Object.values(counts))).toBeGreaterThanOrEqual(0);
    let live = 0;
    for (const lane of LANES) {
      const pool = this.pool(lane);
      live += pool.live;
      expect(pool.live, lane).toBeLessThanOrEqual(LIMITS.connectionsPerLane);
      expect(pool.key.opens, lane).toBeLessThanOrEqual(LIMITS.opensPerKey);
      const queue = this.waiting.get(lane) ?? [];
      expect(pool.waiting, lane).toBe(queue.length);
      if (queue.length > 0) this.#noLostWakeUp(lane, pool);
      if (pool.live + pool.waiting === 0) pool.shut(AUTH); // made by looking: leaves again
    }
    expect(live).toBe(total - counts.closing);
    const inUse = this.holding.filter(({ lease }) => lease.connection.state !== 'closing');
    expect(this.pools.streams.leased).toBe(inUse.length);
    expect(keys.size).toBeLessThanOrEqual(4);
    expect(this.faults).toEqual([]);
  }

  /** Somebody waits: then no stream is free, and something is under way that will end the wait. */
  #noLostWakeUp(lane: string, pool: Pool): void {
    const streams = this.holding.filter((caller) => caller.lane === lane).map(({ lease }) => lease.connection);
    expect(
      streams.some(({ state }) => state === 'busy'),
      `${lane} has a free stream`,
    ).toBe(false);
    const inLine = pool.inHungry.list !== undefined;
    expect(pool.live > 0 || inLine, `${lane} waits for nothing`).toBe(true);
    if (pool.live === 0 && pool.key.hungry !== pool.inHungry.list) {
      const used = Object.values(this.pools.counts).reduce((sum, count) => sum + count, 0);
      expect(used, `${lane} stands in line for room that is there`).toBe(LIMITS.connectionsPerShard);
      expect(this.pools.counts.idle === 0 || this.pools.counts.closing > 0, `${lane}: idle ones stay`).toBe(true);
    } else if (inLine && pool.live === 0 && !this.pools.keys.probes(pool.key)) {
      expect(pool.key.opens, `${lane} stands in line for a handshake it may have`).toBe(LIMITS.opensPerKey);
    }
  }

  async end(): Promise<void> {
    const ended = this.pools.end(new KeylaneError('ERR_CLOSED'));
    while (this.holding.length > 0) this.#settle((caller) => caller.lease.release());
    this.driver.closesAtOnce = true;
    await settled();
    while (this.driver.opens.length > 0) this.driver.letOpen();
    while (this.driver.closes.length > 0) this.driver.letClose();
    await settled();
    await this.clock.advanceSettling(5_000);
    await ended;
    // Each that was open has ended, for one reason.
    const { closedBy, totals } = this.pools;
    const reasons = Object.values(closedBy).reduce((sum, count) => sum + count, 0);
    expect({ closed: totals.closed, reasons }).toEqual({ closed: totals.opened, reasons: totals.opened });
  }
}

class ModelCaller extends Caller {
  readonly lane: string;
  readonly #model: Model;

  constructor(model: Model, lane: string, priority: number) {
    super(`of ${lane}`, { priority });
    this.#model = model;
    this.lane = lane;
  }

  override granted(lease: Caller['lease']): void {
    super.granted(lease);
    const queue = this.#model.waiting.get(this.lane) ?? [];
    if (queue[0] !== this) this.#model.faults.push(`${this.name} was served before its turn`);
    queue.splice(queue.indexOf(this), 1);
    const { leased, streams, value, openEnded } = lease.connection;
    const now = this.#model.clock.now();
    if (now - openEnded > LIMITS.maxLifetimeMs + LATE_MS) this.#model.faults.push('granted a connection past its life');
    if (now - openEnded > 0.8 * LIMITS.maxLifetimeMs) this.#model.seen.old++;
    const heardAt = this.#model.heardAt.get(value as FakeConnection) ?? openEnded;
    if (leased === 1 && now - heardAt > LIMITS.checkAfterMs)
      this.#model.faults.push(`granted a connection that was silent for ${now - heardAt} ms`);
    if (leased > streams) this.#model.faults.push(`${leased} leases on ${streams} streams`);
    if (this.#model.driver.closed.includes(value as never)) this.#model.faults.push('granted a closed connection');
    if ((value as { target: unknown }).target !== this.lane)
      this.#model.faults.push("granted another lane's connection");
    this.#model.holding.push(this);
  }

  override refused(error: KeylaneError): void {
    super.refused(error);
    const queue = this.#model.waiting.get(this.lane) ?? [];
    if (!queue.includes(this)) this.#model.faults.push(`${this.name} was refused and did not wait`);
    queue.splice(queue.indexOf(this), 1);
  }
}

const AUTH = new KeylaneError('ERR_AUTH', 'permission denied');

test.each(seedsOf('pool-model'))(
  'the pools of a shard keep to their model at every step (P2), seed %i',
  async (seed) => {
    const model = new Model(seeded(seed));
    const unseen = () => Object.entries(model.seen).filter(([, times]) => times === 0);
    for (let step = 0; step < STEPS || (unseen().length > 0 && step < 20 * STEPS); step++) {
      model.step();
      await settled();
      try {
        model.check();
      } catch (error) {
        throw new Error(`step ${step}, after ${model.log.slice(-12).join(', ')}`, { cause: error });
      }
    }
    await model.end();
    // In 5,000 steps about 40, 18, 14 and 12 of them.
    expect(unseen()).toEqual([]);
    expect(model.faults).toEqual([]);
    expect(model.all.filter(({ told }) => told.length !== 1)).toEqual([]);
    const { counts, size } = model.pools;
    expect({ ...counts, size, timers: model.clock.pending, alive: model.driver.alive }).toEqual({
      ...{ opening: 0, idle: 0, busy: 0, full: 0, closing: 0, checking: 0 },
      ...{ size: 0, timers: 0, alive: 0 },
    });
    expect(model.driver.closed).toHaveLength(new Set(model.driver.closed).size);
  },
  600_000,
);
