import { KeylaneError } from '../src/errors.js';
import type { Quota } from '../src/types.js';
import type { Clock, Timer } from '../src/util/clock.js';
import { Heap } from '../src/util/heap.js';
import { type Entrant, Gate, Ticket } from './gate.js';
import { type Rate, TokenBucket } from './token-bucket.js';
import type { Window } from './window.js';

const LONGEST_PAUSE_MS = 3_600_000;
/** After a thread that died, quotas of so long at most are taken to be used up. For longer ones nothing would go for hours. */
const LONGEST_SPENT_MS = 3_600_000;
const NO_TOKEN = 'the deadline passed before its turn under limits.ratePerKey came';

/**
 * Holds requests back before they get in line for a stream: for `limits.ratePerKey`, for the quotas that a driver asks
 * for, and while a peer wants to be left alone. Who waits is served by priority, then in the order it came. There is a gate
 * for each key of which something is to be remembered, and one timer for all.
 */
export class Starts {
  readonly #clock: Clock;
  readonly #rate: Rate | undefined;
  /** What was started before is not known, if ever. */
  readonly #spentAt: number;
  readonly #gates = new Map<string, Gate>();
  readonly #due = new Heap<Gate>();
  readonly #paused = new Set<Gate>();
  /** Requests that could not start as soon as they came. */
  #delayed = 0;
  #timer: Timer | undefined = undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `spent`: what was started just before is not known, so that nothing is left at first. */
  constructor(clock: Clock, rate?: Rate, spent = false) {
    this.#clock = clock;
    this.#rate = rate;
    this.#spentAt = spent ? clock.now() : Number.NEGATIVE_INFINITY;
  }

