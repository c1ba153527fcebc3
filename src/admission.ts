import type { Call } from './call.js';
import { KeylaneError } from './errors.js';
import { Groups } from './groups.js';
import { type KeyOwner, KeyQueue } from './key-queue.js';
import { Account, Total, type TotalLimits } from './total.js';
import { List } from './util/queue.js';
import { runBytes } from './wire/weight.js';

/** Bounds on the calls of one key. */
export interface AdmissionLimits {
  /** At most half of the total. */
  inFlightPerKey: number;
  queuedPerKey: number;
}

/** What the admissions of all shards share: the bounds that are never split. */
export class Shared {
  readonly total: Total;
  readonly groups: Groups;
  readonly limits: AdmissionLimits;

  constructor(
    total: TotalLimits,
    groups: Readonly<Record<string, number>>,
    { inFlightPerKey, queuedPerKey }: AdmissionLimits,
    shards: number,
  ) {
    this.total = new Total(total, shards);
    this.groups = new Groups(groups);
    this.limits = { inFlightPerKey: Math.min(inFlightPerKey, Math.ceil(total.inFlight / 2)), queuedPerKey };
  }
}

/**
 * What one shard may be handed. Behind the total every key has a queue, and the keys take turns, one call a turn, so
 * that a key with 10,000 waiting calls delays another by one call and not by 10,000. (Deficit round robin, Shreedhar and
 * Varghese 1995, with every call at the same cost, which makes the deficit always one.) Within a key the higher priority
 * goes first, and every sixteenth turn what came first. A key's share is capped, so a slow key cannot fill the total.
 *
 * A key stands in the turns if it has a call that is ready (see KeyQueue) and is below its share.
 */
export class Admission implements KeyOwner {
  inFlight = 0;
  queued = 0;
  readonly account: Account = new Account(this);
  readonly #shared: Shared;
  readonly #total: Total;
  readonly #dispatch: (call: Call) => void;
  readonly #keys = new Map<string, KeyQueue>();
  readonly #turns = new List<KeyQueue>();
  #sweepAt = KEPT_KEYS;
  #open = false;
  #refusal: KeylaneError | undefined = undefined;

  /** `dispatch` hands a call to the shard. Nothing is dispatched before `open`. */
  constructor(shared: Shared, dispatch: (call: Call) => void) {
    this.#shared = shared;
    this.#total = shared.total;
    this.#dispatch = dispatch;
  }

  /** Keys whose next call waits for its turn and nothing else. */
  get ready(): number {
    return this.#open ? this.#turns.size : 0;
  }

  /** Keys that are remembered. */
  get keys(): number {
    return this.#keys.size;
  }

