import { expect, test } from 'vitest';
import { CacheFront, type FrontHost } from '../../src/cache/front.ts';
import { ShardedEngine } from '../../src/engine.ts';
import type { KeylaneError } from '../../src/errors.ts';
import { resolveOptions } from '../../src/options.ts';
import { Shards } from '../../src/shards.ts';
import type { CacheOptions, CallOptions, DriverName, RequestOf, Spec } from '../../src/types.ts';
import { FakeDisk } from '../support/fake-disk.ts';
import { SEED, seeded, seedsOf } from '../support/seed.ts';
import { type ThingRequest, type ThingResponse, Things, thingsDriver, thingsSpec } from './world/things.ts';
import { VirtualThreads } from './world/thread.ts';
import { ThreadClock, World } from './world/world.ts';

const SEEDS = Number(process.env.WORLDS ?? (process.env.KEYLANE_LONG === undefined ? 100 : 5_000));
const REQUESTS = 150;
const THINGS = 4;

/** What the runs together must have met, or they show nothing. */
const SOMETIMES = [
  'a change was unknown',
  'a change was refused',
  'a read was a hit',
  'a read was answered from disk',
  'a read was stale',
  'a read met an etag',
  'a read was of a value that had changed meanwhile',
  'a thread died',
];

/** Two processes with shards of their own and one disk, over the same things. */
class Play {
  readonly things = new Things(THINGS);
  readonly #world: World;
  readonly #disk = new FakeDisk();
  readonly #threads: VirtualThreads;
  readonly #engines: ShardedEngine[];
  /** What each thing was at least when the last change of it was acknowledged. */
  readonly #acknowledged = new Array<number>(THINGS).fill(0);
  #going = 0;

  constructor(world: World) {
    this.#world = world;
    this.#threads = new VirtualThreads(world, () => thingsDriver(world, this.things));
    this.#engines = [this.#engine(), this.#engine()];
  }

