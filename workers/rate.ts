import type { Clock, Timer } from '../src/util/clock.js';
import { Heap, type Timed } from '../src/util/heap.js';
import { type Link, PriorityQueue } from '../src/util/queue.js';

/** Who wants to start a request. Gets one `passed`, unless it left; then it is to be `started` or `returned`. */
export interface Rated {
  readonly priority: number;
  readonly inRate: Link<Rated>;
  /** It may start as soon as it has a stream. */
  passed(): void;
}

/** Tokens are counted in floating point: so little may be missing of a whole one. What is taken too early is owed. */
const ABOUT = 1e-9;

/** The tokens of one key. */
class Bucket implements Timed {
  readonly key: string;
  /** There to be taken, at the time `at`. */
  tokens: number;
  at: number;
  /** Taken by requests that have not started yet. */
  passed = 0;
  readonly waiting = new PriorityQueue<Rated>();
  /** Its next token, where somebody waits for it; else when it is full. */
  dueAt = 0;
  place = -1;
  serving = false;

  constructor(key: string, tokens: number, at: number) {
    this.key = key;
    this.tokens = tokens;
    this.at = at;
  }
}

/**
 * A token bucket for each key, over all its lanes and connections. A request takes a token before it gets in line for a
 * stream, and what has been taken but not started counts as still in the bucket: it is filled up to
 * `burst − passed` only. So what waits for a connection together starts together without a burst too many: in any t
 * seconds at most `burst` + `perSecond` × t requests start. Who waits is served by priority, then in the order it came.
 *
 * A key whose bucket is full is forgotten: it would be made full again. One timer serves all keys.
 */
export class Rates {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  /** All buckets were empty then, if ever. */
  readonly #emptyAt: number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #due = new Heap<Bucket>();
  /** Requests that could not start as soon as they came. */
  #delayed = 0;
  #timer: Timer | undefined = undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `spent`: what was started just before is not known, so all buckets are empty at first. */
  constructor(clock: Clock, perSecond: number, burst: number, spent = false) {
    this.#clock = clock;
    this.#emptyAt = spent ? clock.now() : Number.NEGATIVE_INFINITY;
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
  }

  get stats(): { waiting: number; delayed: number } {
    let waiting = 0;
    for (const bucket of this.#buckets.values()) waiting += bucket.waiting.size;
    return { waiting, delayed: this.#delayed };
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Not all that the key may start at once could be started now. */
  remembers(key: string): boolean {
    return this.#buckets.has(key);
  }

  /** Passes it now, or in its turn. */
  enter(key: string, rated: Rated): void {
    let bucket = this.#buckets.get(key);
    if (!bucket) {
      const now = this.#clock.now();
      bucket = new Bucket(key, Math.min(this.#burst, (now - this.#emptyAt) * this.#perMs), now);
      this.#buckets.set(key, bucket);
    }
    bucket.waiting.push(rated.inRate, rated.priority);
    this.#serve(bucket);
    if (rated.inRate.list) this.#delayed++;
  }

  /** Takes out one that has not passed. */
  leave(key: string, rated: Rated): void {
    const bucket = this.#buckets.get(key);
    if (!bucket) return;
    bucket.waiting.remove(rated.inRate);
    this.#serve(bucket);
  }

  /** One that passed starts now. */
  started(key: string): void {
    this.#settled(key, 0);
  }

  /** One that passed will not start: its token is there for another. */
  returned(key: string): void {
    this.#settled(key, 1);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #settled(key: string, back: number): void {
    const bucket = this.#buckets.get(key);
    if (!bucket) return;
    // Up to now it was filled only so far.
    this.#fill(bucket);
    bucket.passed--;
    bucket.tokens += back;
    this.#serve(bucket);
  }

  #fill(bucket: Bucket): void {
    const now = this.#clock.now();
    const most = this.#burst - bucket.passed;
    bucket.tokens = Math.min(most, bucket.tokens + (now - bucket.at) * this.#perMs);
    bucket.at = now;
  }

  /** Not re-entered: one that starts, or is refused, as soon as it has passed leaves the next to the loop that runs. */
  #serve(bucket: Bucket): void {
    if (bucket.serving) return;
    bucket.serving = true;
    try {
      this.#fill(bucket);
      while (bucket.waiting.size > 0 && bucket.tokens >= 1 - ABOUT) {
        bucket.tokens--;
        bucket.passed++;
        bucket.waiting.shift()?.passed();
      }
    } finally {
      bucket.serving = false;
    }
    this.#plan(bucket);
  }

  #plan(bucket: Bucket): void {
    const wanted = bucket.waiting.size > 0 ? 1 : this.#burst;
    if (wanted > this.#burst - bucket.passed) {
      // Nothing comes before one of those that passed has started.
      this.#due.remove(bucket);
      return;
    }
    if (bucket.waiting.size === 0 && bucket.tokens >= this.#burst - ABOUT) {
      this.#due.remove(bucket);
      this.#buckets.delete(bucket.key);
      return;
    }
    this.#due.set(bucket, bucket.at + (wanted - bucket.tokens) / this.#perMs);
    this.#arm();
  }

  #arm(): void {
    const dueAt = this.#due.first?.dueAt ?? Number.POSITIVE_INFINITY;
    // Armed for earlier, it looks in vain once: cheaper than to be set anew by every request.
    if (dueAt >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = dueAt;
    this.#timer = this.#clock.timer(dueAt - this.#clock.now(), () => this.#look());
  }

  #look(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (let bucket = this.#due.first; bucket && bucket.dueAt <= now; bucket = this.#due.first) {
      this.#due.remove(bucket);
      this.#serve(bucket);
    }
    this.#arm();
  }
}
