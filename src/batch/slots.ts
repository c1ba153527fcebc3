import { Limiter } from '../adaptive/limiter.js';
import { type Ended, signOfAll, signOfKey } from '../adaptive/signs.js';
import type { BatchOptions } from '../batch-options.js';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { Deadlines, type Due } from '../util/deadlines.js';
import { Link, List } from '../util/queue.js';

export interface SlotBounds {
  concurrency: number | 'auto';
  perKey: number | 'auto';
  /** No more than this, whatever is learned. */
  most: number;
}

/** As in a batch without a word on it before there was `auto`: no fleet is slower for being watched. */
const START = 200;
/** However badly it goes, a fleet of many hosts is not worked off one by one. */
const FLOOR = 50;
const CEILING = 2_000;
const TOTAL = { start: START, ease: START, floor: FLOOR, leap: 1.5, roundMs: 100 };
/** More than the 20 streams of two connections to an sshd as it comes. */
const KEY_START = 32;
const KEY = { start: KEY_START, ease: 1, floor: 1, ceiling: 1_000, leap: 2, roundMs: 50 };
/** Keys without a request whose limit is remembered. */
const KEPT_KEYS = 10_000;

/**
 * The places of a batch: who of it may be in flight, all together and of one key. Who finds none waits in the line of its
 * key, and the keys that have room take turns. A key's limit is its own: that it is slow or refuses costs the others nothing.
 */
export class Slots {
  readonly #clock: Clock;
  readonly #perKey: number | 'auto';
  readonly #fixed: number;
  readonly #total: Limiter | undefined;
  readonly #keys = new Map<string, KeySlots>();
  /** Longest unused first. */
  readonly #unused = new Map<string, KeySlots>();
  /** Keys with room and somebody who waits. */
  readonly #turns = new List<KeySlots>();
  readonly #deadlines: Deadlines<Waiting>;
  #refusal: KeylaneError | undefined = undefined;
  #inFlight = 0;
  /** Where it stands while something is in flight. */
  readonly #inUse: Set<Slots> | undefined;

