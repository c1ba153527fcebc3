import type { MessagePort } from 'node:worker_threads';
import type { ShardThread, StartThread, ThreadTask } from '../../../src/host/shard-thread.ts';
import type { Driver } from '../../../src/types.ts';
import { deferred } from '../../../src/util/deferred.ts';
import { serve } from '../../../workers/shard.ts';
import { ThreadClock, type World } from './world.ts';

/** One direction of a port: frames arrive later, in the order they were sent. */
class Wire {
  readonly #world: World;
  readonly #mayHear: () => boolean;
  #heard: ((frame: Uint8Array) => void) | undefined = undefined;
  #lastAt = 0;

  constructor(world: World, mayHear: () => boolean) {
    this.#world = world;
    this.#mayHear = mayHear;
  }

  send(frame: Uint8Array): void {
    const { clock } = this.#world;
    const at = Math.max(this.#lastAt, clock.now() + this.#world.delay(0.01, 2));
    this.#lastAt = at;
    this.#world.after(at - clock.now(), () => {
      if (this.#mayHear()) this.#heard?.(frame);
    });
  }

  listen(heard: (frame: Uint8Array) => void): void {
    this.#heard = heard;
  }
}

function portOf(out: Wire, incoming: Wire, mayTalk: () => boolean): MessagePort {
  const port = {
    on: (_event: 'message', heard: (frame: Uint8Array) => void) => incoming.listen(heard),
    postMessage: (frame: Uint8Array) => mayTalk() && out.send(frame),
    close: () => {},
  };
  return port as unknown as MessagePort;
}

/** A shard's thread without a thread: the real shard, behind a port of the simulated world, that can die at any moment. */
export class VirtualThread implements ShardThread {
  readonly port: MessagePort;
  readonly exited: Promise<Error | undefined>;
  readonly number: number;
  readonly clock: ThreadClock;
  alive = true;
  readonly #world: World;
  readonly #exited = deferred<Error | undefined>();

  constructor(world: World, number: number, task: ThreadTask, driver: (thread: VirtualThread) => Driver) {
    this.#world = world;
    this.#readAt = world.clock.now();
    this.number = number;
    this.exited = this.#exited.promise;
    // What was posted before a death arrives: the frames are the other thread's by then.
    const toMain = new Wire(world, () => !this.#gone);
    const toShard = new Wire(world, () => this.runs);
    this.port = portOf(toShard, toMain, () => true);
    this.clock = new ThreadClock(world.clock);
    const port = portOf(toMain, toShard, () => this.runs);
    world.after(world.delay(1, 50), () => {
      if (!this.alive) return;
      if (world.hostile && world.chance(0.05)) {
        world.sometimes.add('a thread died while it started');
        this.die('it did not start');
        return;
      }
      world.note(`thread ${number} starts`);
      void serve({ ...task, port, traceMs: 0 }, this.clock, () => Promise.resolve(driver(this))).then(() =>
        this.#end(undefined),
      );
    });
  }

  /** No time passes in a step of a simulated thread: how busy it is, the world says. */
  loopTime(): { active: number; idle: number } {
    this.load(this.#share);
    return { ...this.#time };
  }

  /** From now on it is at work for that share of its time. */
  load(share: number): void {
    const passed = this.#world.clock.now() - this.#readAt;
    this.#readAt += passed;
    this.#time.active += passed * this.#share;
    this.#time.idle += passed * (1 - this.#share);
    this.#share = share;
  }

  readonly #time = { active: 0, idle: 0 };
  #share = 0;
  #readAt: number;

  #gone = false;

  get runs(): boolean {
    return this.alive && !this.clock.blocked;
  }

  get blocked(): boolean {
    return this.clock.blocked;
  }

  /** It hears nothing and does nothing from now on, and yet lives. */
  block(): void {
    this.clock.blocked = true;
  }

  terminate(): void {
    this.die('terminated');
  }

  /** Its sockets are closed by the system, and a moment later the main thread hears of it. */
  die(why: string): void {
    if (!this.alive) return;
    this.#world.note(`thread ${this.number} dies: ${why}`);
    this.#end(new Error(why));
  }

  #end(error: Error | undefined): void {
    if (!this.alive) return;
    this.alive = false;
    this.clock.die();
    for (const ended of this.onEnd) ended();
    this.#world.after(this.#world.delay(5, 200), () => {
      this.#gone = true;
      this.#world.note(`thread ${this.number} has exited`);
      this.#exited.resolve(error);
    });
  }

  /** Called when it dies, or ends. */
  readonly onEnd: (() => void)[] = [];
}

/** Starts virtual threads and remembers them. */
export class VirtualThreads {
  readonly all: VirtualThread[] = [];
  readonly #world: World;
  readonly #driver: (thread: VirtualThread) => Driver;

  constructor(world: World, driver: (thread: VirtualThread) => Driver) {
    this.#world = world;
    this.#driver = driver;
  }

  readonly start: StartThread = (task) => {
    const thread = new VirtualThread(this.#world, this.all.length, task, this.#driver);
    this.all.push(thread);
    return thread;
  };

  get alive(): VirtualThread[] {
    return this.all.filter(({ alive }) => alive);
  }
}
