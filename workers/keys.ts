import { KeylaneError } from '../src/errors.js';
import type { ShardEvent } from '../src/events.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines, type Due } from '../src/util/deadlines.js';
import { List } from '../src/util/queue.js';
import type { BreakerCounts } from '../src/wire/protocol.js';
import { type Attempt, Breaker, type BreakerBounds } from './breaker.js';
import { evidenceOf } from './evidence.js';
import type { Pool } from './pool.js';

/** Two log-ins that fail in a row, then one each 30 s (sshd: MaxAuthTries, PerSourcePenalties). Not longer each time. */
const AUTH_BOUNDS: BreakerBounds = { failures: 2, openMs: 30_000, maxOpenMs: 30_000 };
/** After so long without a try, what was learned of a peer is forgotten. */
const MEMORY_MS = 300_000;

/** What the lanes of one key share: the handshakes in flight, and what the peer thinks of us. */
export class Key implements Due {
  readonly name: string;
  /** Handshakes in flight. */
  opens = 0;
  /** Pools that have a connection or a waiter. */
  lanes = 0;
  /** Pools that wait for a handshake to end, in the order they came. */
  readonly hungry = new List<Pool>();
  /** There from the first failed connect until a connect succeeds. */
  connecting: Breaker | undefined = undefined;
  /** There from the first failed log-in until a log-in succeeds. */
  loggingIn: Breaker | undefined = undefined;
  /** Until then its failures are remembered, pools or not. */
  dueAt = Number.POSITIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }

  /** What keeps it from being tried. */
  get breaker(): { what: Stopped; breaker: Breaker } | undefined {
    const { connecting, loggingIn } = this;
    if (loggingIn && isOpen(loggingIn)) return { what: 'log_in', breaker: loggingIn };
    return connecting && isOpen(connecting) ? { what: 'connect', breaker: connecting } : undefined;
  }

  get unused(): boolean {
    return this.lanes === 0 && this.connecting === undefined && this.loggingIn === undefined;
  }
}

/** What is not the same in a test: chance, and who hears of it. */
export interface Surroundings {
  random: () => number;
  tell: (event: ShardEvent) => void;
}

/** What is not let through. */
type Stopped = Extract<ShardEvent, { type: 'breaker_open' }>['what'];

export class Keys {
  readonly #keys = new Map<string, Key>();
  readonly #clock: Clock;
  readonly #bounds: BreakerBounds | false;
  readonly #surroundings: Surroundings;
  /** Keys with a failure to remember. */
  readonly #failed = new Set<Key>();
  readonly #memories: Deadlines<Key>;