  get stats(): { waiting: number; delayed: number; paused: number } {
    let waiting = 0;
    for (const gate of this.#gates.values()) waiting += gate.size;
    return { waiting, delayed: this.#delayed, paused: [...this.paused].length };
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#gates.size;
  }

  /** Not all that the key may start at once could be started now. */
  remembers(key: string): boolean {
    return this.#gates.has(key);
  }

  /** Does anything hold requests of the key back, whose lane has these quotas? */
  bounds(key: string, quotas: readonly Quota[] | undefined): boolean {
    return this.#rate !== undefined || quotas !== undefined || this.#gates.has(key);
  }

  /** One that is to `enter`. */
  ticket(key: string, entrant: Entrant, quotas: readonly Quota[] | undefined, units = 1, isBack = false): Ticket {
    const gate = this.#of(key);
    gate.bind(quotas, (window) => this.#spend(window));
    return new Ticket(gate, entrant, units, isBack);
  }

  /** Passes it now, or in its turn. Then it is to be `started` or `returned`. */
  enter(ticket: Ticket): void {
    const { gate } = ticket;
    gate.enter(ticket);
    this.#serve(gate);
    if (ticket.state === 'waiting' && !ticket.isBack) this.#delayed++;
  }

  /** One that passed starts now. It is to be `ended`. */
  started(ticket: Ticket): void {
    if (ticket.state !== 'passed') return;
    ticket.gate.start(ticket, this.#clock.now());
    this.#serve(ticket.gate);
  }

  /** It is over, however far it has come. */
  ended(ticket: Ticket): void {
    const { gate, state } = ticket;
    if (state === 'over') return;
    const now = this.#clock.now();
    if (state === 'waiting') gate.leave(ticket);
    else if (state === 'passed') gate.return(ticket, now);
    else gate.end(ticket, now);
    this.#serve(gate);
  }

  /** Its peer wants the key to be left alone for so long. */
  pause(key: string, ms: number): void {
    const forMs = Math.min(ms, LONGEST_PAUSE_MS);
    const until = this.#clock.now() + forMs;
    // Not a number counts as no time.
    if (!(forMs > 0)) return;
    const gate = this.#of(key);
    if (until <= gate.pausedUntil) return;
    gate.pausedUntil = until;
    gate.pausedMs = forMs;
    this.#paused.add(gate);
    this.#serve(gate);
  }

  isPaused(key: string): boolean {
    if (this.#paused.size === 0) return false;
    const gate = this.#gates.get(key);
    return gate !== undefined && gate.pausedUntil > this.#clock.now();
  }

  /** Those that are left alone now, and for how long from now on. */
  get paused(): Iterable<{ key: string; forMs: number }> {
    const now = this.#clock.now();
    return Array.from(this.#paused, ({ key, pausedUntil }) => ({ key, forMs: pausedUntil - now })).filter(
      ({ forMs }) => forMs > 0,
    );
  }

  /** What a request of the key hears whose deadline has passed: undefined where it was not held back. */
  lateError(key: string, ticket: Ticket | undefined): KeylaneError | undefined {
    const gate = this.#gates.get(key);
    if (!gate) return undefined;
    const now = this.#clock.now();
    if (gate.pausedUntil > now) {
      const retryAfterMs = Math.ceil(gate.pausedUntil - now);
      const says = `the deadline passed while ${key} is left alone: its peer asked for ${seconds(gate.pausedMs)}, of which ${seconds(retryAfterMs)} are left`;
      return new KeylaneError('ERR_TIMEOUT', says, { key, retryAfterMs });
    }
    if (ticket?.state !== 'waiting') return undefined;
    const full = gate.windows.find((window) => window.readyAt(now, window.unitsOf(ticket.units)) > now);
    return new KeylaneError(
      'ERR_TIMEOUT',
      full ? `the deadline passed before its turn came: ${said(key, full)}` : NO_TOKEN,
    );
  }

  stop(): void {
    this.#timer?.cancel();
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #of(key: string): Gate {
    let gate = this.#gates.get(key);
    if (!gate) {
      gate = new Gate(key, this.#rate && new TokenBucket(this.#rate, this.#spentAt, this.#clock.now()));
      this.#gates.set(key, gate);
    }
    return gate;
  }

  #spend(window: Window): void {
    if (window.perMs > LONGEST_SPENT_MS || this.#spentAt + window.perMs <= this.#clock.now()) return;
    window.pass(window.most);
    window.count(window.most, this.#spentAt);
  }

  /** Not re-entered: one that starts, or is refused, as soon as it has passed leaves the next to the loop that runs. */
  #serve(gate: Gate): void {
    if (gate.serving) return;
    gate.serving = true;
    const now = this.#clock.now();
    try {
      gate.countLong(now);
      for (let { next } = gate; next; { next } = gate) {
        const never = gate.quotaBelow(next);
        if (!never && gate.readyAt(next, now) > now) break;
        gate.shift();
        if (never) {
          next.state = 'over';
          next.entrant.refused(tooLarge(next, never));
        } else {
          gate.pass(next);
          next.entrant.passed();
        }
      }
    } finally {
      gate.serving = false;
    }
    this.#plan(gate, now);
  }

  #plan(gate: Gate, now: number): void {
    if (gate.pausedUntil <= now) this.#paused.delete(gate);
    const { next } = gate;
    let dueAt = next ? gate.readyAt(next, now) : gate.idleAt(now);
    if (!next && dueAt <= now) {
      this.#due.remove(gate);
      this.#gates.delete(gate.key);
      return;
    }
    const { first } = gate.running;
    if (first) dueAt = Math.min(dueAt, gate.countsAt(first));
    if (dueAt === Number.POSITIVE_INFINITY) {
      this.#due.remove(gate);
      return;
    }
    this.#due.set(gate, dueAt);
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
    for (let gate = this.#due.first; gate && gate.dueAt <= now; gate = this.#due.first) {
      this.#due.remove(gate);
      this.#serve(gate);
    }
    this.#arm();
  }
}

function tooLarge({ gate, units }: Ticket, window: Window): KeylaneError {
  const says = `the request counts ${window.unitsOf(units)}: ${said(gate.key, window)}; divide it`;
  return new KeylaneError('ERR_TOO_LARGE', says, { key: gate.key });
}

function said(key: string, { most, of, perMs }: Window): string {
  return `the quota of ${key} is ${most} ${of} in any ${seconds(perMs)}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms) / 1_000} s`;
}
