import { List } from '../src/util/queue.js';
import type { Connection, ConnectionState } from './connection.js';

/** The connections of one lane. Each stands in exactly one list, and the list is its state. */
export class LaneConnections {
  readonly #lists: Record<ConnectionState, List<Connection>> = {
    opening: new List(),
    idle: new List(),
    checking: new List(),
    busy: new List(),
    full: new List(),
    closing: new List(),
  };

  /** All, those included that take no more leases. */
  get size(): number {
    return this.live + this.#lists.closing.size;
  }

  /** Connections that take leases or will. */
  get live(): number {
    const { opening, idle, checking, busy, full } = this.#lists;
    return opening.size + idle.size + checking.size + busy.size + full.size;
  }

  /** Connections that are open and were not given up. */
  get open(): number {
    return this.live - this.#lists.opening.size;
  }

  get opening(): number {
    return this.#lists.opening.size;
  }

  /** Connections that will take leases if all goes well. */
  get onTheirWay(): number {
    return this.#lists.opening.size + this.#lists.checking.size;
  }

  /** One that has a stream to lease, and is leased from already. */
  get busy(): Connection | undefined {
    return this.#lists.busy.first;
  }

  /** The one that became idle last. */
  get newestIdle(): Connection | undefined {
    return this.#lists.idle.first;
  }

  /** The one that has been idle for longest. */
  get oldestIdle(): Connection | undefined {
    return this.#lists.idle.last;
  }

  /** A copy: those that it holds may move meanwhile. */
  in(...states: ConnectionState[]): Connection[] {
    return states.flatMap((state) => [...this.#lists[state]]);
  }

  /** When one of them was in use last; undefined where none is open. */
  lastUsed(now: number): number | undefined {
    const { idle, checking, busy, full } = this.#lists;
    if (busy.size + full.size > 0) return now;
    return (idle.first ?? checking.first)?.since;
  }

  /** Adds how many there are of each state. */
  count(states: Record<ConnectionState, number>): void {
    for (const state in this.#lists) states[state as ConnectionState] += this.#lists[state as ConnectionState].size;
  }

  /** Adds the streams of those that are open, and those in use. One that is not in use has as many as a new one, `each`. */
  countStreams(sum: { total: number; leased: number }, each: number): void {
    const { idle, checking, busy, full } = this.#lists;
    sum.total += (idle.size + checking.size) * each;
    if (busy.size > 0) add(busy, sum);
    if (full.size > 0) add(full, sum);
  }

  /** One that is opening. */
  add(connection: Connection): void {
    this.#lists.opening.push(connection.inState);
  }

  /** Newest first: the longest idle are left to expire. */
  move(connection: Connection, to: ConnectionState): void {
    this.#lists[connection.state].remove(connection.inState);
    connection.state = to;
    this.#lists[to].unshift(connection.inState);
  }

  /** One that is closed. */
  remove(connection: Connection): void {
    this.#lists.closing.remove(connection.inState);
  }
}

function add(connections: Iterable<Connection>, sum: { total: number; leased: number }): void {
  for (const { streams, leased } of connections) {
    sum.total += streams;
    sum.leased += leased;
  }
}
