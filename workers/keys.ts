import { KeylaneError } from '../src/errors.js';
import type { Clock } from '../src/util/clock.js';
import { Deadlines, type Due } from '../src/util/deadlines.js';
import { List } from '../src/util/queue.js';
import type { Pool } from './pool.js';

/** Failures in a row after which nobody is let try again for a while (sshd: MaxAuthTries, PerSourcePenalties). */
const AUTH_FAILURES = 2;
const AUTH_STOP_MS = 30_000;

/** What the lanes of one key share: the handshakes in flight, and what the peer thinks of us. */
export class Key implements Due {
  readonly name: string;
  /** Handshakes in flight. */
  opens = 0;
  /** Pools that have a connection or a waiter. */
  lanes = 0;
  /** Pools that wait for a handshake to end, in the order they came. */
  readonly hungry = new List<Pool>();
  authFailures = 0;
  /** Until when nobody may authenticate; 0 if anybody may. */
  stoppedUntil = 0;
  /** Until then its failures are remembered, pools or not. */
  dueAt = Number.POSITIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }
}

export class Keys {
  readonly #keys = new Map<string, Key>();
  readonly #clock: Clock;
  /** Keys with a failure to remember. */
  readonly #failed = new Set<Key>();
  readonly #memories: Deadlines<Key>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#memories = new Deadlines(
      clock,
      () => this.#failed,
      (key) => this.#forget(key),
    );
  }

  get size(): number {
    return this.#keys.size;
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

  /** The error of a key that may not authenticate now, or undefined. */
  refusal(key: Key): KeylaneError | undefined {
    if (key.stoppedUntil === 0 || this.#clock.now() >= key.stoppedUntil) return undefined;
    const seconds = Math.ceil((key.stoppedUntil - this.#clock.now()) / 1000);
    return new KeylaneError(
      'ERR_AUTH',
      `not tried: ${key.authFailures} authentication failures in a row; the next try is let through in ${seconds} s`,
    );
  }

  authSucceeded(key: Key): void {
    if (key.authFailures > 0) this.#forget(key);
  }

  authFailed(key: Key): void {
    key.authFailures++;
    key.dueAt = this.#clock.now() + AUTH_STOP_MS;
    if (key.authFailures >= AUTH_FAILURES) key.stoppedUntil = key.dueAt;
    this.#failed.add(key);
    this.#memories.watch(key.dueAt);
  }

  stop(): void {
    this.#memories.stop();
  }

  #forget(key: Key): void {
    this.#failed.delete(key);
    key.authFailures = 0;
    key.stoppedUntil = 0;
    key.dueAt = Number.POSITIVE_INFINITY;
    this.#dropIfUnused(key);
  }

  #dropIfUnused(key: Key): void {
    if (key.lanes === 0 && key.authFailures === 0) this.#keys.delete(key.name);
  }
}
