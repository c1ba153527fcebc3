import type { EngineEvent } from '../index.js';

/** What the engine told of itself, and when: milliseconds of Unix time. `seq` counts from 1. */
export interface LoggedEvent {
  seq: number;
  at: number;
  event: EngineEvent;
}

/** Events kept. */
const MOST_KEPT = 200;

/** The last of what the engine told of itself, and how much there was of each kind. */
export class Events {
  readonly counts = new Map<EngineEvent['type'], number>();
  readonly #last: LoggedEvent[] = [];
  readonly #heard = new Set<(one: LoggedEvent) => void>();
  readonly #wallNow: () => number;
  #seq = 0;

  constructor(wallNow: () => number = Date.now) {
    this.#wallNow = wallNow;
  }

  add(event: EngineEvent): void {
    this.counts.set(event.type, (this.counts.get(event.type) ?? 0) + 1);
    const one = { seq: ++this.#seq, at: this.#wallNow(), event };
    if (this.#last.push(one) > MOST_KEPT) this.#last.shift();
    for (const call of this.#heard) call(one);
  }

  /** The last ones that came after `seq`, the oldest first: all, where `seq` is of a service that ran before. */
  since(seq = 0): LoggedEvent[] {
    return seq > this.#seq ? [...this.#last] : this.#last.filter((one) => one.seq > seq);
  }

  /** Calls with each to come; what comes back ends that. */
  hear(call: (one: LoggedEvent) => void): () => void {
    this.#heard.add(call);
    return () => this.#heard.delete(call);
  }
}