  constructor(clock: Clock, bounds: BreakerBounds | false, surroundings: Surroundings) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#surroundings = surroundings;
    this.#memories = new Deadlines(
      clock,
      () => this.#failed,
      (key) => this.#due(key),
    );
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Keys that are not let connect to, or not let log in to; those of which one probe is under way included. */
  get stopped(): number {
    let stopped = 0;
    for (const key of this.#failed) if (isOpen(key.connecting) || isOpen(key.loggingIn)) stopped++;
    return stopped;
  }

  /** Those with a failure to remember, whether they are let alone or not. */
  get withFailures(): Iterable<Key> {
    return this.#failed;
  }

  /** By what failed. Those with failures that are not enough to let them alone do not count. */
  get breakers(): { connect: BreakerCounts; log_in: BreakerCounts } {
    const counts = { connect: { open: 0, probing: 0 }, log_in: { open: 0, probing: 0 } };
    for (const { connecting, loggingIn } of this.#failed) {
      count(connecting, counts.connect);
      count(loggingIn, counts.log_in);
    }
    return counts;
  }

  of(name: string): Key {
    let key = this.#keys.get(name);
    if (!key) {
      key = new Key(name);
      this.#keys.set(name, key);
    }
    return key;
  }

  /** A lane of the key has no connection and no waiter any more. */
  left(key: Key): void {
    key.lanes--;
    this.#dropIfUnused(key);
  }

  /** The error of a key that may not be connected to now, or undefined. */
  refusal(key: Key): KeylaneError | undefined {
    const { connecting, loggingIn } = key;
    if (!connecting && !loggingIn) return undefined;
    const now = this.#clock.now();
    if (loggingIn && !loggingIn.lets(now)) return notTried('ERR_AUTH', key, loggingIn, now);
    if (connecting && !connecting.lets(now)) return notTried('ERR_BREAKER_OPEN', key, connecting, now);
    return undefined;
  }

  /** Is the one try that is let through under way? */
  probes({ connecting, loggingIn }: Key): boolean {
    return connecting?.state === 'half_open' || loggingIn?.state === 'half_open';
  }

  /** An open begins. */
  began(key: Key, attempt: Attempt): void {
    if (!key.connecting && !key.loggingIn) return;
    const now = this.#clock.now();
    key.connecting?.began(attempt, now);
    key.loggingIn?.began(attempt, now);
  }

  /** An open led to a connection that is logged in. */
  succeeded(key: Key): void {
    this.#connected(key);
    this.#loggedIn(key);
  }

  failed(key: Key, attempt: Attempt, error: KeylaneError): void {
    switch (evidenceOf(error, key.name)) {
      case 'failed':
        key.loggingIn?.unclear(attempt);
        if (this.#bounds) {
          key.connecting ??= new Breaker(this.#bounds);
          this.#remember(key, 'connect', key.connecting, attempt, error);
        }
        break;
      case 'refused':
        this.#connected(key);
        key.loggingIn ??= new Breaker(AUTH_BOUNDS);
        this.#remember(key, 'log_in', key.loggingIn, attempt, error);
        break;
      case 'reached':
        this.#connected(key);
        key.loggingIn?.unclear(attempt);
        break;
      case 'unclear':
        key.connecting?.unclear(attempt);
        key.loggingIn?.unclear(attempt);
        break;
    }
  }

  stop(): void {
    this.#memories.stop();
  }

  #remember(key: Key, what: Stopped, breaker: Breaker, attempt: Attempt, { message }: KeylaneError): void {
    const now = this.#clock.now();
    // sshd's penalties have fixed times, so that of a log-in is not shortened at random.
    const random = what === 'log_in' ? () => 0 : this.#surroundings.random;
    const forMs = Math.round(breaker.failed(attempt, message, now, random));
    key.dueAt = Math.max(now, breaker.until) + MEMORY_MS;
    this.#failed.add(key);
    this.#memories.watch(key.dueAt);
    if (forMs === 0) return;
    const { failures } = breaker;
    this.#surroundings.tell({ type: 'breaker_open', key: key.name, what, forMs, failures, message });
  }

  #connected(key: Key): void {
    const wasOpen = isOpen(key.connecting);
    key.connecting = undefined;
    this.#healed(key, 'connect', wasOpen);
  }

  #loggedIn(key: Key): void {
    const wasOpen = isOpen(key.loggingIn);
    key.loggingIn = undefined;
    this.#healed(key, 'log_in', wasOpen);
  }

  #healed(key: Key, what: Stopped, wasOpen: boolean): void {
    if (!key.connecting && !key.loggingIn && this.#failed.delete(key)) this.#dropIfUnused(key);
    if (wasOpen) this.#surroundings.tell({ type: 'breaker_closed', key: key.name, what });
  }

  /** Nobody has failed for long. A probe that is under way is waited for. */
  #due(key: Key): void {
    if (this.probes(key)) {
      key.dueAt = this.#clock.now() + MEMORY_MS;
      return;
    }
    key.dueAt = Number.POSITIVE_INFINITY;
    this.#connected(key);
    this.#loggedIn(key);
  }

  #dropIfUnused(key: Key): void {
    if (key.unused) this.#keys.delete(key.name);
  }
}

function count(breaker: Breaker | undefined, counts: BreakerCounts): void {
  if (breaker?.state === 'open') counts.open++;
  else if (breaker?.state === 'half_open') counts.probing++;
}

function isOpen(breaker: Breaker | undefined): boolean {
  return breaker !== undefined && breaker.state !== 'closed';
}

function notTried(code: 'ERR_AUTH' | 'ERR_BREAKER_OPEN', key: Key, breaker: Breaker, now: number): KeylaneError {
  const { state, failures, said, nextAt } = breaker;
  const what = code === 'ERR_AUTH' ? 'authentication failures' : 'failures to connect';
  const times = failures === 1 ? '1 failure to connect' : `${failures} ${what} in a row`;
  const left = Math.max(0, nextAt - now);
  const next =
    state === 'half_open' ? 'one try is under way' : `the next try is let through in ${Math.ceil(left / 1000)} s`;
  // The message of the last failure names the host.
  const message = `not tried: ${times}; the last: ${said}; ${next}`;
  return new KeylaneError(code, message, { key: key.name, ...(Number.isFinite(left) ? { retryAfterMs: left } : {}) });
}
