import type { SshTarget } from '../../../src/specs/ssh.js';
import type { Clock, Timer } from '../../../src/util/clock.js';

/** What it needs of its connection. */
export interface KeepaliveHost {
  readonly bytesRead: number;
  /** Asks the server for a sign of life; `answered` is called when it gave one. */
  ping(answered?: () => void): void;
  /** It gave none for so long. */
  silent(ms: number): void;
}

/**
 * Whether the server is still there. Looks twice an interval whether anything was heard; asks once an interval while
 * nothing is, and half an interval after the last question the connection is lost: with three questions between 3.5 and 4
 * intervals after it fell silent.
 *
 * The first look is at a random moment of the first half interval, so connections that were opened together do not ask
 * together (PROMISES P5). It takes note and counts for nothing, so what is said above holds from the start.
 */
export class Keepalive {
  readonly #host: KeepaliveHost;
  readonly #clock: Clock;
  readonly #halfMs: number;
  readonly #mostLooks: number;
  #timer: Timer | undefined = undefined;
  /** At the last look. */
  #read: number;
  #lookedAt: number;
  /** Looks since the last one that found something new. */
  #quiet = -1;
  /** The last byte came after this; the clock's milliseconds. */
  #heardAfter: number;

  constructor(
    host: KeepaliveHost,
    { keepaliveMs, keepaliveCount }: Pick<SshTarget, 'keepaliveMs' | 'keepaliveCount'>,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#host = host;
    this.#clock = clock;
    this.#halfMs = keepaliveMs / 2;
    this.#mostLooks = 2 * keepaliveCount;
    this.#read = host.bytesRead;
    this.#lookedAt = clock.now();
    this.#heardAfter = this.#lookedAt;
    if (keepaliveMs > 0) this.#lookIn(this.#halfMs * random());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** True where something was heard within the time; else the server is asked, and answers or not. */
  check(withinMs: number): Promise<boolean> {
    const heardAfter = this.#host.bytesRead === this.#read ? this.#heardAfter : this.#lookedAt;
    if (this.#clock.now() - heardAfter <= withinMs) return Promise.resolve(true);
    return new Promise((resolve) => this.#host.ping(() => resolve(true)));
  }

  #lookIn(ms: number): void {
    this.#timer = this.#clock.timer(ms, () => this.#look());
  }

  #look(): void {
    const { bytesRead } = this.#host;
    const heard = bytesRead !== this.#read;
    if (heard) this.#heardAfter = this.#lookedAt;
    this.#read = bytesRead;
    this.#lookedAt = this.#clock.now();
    this.#quiet = heard ? 0 : this.#quiet + 1;
    if (this.#quiet > this.#mostLooks) {
      this.#host.silent(this.#halfMs * this.#quiet);
      return;
    }
    if (this.#quiet > 0 && this.#quiet % 2 === 0) this.#host.ping();
    this.#lookIn(this.#halfMs);
  }
}
