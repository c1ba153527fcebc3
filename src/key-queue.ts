import type { Call } from './call.js';
import { type GroupSet, Places } from './groups.js';
import type { Flyer, TooLarge } from './total.js';
import { Link, PriorityQueue } from './util/queue.js';

/** Every so often the call that came first has its turn, whatever its priority: the low ones are not starved. */
const TURNS_BY_PRIORITY = 15;

/** What waits of one key with the same groups, for a place in each of them. */
interface Line {
  readonly waiting: PriorityQueue<Call>;
  readonly places: Places;
}

/** What the keys of one shard have in common: their admission. */
export interface KeyOwner extends Flyer {
  /** A call of the key may have become ready. */
  lined(queue: KeyQueue): void;
  flyLarge(queue: KeyQueue): void;
}

/**
 * What waits and flies of one key. Calls without a bounded group are ready at once; those with the same groups stand in
 * a line that asks for places in them, one call at a time, so that who waits for a group keeps nobody else of its key.
 */
export class KeyQueue implements TooLarge {
  readonly key: string;
  readonly flyer: KeyOwner;
  inFlight = 0;
  /** Calls that wait, with and without groups. */
  waiting = 0;
  /** Place in the turns, or among those that are too large for what is left of the bytes. */
  readonly inTurns: Link<KeyQueue> = new Link<KeyQueue>(this);
  /** The next call, while it is too large. */
  large: Call | undefined = undefined;
  /** Nothing of it flies: it is being moved to another shard. */
  held = false;
  readonly #plain = new PriorityQueue<Call>();
  #lines: Map<GroupSet, Line> | undefined = undefined;
  #turns = 0;
  /** Calls of more than one priority wait, or did since the last time that none waited. */
  #mixed = false;
  #priority = 0;

  constructor(key: string, flyer: KeyOwner) {
    this.key = key;
    this.flyer = flyer;
  }

  get unused(): boolean {
    return this.inFlight === 0 && this.waiting === 0 && !this.held;
  }

  get largeBytes(): number {
    return this.large?.bytes ?? 0;
  }

  /** The call whose turn is next; undefined where all that wait have to wait for a group. */
  get next(): Call | undefined {
    if (this.waiting === 0) return undefined;
    const byAge = this.#mixed && this.#turns >= TURNS_BY_PRIORITY;
    let next: Call | undefined = byAge ? oldest(this.#plain) : this.#plain.first;
    if (!this.#lines) return next;
    for (const { waiting, places } of this.#lines.values()) {
      if (!places.ready) continue;
      const call = byAge ? oldest(waiting) : waiting.first;
      if (call && (!next || goesBefore(call, next, byAge))) next = call;
    }
    return next;
  }

  /** Puts a call in line; `ask`: its groups may be asked for a place. */
  push(call: Call, ask: boolean): void {
    if (this.waiting === 0) this.#mixed = false;
    else if (call.priority !== this.#priority) this.#mixed = true;
    this.#priority = call.priority;
    this.waiting++;
    if (!call.groups) {
      this.#plain.push(call.inQueue, call.priority);
      return;
    }
    this.#lines ??= new Map();
    let line = this.#lines.get(call.groups);
    if (!line) {
      line = { waiting: new PriorityQueue(), places: new Places(call.groups, () => this.flyer.lined(this)) };
      this.#lines.set(call.groups, line);
    }
    line.waiting.push(call.inQueue, call.priority);
    if (ask) line.places.ask();
  }

  /** Takes out the call that is `next`, to fly; `ask`: the next one of its line may ask for its places. */
  take(call: Call, ask: boolean): void {
    this.#turns = this.#turns >= TURNS_BY_PRIORITY ? 0 : this.#turns + 1;
    this.waiting--;
    const line = call.groups && this.#lines?.get(call.groups);
    if (!line) {
      this.#plain.remove(call.inQueue);
      return;
    }
    line.waiting.remove(call.inQueue);
    line.places.use();
    if (line.waiting.size === 0) this.#lines?.delete(line.places.set);
    else if (ask) line.places.ask();
  }

  /** Takes out a call that is not wanted any more. */
  remove(call: Call): void {
    this.waiting--;
    const line = call.groups && this.#lines?.get(call.groups);
    if (!line) {
      this.#plain.remove(call.inQueue);
      return;
    }
    line.waiting.remove(call.inQueue);
    if (line.waiting.size > 0) return;
    this.#lines?.delete(line.places.set);
    line.places.giveBack();
  }

  /** Everything that waits. */
  *calls(): Iterable<Call> {
    yield* this.#plain;
    for (const { waiting } of this.#lines?.values() ?? []) yield* waiting;
  }

  /** Asks for the places of all that wait. */
  ask(): void {
    for (const { places } of this.#lines?.values() ?? []) places.ask();
  }

  /** It cannot fly for now: what places it has others may have. */
  giveBack(): void {
    if (this.#lines) for (const { places } of this.#lines.values()) places.giveBack();
  }

  fly(): void {
    this.flyer.flyLarge(this);
  }
}

function oldest(queue: PriorityQueue<Call>): Call | undefined {
  let found: Call | undefined;
  for (const call of queue.heads()) if (!found || call.order < found.order) found = call;
  return found;
}

function goesBefore(call: Call, other: Call, byAge: boolean): boolean {
  return byAge || call.priority === other.priority ? call.order < other.order : call.priority > other.priority;
}