  constructor({ concurrency, perKey, most }: SlotBounds, clock: Clock, inUse?: Set<Slots>) {
    this.#inUse = inUse;
    this.#clock = clock;
    this.#perKey = perKey;
    this.#fixed = concurrency === 'auto' ? START : concurrency;
    if (concurrency === 'auto') {
      const ceiling = Math.min(CEILING, most);
      const bounds = { ...TOTAL, ceiling, floor: Math.min(FLOOR, ceiling), start: Math.min(START, ceiling) };
      this.#total = new Limiter(bounds);
    }
    this.#deadlines = new Deadlines(
      clock,
      () => this.#waiting(),
      (waiting) => this.#late(waiting),
    );
  }

  /** How many may be in flight at the moment. */
  get limit(): number {
    return this.#total?.limit ?? this.#fixed;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** What is known of how many of a key are best in flight. */
  learned(name: string): number | undefined {
    return (this.#keys.get(name) ?? this.#unused.get(name))?.limiter?.limit;
  }

  /** Takes a place, if the key has one; whether all together have one is the caller's to know. */
  take(name: string): Place | undefined {
    const key = this.#keyOf(name);
    return key.waiting.size === 0 && key.hasRoom ? this.#enter(key) : undefined;
  }

  /** Resolves with a place when it is its turn, rejects at the deadline and when the batch is called off. */
  wait(name: string, deadline: number): Promise<Place> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const key = this.#keyOf(name);
    return new Promise((granted, refused) => {
      key.waiting.push(new Waiting(name, key, deadline, granted, refused).inLine);
      if (key.hasRoom && !key.inTurns.list) this.#turns.push(key.inTurns);
      this.#deadlines.watch(deadline);
    });
  }

  /** Gives a place to whose turn it is. False where nobody waits for what is free. */
  grant(): boolean {
    let key = this.#turns.shift();
    // Its limit may have fallen since it got in line.
    while (key && !key.hasRoom) key = this.#turns.shift();
    const next = key?.waiting.shift();
    if (!key || !next) return false;
    const place = this.#enter(key);
    if (key.waiting.size > 0 && key.hasRoom) this.#turns.push(key.inTurns);
    next.granted(place);
    return true;
  }

  /** Gives a place back. `ended`: the try that had it, if one was handed over. */
  leave({ key, since }: Place, ended: Ended | undefined): void {
    const now = this.#watches ? this.#clock.now() : 0;
    this.#inFlight--;
    key.inside--;
    if (this.#total) {
      if (ended) this.#total.settled(signOfAll(ended, since, now));
      else this.#total.gone(now);
    }
    if (key.limiter) {
      if (ended) key.limiter.settled(signOfKey(ended, since, now));
      else key.limiter.gone(now);
    }
    if (key.waiting.size > 0) {
      if (key.hasRoom && !key.inTurns.list) this.#turns.push(key.inTurns);
    } else if (key.inside === 0) {
      this.#retire(key);
    }
    // Nobody waits: the timer of those who did would keep the process alive for a minute.
    if (this.#inFlight > 0) return;
    this.#inUse?.delete(this);
    if (this.#turns.size === 0) this.#deadlines.stop();
  }

  /** Whoever waits is refused, and whoever will. */
  end(error: KeylaneError): void {
    this.#refusal = error;
    for (const waiting of [...this.#waiting()]) this.#refuse(waiting, error);
    this.#deadlines.stop();
  }

  get #watches(): boolean {
    return this.#total !== undefined || this.#perKey === 'auto';
  }

  #enter(key: KeySlots): Place {
    const now = this.#watches ? this.#clock.now() : 0;
    if (this.#inFlight++ === 0) this.#inUse?.add(this);
    this.#total?.began(now);
    // A key with one request at a time has nothing to learn: most keys of a fleet.
    if (this.#perKey === 'auto' && !key.limiter && key.inside > 0) {
      key.limiter = new Limiter(KEY);
      for (let i = 0; i < key.inside; i++) key.limiter.began(now);
    }
    key.limiter?.began(now);
    key.inside++;
    return { key, since: now };
  }

  #keyOf(name: string): KeySlots {
    // Without a bound on keys there is one line, and nothing to keep for each.
    const id = this.#perKey === Number.POSITIVE_INFINITY ? '' : name;
    let key = this.#keys.get(id);
    if (!key) {
      key = this.#unused.get(id) ?? new KeySlots(id, this.#perKey === 'auto' ? KEY_START : this.#perKey);
      this.#unused.delete(id);
      this.#keys.set(id, key);
    }
    return key;
  }

  #retire(key: KeySlots): void {
    this.#keys.delete(key.name);
    if (!key.limiter) return;
    this.#unused.set(key.name, key);
    if (this.#unused.size > KEPT_KEYS) this.#unused.delete(this.#unused.keys().next().value as string);
  }

  *#waiting(): Iterable<Waiting> {
    for (const { waiting } of this.#keys.values()) if (waiting.size > 0) yield* waiting;
  }

  #late(waiting: Waiting): void {
    const says = 'the deadline passed while the request waited for its turn in the batch';
    this.#refuse(waiting, new KeylaneError('ERR_TIMEOUT', says, { key: waiting.name }));
  }

  #refuse(waiting: Waiting, error: KeylaneError): void {
    const { key } = waiting;
    key.waiting.remove(waiting.inLine);
    if (key.waiting.size === 0) {
      if (key.inTurns.list) this.#turns.remove(key.inTurns);
      if (key.inside === 0) this.#retire(key);
    }
    waiting.refused(error);
  }
}

/** The places of a batch of these options. */
export function slotsFor(
  { concurrency = 'auto', concurrencyPerKey }: Pick<BatchOptions, 'concurrency' | 'concurrencyPerKey'>,
  { most, clock, slots }: { most: number; clock: Clock; slots?: Set<Slots> | undefined },
): Slots {
  const perKey = concurrencyPerKey ?? (concurrency === 'auto' ? 'auto' : Number.POSITIVE_INFINITY);
  return new Slots({ concurrency, perKey, most }, clock, slots);
}

/** The right of one try to be in flight. */
export interface Place {
  readonly key: KeySlots;
  readonly since: number;
}

/** What is in flight and what waits of one key. */
class KeySlots {
  readonly name: string;
  readonly #fixed: number;
  limiter: Limiter | undefined = undefined;
  inside = 0;
  readonly waiting = new List<Waiting>();
  readonly inTurns: Link<KeySlots> = new Link<KeySlots>(this);

  constructor(name: string, fixed: number) {
    this.name = name;
    this.#fixed = fixed;
  }

  get hasRoom(): boolean {
    return this.inside < (this.limiter?.limit ?? this.#fixed);
  }
}

class Waiting implements Due {
  readonly name: string;
  readonly key: KeySlots;
  readonly dueAt: number;
  readonly granted: (place: Place) => void;
  readonly refused: (error: KeylaneError) => void;
  readonly inLine: Link<Waiting> = new Link<Waiting>(this);

  constructor(
    name: string,
    key: KeySlots,
    dueAt: number,
    granted: (place: Place) => void,
    refused: (error: KeylaneError) => void,
  ) {
    this.name = name;
    this.key = key;
    this.dueAt = dueAt;
    this.granted = granted;
    this.refused = refused;
  }
}
