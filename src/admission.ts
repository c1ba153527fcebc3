import type { Call } from './call.js';
import { KeylaneError } from './errors.js';
import { Link, List, PriorityQueue } from './util/queue.js';

export interface AdmissionLimits {
  /** Calls in the shard at once. */
  window: number;
  /** Of these, calls of one key. */
  inFlightPerKey: number;
  /** Calls that wait, of one key. */
  queuedPerKey: number;
}

/** Calls that wait, all shards together. */
export class QueueBudget {
  readonly limit: number;
  used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }
}

/** What waits and runs of one key. */
class KeyQueue {
  readonly key: string;
  readonly waiting = new PriorityQueue<Call>();
  inFlight = 0;
  /** Place in the turns: it has a waiting call and is below its share. */
  readonly inTurns: Link<KeyQueue> = new Link<KeyQueue>(this);

  get unused(): boolean {
    return this.inFlight === 0 && this.waiting.size === 0;
  }

  constructor(key: string) {
    this.key = key;
  }
}

/**
 * What one shard may be handed. A window bounds the calls in the shard; behind it every key has a queue, and the keys
 * take turns, one call a turn, so that a key with 10,000 waiting calls delays another by one call and not by 10,000.
 * (Deficit round robin, Shreedhar and Varghese 1995, with every call at the same cost, which makes the deficit always
 * one.) Within a key the higher priority goes first. A key's share of the window is capped, so a slow key cannot fill it.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #budget: QueueBudget;
  readonly #dispatch: (call: Call) => void;
  readonly #keys = new Map<string, KeyQueue>();
  readonly #turns = new List<KeyQueue>();
  #sweepAt = KEPT_KEYS;
  #inFlight = 0;
  #queued = 0;
  #open = false;
  #refusal: KeylaneError | undefined = undefined;

  /** `dispatch` hands a call to the shard. Nothing is dispatched before `open`. */
  constructor(limits: AdmissionLimits, budget: QueueBudget, dispatch: (call: Call) => void) {
    this.#limits = { ...limits, inFlightPerKey: Math.min(limits.inFlightPerKey, Math.ceil(limits.window / 2)) };
    this.#budget = budget;
    this.#dispatch = dispatch;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queued;
  }

  /** What waits. */
  *calls(): Iterable<Call> {
    if (this.#queued === 0) return;
    for (const { waiting } of this.#keys.values()) if (waiting.size > 0) yield* waiting;
  }

  /** Dispatches the call, queues it, or throws `ERR_SATURATED` (or why the shard is not to be had). `bounded`: the bounds on what waits apply. */
  submit(call: Call, bounded: boolean): void {
    if (this.#refusal) throw this.#refusal;
    const { key } = call;
    let queue = this.#keys.get(key);
    if (!queue) {
      queue = new KeyQueue(key);
      this.#remember(queue);
    }
    if (this.#open && this.#inFlight < this.#limits.window && this.#turns.size === 0 && this.#mayFly(queue)) {
      this.#fly(call, queue);
      return;
    }
    if (bounded) this.#checkRoom(queue);
    queue.waiting.push(call.inQueue, call.priority);
    this.#queued++;
    this.#budget.used++;
    this.#line(queue);
    this.#next();
  }

  /** Takes a queued call out: it was canceled, or its deadline passed. */
  abandon(call: Call): void {
    const queue = this.#keys.get(call.key);
    if (!queue || !call.isQueued) return;
    queue.waiting.remove(call.inQueue);
    this.#unqueued();
    if (queue.waiting.size === 0 && queue.inTurns.list) this.#turns.remove(queue.inTurns);
  }

  /** A dispatched call is over. */
  freed(call: Call): void {
    this.#inFlight--;
    const queue = this.#keys.get(call.key);
    if (queue) {
      queue.inFlight--;
      if (queue.waiting.size > 0) this.#line(queue);
    }
    if (this.#queued > 0) this.#next();
  }

  /** The shard serves. */
  open(): void {
    this.#open = true;
    this.#refusal = undefined;
    this.#next();
  }

  /** The shard is away for a moment: what comes waits. */
  pause(): void {
    this.#open = false;
  }

  /** The shard is not to be had: what waits is handed to `each`, what comes is refused, until `open`. */
  refuse(error: KeylaneError, each: (call: Call) => void): void {
    this.#open = false;
    this.#refusal = error;
    for (const queue of [...this.#keys.values()]) {
      for (let call = queue.waiting.shift(); call; call = queue.waiting.shift()) {
        this.#unqueued();
        each(call);
      }
      if (queue.inTurns.list) this.#turns.remove(queue.inTurns);
    }
  }

  #next(): void {
    while (this.#open && this.#inFlight < this.#limits.window) {
      const queue = this.#turns.shift();
      if (!queue) return;
      const call = queue.waiting.shift();
      if (!call) continue;
      this.#unqueued();
      this.#fly(call, queue);
      this.#line(queue);
    }
  }

  #fly(call: Call, queue: KeyQueue): void {
    queue.inFlight++;
    this.#inFlight++;
    this.#dispatch(call);
  }

  #mayFly(queue: KeyQueue): boolean {
    return queue.waiting.size === 0 && queue.inFlight < this.#limits.inFlightPerKey;
  }

  /** Puts the key at the end of the turns, if it has a use for one. */
  #line(queue: KeyQueue): void {
    if (queue.waiting.size === 0 || queue.inTurns.list || queue.inFlight >= this.#limits.inFlightPerKey) return;
    this.#turns.push(queue.inTurns);
  }

  #checkRoom(queue: KeyQueue): void {
    if (queue.waiting.size >= this.#limits.queuedPerKey) {
      throw new KeylaneError(
        'ERR_SATURATED',
        `${queue.waiting.size} requests wait for ${queue.key} already (limits.queuedPerKey)`,
      );
    }
    if (this.#budget.used >= this.#budget.limit) {
      throw new KeylaneError('ERR_SATURATED', `${this.#budget.used} requests wait already (maxQueued)`);
    }
  }

  #unqueued(): void {
    this.#queued--;
    this.#budget.used--;
  }

  /** Keys come back, so an unused one is kept; when they are twice what was in use, the unused ones are swept out. */
  #remember(queue: KeyQueue): void {
    if (this.#keys.size >= this.#sweepAt) {
      for (const old of this.#keys.values()) if (old.unused) this.#keys.delete(old.key);
      this.#sweepAt = Math.max(KEPT_KEYS, 2 * this.#keys.size);
    }
    this.#keys.set(queue.key, queue);
  }
}

const KEPT_KEYS = 4_096;
