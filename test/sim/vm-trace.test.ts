import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { makeTrace, type TraceHead, type TraceStep } from '../../load/traces/make.ts';
import { ShardedEngine } from '../../src/engine.ts';
import { resolveOptions } from '../../src/options.ts';
import { laneOf } from '../../src/routing.ts';
import { Shards } from '../../src/shards.ts';
import type { Driver, DriverName, ExecuteContext, Spec } from '../../src/types.ts';
import { SEED, seeded } from '../support/seed.ts';
import { type VirtualThread, VirtualThreads } from './world/thread.ts';
import { ThreadClock, World } from './world/world.ts';

interface VmRequest {
  key: string;
  what: 'list' | 'status' | 'change';
  number: number;
}

/** How often each of the machines asked for had been changed, and when the peer said so. */
interface VmAnswer {
  at: number;
  changes: number[];
}

const SPEC: Spec<VmRequest, unknown, VmAnswer> = {
  name: 'vms',
  parse: ({ key, what, number }) => ({ key, lane: laneOf(key, null), target: null, request: { what, number } }),
  ok: () => true,
};

const TRACE = readFileSync(new URL('../../load/traces/vm-hour.ndjson', import.meta.url), 'utf8');
const [HEAD, ...STEPS] = TRACE.trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line)) as [TraceHead, ...TraceStep[]];

test('the published trace is what its script makes of its seed', () => {
  expect(makeTrace(HEAD.seed) === TRACE).toBe(true);
  expect(TRACE.length).toBeLessThan(1_000_000);
  expect(HEAD).toMatchObject({ hosts: 50, ms: 3_600_000 });
});

test('an hour of list, status, start and stop over 50 hosts: more than 80 % hits, and no answer from before a change', {
  timeout: 60_000,
}, async () => {
  seeded();
  const replay = new Replay(new World(SEED));
  const { operations } = await replay.run();
  const { vm_list: list, vm_status: status } = operations;
  if (!list || !status) throw new Error('nothing was remembered');
  expect(replay.wrong).toEqual([]);
  expect(replay.answers).toBe(STEPS.length);
  expect(list.hits + list.misses + status.hits + status.misses).toBe(replay.reads);
  expect((list.hits + status.hits) / replay.reads).toBeGreaterThan(0.8);
  // Those who read while a change was under way, or just after: or the comparison would show nothing.
  expect(replay.renewed).toBeGreaterThan(50);
});

test('nor where threads die in between', { timeout: 60_000 }, async () => {
  seeded();
  const replay = new Replay(new World(SEED), 30);
  await replay.run();
  expect(replay.wrong).toEqual([]);
  expect(replay.answers).toBeGreaterThan(STEPS.length * 0.9);
});

/** The trace, replayed in virtual time through the real engine over simulated threads; the hosts are the model of the truth. */
class Replay {
  readonly wrong: string[] = [];
  answers = 0;
  reads = 0;
  /** Answers that a change before them had made other ones. */
  renewed = 0;
  readonly #world: World;
  readonly #threads: VirtualThreads;
  readonly #engine: ShardedEngine;
  /** By host: changes that it has made, and those of them that were answered by the engine. */
  readonly #made = new Array<number>(HEAD.hosts).fill(0);
  readonly #told = new Array<number>(HEAD.hosts).fill(0);
  readonly #given = new Map<string, string>();
  readonly #deaths: number;
  #going = 0;

