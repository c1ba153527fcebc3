import { ShardedEngine } from '../../../src/engine.ts';
import { type EngineOptions, resolveOptions } from '../../../src/options.ts';
import { Shards } from '../../../src/shards.ts';
import type { Driver, Spec } from '../../../src/types.ts';
import { type VirtualThread, VirtualThreads } from './thread.ts';
import { ThreadClock, type World } from './world.ts';

/** The real engine and the real shards with one driver, in virtual time: nothing goes wrong by itself. */
export class VirtualEngine {
  readonly engine: ShardedEngine;
  readonly threads: VirtualThreads;
  readonly #world: World;

  constructor(world: World, spec: Spec, driver: (thread: VirtualThread) => Driver, options: EngineOptions = {}) {
    this.#world = world;
    world.hostile = false;
    this.threads = new VirtualThreads(world, driver);
    const clock = new ThreadClock(world.clock);
    const resolved = resolveOptions({ shards: 3, onEvent: () => {}, ...options });
    const shards = new Shards(resolved, {}, clock, this.threads.start);
    this.engine = new ShardedEngine(shards, new Map([[spec.name, spec]]), resolved, clock);
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    promise.then(over, over);
    // From a minute to the next: the world counts what happens in each.
    while (!isOver) {
      this.#world.turns = 0;
      await this.#world.live(60_000, () => isOver);
    }
    return promise;
  }

  close(): Promise<void> {
    return this.until(this.engine.close());
  }
}