  async run(): Promise<void> {
    const world = this.#world;
    for (let i = 0; i < REQUESTS; i++) {
      const at = world.random.next() * 5_000;
      world.after(at, () => (world.chance(0.25) ? this.#change() : this.#read()));
    }
    for (let i = 0; i < world.random.below(4); i++)
      world.after(world.random.next() * 5_000, () => {
        world.sometimes.add('a thread died');
        world.random.pick(this.#threads.alive)?.die('as chance would have it');
      });
    await world.live(5_001, () => false);
    await world.live(60_000, () => this.#going === 0);
    if (this.#going > 0) world.never(`${this.#going} requests have not ended`);
    const closed = Promise.all(this.#engines.map((engine) => engine.close()));
    let ended = false;
    void closed.then(() => {
      ended = true;
    });
    await world.live(60_000, () => ended);
    if (!ended) world.never('the engines do not close');
  }

  #change(): void {
    const { random } = this.#world;
    const thing = random.below(THINGS);
    const invalidates = [random.pick([`thing-${thing}`, 'thing-*', 'read:*', `thing-?`])];
    const ended = (how: string) => {
      this.#world.note(`a change of ${thing} was ${how}`);
      this.#world.sometimes.add(`a change was ${how}`);
      this.#acknowledged[thing] = this.things.values[thing] ?? 0;
    };
    void this.#run({ change: true, thing }, { invalidates, attempts: 1 + random.below(2) }).then(
      (response) => ended(response.no ? 'refused' : 'made'),
      (error: KeylaneError) => {
        if (error.outcome !== 'not_started') ended(error.outcome);
      },
    );
  }

  #read(): void {
    const world = this.#world;
    const { random } = world;
    const thing = random.below(THINGS);
    const cache: CacheOptions = {
      operation: 'read',
      tags: [`thing-${thing}`],
      ttlMs: random.pick([20, 500, 60_000]),
      // What other processes change is heard of at once where the answer is asked of the disk.
      persist: true,
      fresh: world.chance(0.05),
      staleWhileRevalidateMs: random.pick([0, 0, 1_000]),
      ...(world.chance(0.2) ? { negativeTtlMs: 1_000 } : {}),
    };
    const least = this.#acknowledged[thing] ?? 0;
    const signal = world.chance(0.1) ? this.#abortSoon() : undefined;
    void this.#run({ thing }, { cache, attempts: 1 + random.below(3), ...(signal ? { signal } : {}) }).then(
      ({ value }) => {
        world.note(`${thing} was read as ${value}`);
        if (value < least) world.never(`${thing} was read as ${value}, it was ${least} when the read began`);
        if (value < (this.things.values[thing] ?? 0))
          world.sometimes.add('a read was of a value that had changed meanwhile');
      },
      () => {},
    );
  }

  async #run(asked: Omit<ThingRequest, 'key'>, options: CallOptions): Promise<ThingResponse> {
    const { random } = this.#world;
    const engine = random.pick(this.#engines);
    const request = { key: `host-${random.below(3)}`, ...asked } as unknown as RequestOf<DriverName>;
    this.#going++;
    try {
      const response = await engine.run('things' as DriverName, request, { timeoutMs: 5_000, ...options });
      return response as unknown as ThingResponse;
    } finally {
      this.#going--;
    }
  }

  #abortSoon(): AbortSignal {
    const stop = new AbortController();
    this.#world.after(this.#world.delay(1, 300), () => stop.abort());
    return stop.signal;
  }

  #engine(): ShardedEngine {
    const world = this.#world;
    const bytesPerShard = world.random.pick([4_000, 1 << 20]);
    const options = resolveOptions({
      shards: 2,
      closeTimeoutMs: 5_000,
      cache: { bytesPerShard, pollMs: 250 },
      onEvent: (event) => world.note(`event ${event.type}`),
    });
    const clock = new ThreadClock(world.clock);
    const shards = new Shards(options, {}, clock, this.#threads.start);
    const host: FrontHost = {
      ...{ shards, clock, disk: this.#disk },
      wallNow: () => 1e12 + world.clock.now(),
      failed: (message) => world.never(message),
    };
    const specs = new Map<string, Spec>([['things', thingsSpec as unknown as Spec]]);
    return new ShardedEngine(shards, specs, options, clock, host);
  }

  async told(): Promise<void> {
    for (const engine of this.#engines) {
      const { operations } = await engine.cache.stats();
      const { hits = 0, stale = 0 } = operations.read ?? {};
      if (hits > 0) this.#world.sometimes.add('a read was a hit');
      if (stale > 0) this.#world.sometimes.add('a read was stale');
    }
    if (this.#disk.found > 0) this.#world.sometimes.add('a read was answered from disk');
    if (this.things.unchanged > 0) this.#world.sometimes.add('a read met an etag');
  }
}

test(`C24: in ${SEEDS} worlds nobody reads what was changed, from when the change is acknowledged on`, {
  timeout: 3_600_000,
}, async () => {
  seeded();
  const met = new Set<string>();
  const seeds = [...seedsOf('cache').slice(0, -1), ...Array.from({ length: SEEDS }, (_, i) => (SEED + i) >>> 0)];
  for (const seed of seeds) {
    const world = new World(seed);
    const before = Math.random;
    Math.random = () => world.random.next();
    try {
      const play = new Play(world);
      await play.run();
      await play.told();
    } finally {
      Math.random = before;
    }
    if (world.faults.length > 0) throw new Error(`SEED=${seed}: ${world.faults.join('; ')}\n${world.lastLines}`);
    for (const what of world.sometimes) met.add(what);
  }
  expect(SOMETIMES.filter((what) => !met.has(what))).toEqual([]);
});

test('and the worlds would show it: without the invalidations somebody does', async () => {
  seeded();
  const forget = CacheFront.prototype.forget;
  CacheFront.prototype.forget = async () => 0;
  let faults = 0;
  try {
    for (let i = 0; i < 20 && faults === 0; i++) {
      const world = new World((SEED + i) >>> 0);
      await new Play(world).run();
      faults += world.faults.length;
    }
  } finally {
    CacheFront.prototype.forget = forget;
  }
  expect(faults).toBeGreaterThan(0);
});