  constructor(world: World, deaths = 0) {
    this.#world = world;
    this.#deaths = deaths;
    world.hostile = false;
    this.#threads = new VirtualThreads(world, (thread) => this.#driver(thread));
    const clock = new ThreadClock(world.clock);
    const options = resolveOptions({ shards: 3, cache: { ttlMs: HEAD.ttlMs }, onEvent: () => {} });
    const shards = new Shards(options, {}, clock, this.#threads.start);
    this.#engine = new ShardedEngine(shards, new Map([['vms', SPEC as unknown as Spec]]), options, clock);
  }

  async run() {
    const world = this.#world;
    await world.live(5_000, () => false);
    const start = world.clock.now();
    let next = 0;
    const step = () => {
      const [, what, number] = STEPS[next++]!;
      if (what === 'list' || what === 'status') void this.#read(what, number);
      else void this.#change(number);
      const [at] = STEPS[next] ?? [];
      if (at !== undefined) world.after(Math.max(0, start + at - world.clock.now()), step);
    };
    world.after(STEPS[0]![0], step);
    for (let i = 0; i < this.#deaths; i++) {
      world.after(world.random.next() * HEAD.ms, () => {
        if (this.#threads.alive.length > 1) world.random.pick(this.#threads.alive).die('by the test');
      });
    }
    await this.#live(() => next === STEPS.length && this.#going === 0);
    const stats = await this.#soon(this.#engine.cache.stats());
    await this.#soon(this.#engine.close());
    return stats;
  }

  async #read(what: 'list' | 'status', number: number): Promise<void> {
    this.reads++;
    const size = HEAD.hosts / HEAD.groups;
    const hosts = what === 'list' ? Array.from({ length: size }, (_, i) => number * size + i) : [number];
    const known = hosts.map((host) => this.#told[host]!);
    const operation = `vm_${what}` as const;
    const key = what === 'list' ? `rg-${number}` : `vm-${number}`;
    const answer = await this.#ask({ key, what, number }, { cache: { operation } });
    if (!answer) return;
    const changes = answer.changes.join();
    const before = hosts.findIndex((_, i) => answer.changes[i]! < known[i]!);
    if (before >= 0) this.wrong.push(`${operation} of ${key} is from before a change of vm-${hosts[before]}`);
    const ageMs = this.#world.clock.now() - answer.at;
    // On its way here, and there, it grows older: by what threads and wires take.
    if (ageMs > HEAD.ttlMs[operation] + 100) this.wrong.push(`${operation} of ${key} is ${ageMs} ms old`);
    const last = this.#given.get(`${operation} ${key}`);
    if (last !== undefined && last !== changes) this.renewed++;
    this.#given.set(`${operation} ${key}`, changes);
  }

  async #change(host: number): Promise<void> {
    const key = `vm-${host}`;
    const answer = await this.#ask({ key, what: 'change', number: host }, { invalidates: ['vm_list:*', `key:${key}`] });
    // Two changes at once: the later one may be told first.
    if (answer) this.#told[host] = Math.max(this.#told[host]!, answer.changes[0]!);
  }

  async #ask(request: VmRequest, how: object): Promise<VmAnswer | undefined> {
    this.#going++;
    try {
      const answer = (await this.#engine.run('vms' as DriverName, request as never, how)) as unknown as VmAnswer;
      this.answers++;
      return answer;
    } catch {
      return undefined;
    } finally {
      this.#going--;
    }
  }

  #driver({ clock }: VirtualThread): Driver {
    const world = this.#world;
    const later = (ms: number) => new Promise<void>((resolve) => clock.timer(ms, resolve));
    const size = HEAD.hosts / HEAD.groups;
    const truth = (what: string, number: number) =>
      what === 'list' ? this.#made.slice(number * size, (number + 1) * size) : [this.#made[number]!];
    return {
      streams: 100,
      open: async () => {
        await later(world.delay(5, 100));
        return {};
      },
      // As slow as the API of a cloud. What is read is so at some moment in between, and what is changed too.
      execute: async (_connection: object, { what, number }: VmRequest, context: ExecuteContext) => {
        context.sent();
        await later(world.delay(50, 1_000));
        if (what === 'change') this.#made[number]! += 1;
        const changes = truth(what, number);
        await later(world.delay(50, 1_000));
        return { at: world.clock.now(), changes };
      },
      ok: () => true,
      close: async () => {},
    } as unknown as Driver;
  }

  /** From a minute to the next: the world counts what happens in each. */
  async #live(done: () => boolean): Promise<void> {
    while (!done()) {
      this.#world.turns = 0;
      await this.#world.live(60_000, done);
    }
  }

  async #soon<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    void promise.finally(() => {
      isOver = true;
    });
    await this.#live(() => isOver);
    return promise;
  }
}
