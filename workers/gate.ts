import type { KeylaneError } from '../src/errors.js';
import type { Quota } from '../src/types.js';
import type { Timed } from '../src/util/heap.js';
import { Link, List, PriorityQueue } from '../src/util/queue.js';
import type { TokenBucket } from './token-bucket.js';
import { Window } from './window.js';

/** Who wants to start a request. */
export interface Entrant {
  readonly priority: number;
  /** It may start as soon as it has a stream. */
  passed(): void;
  /** It will never be let start. */
  refused(error: KeylaneError): void;
}

/**
 * A request at the gate of its key.
 *
 *     waiting ──▶ passed ──▶ started ──▶ over
 *        └──────────┴─────── left, returned ──▲
 */
export class Ticket {
  readonly gate: Gate;
  readonly entrant: Entrant;
  readonly units: number;
  /** Among those that wait, then among those that run and are not counted yet. */
  readonly inGate: Link<Ticket> = new Link<Ticket>(this);
  /** It had passed, and came back. */
  readonly isBack: boolean;
  state: 'waiting' | 'passed' | 'started' | 'over' = 'waiting';
  startedAt = 0;

  constructor(gate: Gate, entrant: Entrant, units: number, isBack: boolean) {
    this.gate = gate;
    this.entrant = entrant;
    this.units = units;
    this.isBack = isBack;
  }
}

/** A request that runs for longer is counted as of then: its peer has counted it meanwhile. */
const LONGEST_COUNT_MS = 60_000;

/** What holds the requests of one key back, and those that wait for it. */
export class Gate implements Timed {
  readonly key: string;
  /** In the order they came, by priority. */
  readonly waiting = new PriorityQueue<Ticket>();
  /** Those that had passed and came back, because the key was paused meanwhile: they came before all that wait. */
  readonly again = new PriorityQueue<Ticket>();
  /** Those that started and are not counted yet, in the order they did. */
  readonly running = new List<Ticket>();
  /** Tickets that passed and have not started. */
  passed = 0;
  readonly bucket: TokenBucket | undefined;
  readonly windows: Window[] = [];
  /** Its peer wants to be left alone until then; and for how long it wanted that. */
  pausedUntil = Number.NEGATIVE_INFINITY;
  pausedMs = 0;
  dueAt = 0;
  place = -1;
  serving = false;
  #quotas: readonly Quota[] | undefined = undefined;

  constructor(key: string, bucket: TokenBucket | undefined) {
    this.key = key;
    this.bucket = bucket;
  }

  /** Those of its lanes: all hold for all of them, and of two bounds for the same time the one that was said last. */
  bind(quotas: readonly Quota[] | undefined, made: (window: Window) => void): void {
    if (quotas === this.#quotas || !quotas) return;
    this.#quotas = quotas;
    for (const quota of quotas) {
      const { of = 'requests', perMs, most } = quota;
      const there = this.windows.find((one) => one.of === of && one.perMs === perMs);
      if (there) {
        there.most = most;
        continue;
      }
      const window = new Window(quota);
      this.windows.push(window);
      made(window);
    }
  }

  get size(): number {
    return this.waiting.size + this.again.size;
  }

  /** Whose turn is next. */
  get next(): Ticket | undefined {
    return this.#line.first;
  }

  shift(): Ticket | undefined {
    return this.#line.shift();
  }

  enter(ticket: Ticket): void {
    (ticket.isBack ? this.again : this.waiting).push(ticket.inGate, ticket.entrant.priority);
  }

  leave(ticket: Ticket): void {
    ticket.state = 'over';
    (ticket.isBack ? this.again : this.waiting).remove(ticket.inGate);
  }

  /** The quota that a request can never be within. */
  quotaBelow({ units }: Ticket): Window | undefined {
    return this.windows.find((window) => window.unitsOf(units) > window.most);
  }

  /** When this one may pass; Infinity: not before another has started or ended. */
  readyAt({ units }: Ticket, now: number): number {
    let at = Math.max(now, this.pausedUntil);
    if (this.bucket) at = Math.max(at, this.bucket.readyAt(now));
    for (const window of this.windows) at = Math.max(at, window.readyAt(now, window.unitsOf(units)));
    return at;
  }

  pass(ticket: Ticket): void {
    ticket.state = 'passed';
    this.passed++;
    this.bucket?.take();
    for (const window of this.windows) window.pass(window.unitsOf(ticket.units));
  }

  /** One that passed is about to run. */
  start(ticket: Ticket, now: number): void {
    this.passed--;
    this.bucket?.settled(now, 0);
    if (this.windows.length === 0) {
      ticket.state = 'over';
      return;
    }
    ticket.state = 'started';
    ticket.startedAt = now;
    this.running.push(ticket.inGate);
  }

  /** One that passed will not start: its place is another's. */
  return(ticket: Ticket, now: number): void {
    ticket.state = 'over';
    this.passed--;
    this.bucket?.settled(now, 1);
    for (const window of this.windows) window.back(window.unitsOf(ticket.units));
  }

  /** One that started has its answer: that is when it counts, since its peer counted it at some time before. */
  end(ticket: Ticket, at: number): void {
    ticket.state = 'over';
    if (ticket.inGate.list !== this.running) return;
    this.running.remove(ticket.inGate);
    for (const window of this.windows) window.count(window.unitsOf(ticket.units), at);
  }

  /** Counts those that have run for so long that they count without their answers. */
  countLong(now: number): void {
    for (let { first } = this.running; first && this.countsAt(first) <= now; { first } = this.running) {
      this.end(first, this.countsAt(first));
    }
  }

  /** When one that runs counts at the latest. */
  countsAt({ startedAt }: Ticket): number {
    let most = LONGEST_COUNT_MS;
    for (const { perMs } of this.windows) most = Math.min(most, perMs);
    return startedAt + most;
  }

  /** When there is nothing to remember of it; Infinity where something is under way. */
  idleAt(now: number): number {
    if (this.size + this.passed + this.running.size > 0) return Number.POSITIVE_INFINITY;
    let at = Math.max(now, this.pausedUntil);
    if (this.bucket) at = Math.max(at, this.bucket.fullAt(now));
    for (const window of this.windows) at = Math.max(at, window.emptyAt());
    return at;
  }

  get #line(): PriorityQueue<Ticket> {
    const again = this.again.first?.entrant.priority ?? Number.NEGATIVE_INFINITY;
    const waiting = this.waiting.first?.entrant.priority ?? Number.NEGATIVE_INFINITY;
    return again >= waiting ? this.again : this.waiting;
  }
}
