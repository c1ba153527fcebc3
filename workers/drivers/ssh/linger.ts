import type { Incoming } from './incoming.js';

/** What a quiet channel gets to close, and what a busy one gets in all. */
const QUIET_MS = 1_000;
const MOST_MS = 30_000;

/**
 * A command has ended and its channel stays open: sshd tells the status as soon as it knows it, and what the command wrote
 * may come after. Or a child in the background holds the output open for ever; or the connection is dead, and what is here
 * is a part. A quiet channel is told from a dead connection by a sign of life: the server answers in order, so when it
 * has answered all that it had sent is here.
 */
export class Linger {
  readonly #incoming: Pick<Incoming, 'heard' | 'behind'>;
  /** Asks the server, which calls `answered`. */
  readonly #ask: () => void;
  readonly #from: number;
  #asked = false;

  constructor(now: number, incoming: Pick<Incoming, 'heard' | 'behind'>, ask: () => void) {
    this.#from = now;
    this.#incoming = incoming;
    this.#ask = ask;
  }

  /** When to look first. */
  start(): number {
    this.#incoming.heard = false;
    return QUIET_MS;
  }

  /** After how long to look again; undefined: the server has been asked and did not answer. */
  look(now: number): number | undefined {
    if (this.#coming(now)) return this.start();
    if (this.#asked) return undefined;
    this.#asked = true;
    this.#ask();
    return MOST_MS;
  }

  /** The server is there. After how long to look again; undefined: all has come. */
  answered(now: number): number | undefined {
    this.#asked = false;
    return this.#coming(now) ? this.start() : undefined;
  }

  #coming(now: number): boolean {
    return (this.#incoming.heard && now - this.#from < MOST_MS) || this.#incoming.behind;
  }
}