  /** Keys in use: those of which most waits and flies first, so many at most. */
  busiest(limit: number, matches: (key: string) => boolean): { key: string; queued: number; inFlight: number }[] {
    if (this.queued + this.inFlight === 0) return [];
    const busy: { key: string; queued: number; inFlight: number }[] = [];
    for (const { key, waiting: queued, inFlight } of this.#keys.values())
      if (queued + inFlight > 0 && matches(key)) busy.push({ key, queued, inFlight });
    busy.sort((a, b) => b.queued + b.inFlight - a.queued - a.inFlight);
    return busy.slice(0, limit);
  }

  /** What waits. */
  *calls(): Iterable<Call> {
    if (this.queued === 0) return;
    for (const queue of this.#keys.values()) if (queue.waiting > 0) yield* queue.calls();
  }

  /** Dispatches the call, queues it, or throws `ERR_SATURATED` (or why the shard is not to be had). `bounded`: the bounds on what waits apply. */
  submit(call: Call, bounded: boolean): void {
    if (this.#refusal) throw this.#refusal;
    call.bytes = bytesOf(call);
    if (call.labels) call.groups = this.#shared.groups.of(call.labels);
    const known = this.#keys.get(call.key);
    if (this.#mayFly(call, known)) {
      this.#fly(call, known ?? this.#newKey(call.key));
      return;
    }
    // Before anything is made for it: who is refused leaves nothing behind.
    if (bounded) this.#checkRoom(call.key, known);
    this.#enqueue(call, known ?? this.#newKey(call.key));
    this.#total.next();
  }

  /** Takes a queued call out: it was canceled, or its deadline passed. */
  abandon(call: Call): void {
    const queue = this.#keys.get(call.key);
    if (!queue || !call.isQueued) return;
    if (queue.large === call) this.#leaveTurns(queue);
    queue.remove(call);
    this.#unqueued();
    // It keeps its place in the turns as long as it has a use for one.
    if (!queue.next) this.#leaveTurns(queue);
    this.lined(queue);
    this.#total.next();
  }

  /** A dispatched call is over. */
  freed(call: Call): void {
    this.inFlight--;
    this.#total.freed(this, call.bytes);
    const queue = this.#keys.get(call.key);
    if (queue) queue.inFlight--;
    call.groups?.freed();
    if (queue && queue.waiting > 0) {
      if (this.#open) queue.ask();
      this.lined(queue);
    }
    if (this.#total.queued > 0) this.#total.next();
  }

  /** The shard serves. */
  open(): void {
    this.#open = true;
    this.#refusal = undefined;
    for (const queue of this.#keys.values()) {
      if (queue.waiting === 0) continue;
      if (this.#belowShare(queue)) queue.ask();
      this.lined(queue);
    }
    this.#total.next();
  }

  /** Nothing of the key waits or flies. */
  isUnused(key: string): boolean {
    return this.#keys.get(key)?.unused ?? true;
  }

  /** What comes of the key waits until `unhold`. Only of a key that is unused. */
  hold(key: string): void {
    const queue = this.#keys.get(key) ?? this.#newKey(key);
    if (!queue.unused) throw new Error('a key in use cannot be held');
    queue.held = true;
  }

  unhold(key: string): void {
    const queue = this.#keys.get(key);
    if (!queue?.held) throw new Error('this key is not held');
    queue.held = false;
    if (this.#open) queue.ask();
    this.lined(queue);
    this.#total.next();
  }

  /** Takes out what waits of a key, the oldest first: another shard is to have it. */
  takeAll(key: string): Call[] {
    const calls = [...(this.#keys.get(key)?.calls() ?? [])].sort((a, b) => a.order - b.order);
    for (const call of calls) this.abandon(call);
    return calls;
  }

  /** The shard is away for a moment: what comes waits, and keeps no place that others could use. */
  pause(): void {
    this.#open = false;
    this.#total.delist(this);
    for (const queue of this.#keys.values()) {
      this.#leaveTurns(queue);
      queue.giveBack();
    }
    this.#total.next();
  }

  /** The shard is not to be had: what waits is handed to `each`, what comes is refused, until `open`. */
  refuse(error: KeylaneError, each: (call: Call) => void): void {
    this.pause();
    this.#refusal = error;
    for (const queue of [...this.#keys.values()]) {
      for (const call of [...queue.calls()]) {
        queue.remove(call);
        this.#unqueued();
        each(call);
      }
    }
  }

  /** Puts the key at the end of the turns, if it has a use for one. */
  lined(queue: KeyQueue): void {
    if (!this.#open || queue.waiting === 0 || !this.#belowShare(queue)) return;
    if (queue.inTurns.list) {
      // A call of a higher priority need not wait for one that is too large.
      if (!queue.large || queue.next === queue.large) return;
      this.#leaveTurns(queue);
    }
    if (!queue.next) return;
    this.#turns.push(queue.inTurns);
    this.#total.enlist(this);
  }

  flyNext(): void {
    const queue = this.#turns.shift();
    const call = queue?.next;
    if (!queue || !call) return;
    if (this.#total.fits(call.bytes)) {
      this.#takeOff(call, queue);
    } else {
      queue.large = call;
      this.#total.tooLarge(queue);
    }
  }

  flyLarge(queue: KeyQueue): void {
    const { large } = queue;
    queue.large = undefined;
    if (large) this.#takeOff(large, queue);
  }

  #takeOff(call: Call, queue: KeyQueue): void {
    queue.take(call, queue.inFlight + 1 < this.#shared.limits.inFlightPerKey);
    this.#unqueued();
    this.#fly(call, queue);
  }

  #fly(call: Call, queue: KeyQueue): void {
    queue.inFlight++;
    this.inFlight++;
    this.#total.took(this, call.bytes);
    if (queue.waiting > 0) {
      if (!this.#belowShare(queue)) queue.giveBack();
      this.lined(queue);
    }
    // Last: whoever is called may call back.
    this.#dispatch(call);
  }

  /** May it fly without waiting? Its groups' places are taken then. */
  #mayFly(call: Call, queue: KeyQueue | undefined): boolean {
    return (
      this.#open &&
      this.#turns.size === 0 &&
      (!queue || (queue.waiting === 0 && this.#belowShare(queue))) &&
      this.#total.mayFly(this, call.bytes) &&
      (!call.groups || call.groups.take())
    );
  }

  #belowShare(queue: KeyQueue): boolean {
    return queue.inFlight < this.#shared.limits.inFlightPerKey && !queue.held;
  }

  #enqueue(call: Call, queue: KeyQueue): void {
    call.order = ++this.#total.order;
    queue.push(call, this.#open && this.#belowShare(queue));
    this.queued++;
    this.#total.queued++;
    this.#total.changed(this);
    this.lined(queue);
  }

  #unqueued(): void {
    this.queued--;
    this.#total.queued--;
    this.#total.changed(this);
  }

  #leaveTurns(queue: KeyQueue): void {
    if (!queue.inTurns.list) return;
    if (this.#total.isTooLarge(queue)) this.#total.noLongerTooLarge(queue);
    else this.#turns.remove(queue.inTurns);
    queue.large = undefined;
  }

  #checkRoom(key: string, queue: KeyQueue | undefined): void {
    const waiting = queue?.waiting ?? 0;
    if (waiting >= this.#shared.limits.queuedPerKey) {
      throw new KeylaneError('ERR_SATURATED', `${waiting} requests wait for ${key} already (limits.queuedPerKey)`);
    }
    if (this.#total.queued >= this.#total.limits.queued) {
      throw new KeylaneError('ERR_SATURATED', `${this.#total.queued} requests wait already (maxQueued)`);
    }
  }

  /** Keys come back, so an unused one is kept; when they are twice what was in use, the unused ones are swept out. */
  #newKey(key: string): KeyQueue {
    if (this.#keys.size >= this.#sweepAt) {
      for (const old of this.#keys.values()) if (old.unused) this.#keys.delete(old.key);
      this.#sweepAt = Math.max(KEPT_KEYS, 2 * this.#keys.size);
    }
    const queue = new KeyQueue(key, this);
    this.#keys.set(key, queue);
    return queue;
  }
}

const KEPT_KEYS = 4_096;

/** What cannot be counted cannot be encoded either, and is refused there. */
function bytesOf(call: Call): number {
  try {
    return runBytes(call);
  } catch {
    return 1;
  }
}
