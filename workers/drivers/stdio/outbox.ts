import type { Writable } from 'node:stream';
import { Bell } from '../../../src/util/bell.js';
import { type Framing, framed } from './framing.js';

/** One message to the server. */
export interface Outgoing {
  readonly text: string;
  /** Called just before it leaves. */
  leaving?(): void;
  /** Called when the kernel has it. */
  written?: (() => void) | undefined;
  /** It was taken back. Changed by the outbox alone. */
  isDropped?: boolean;
}

/**
 * So many do not wait for the rest of their turn: the server begins with them meanwhile, and from then on it works at one
 * part of what is in flight while the other is on its way.
 */
const ENOUGH = 32;
/** Characters that leave in one system call; more waits for the next turn. */
const AT_ONCE = 256 * 1024;
/** Messages of our own (answers, cancellations) that a server may leave unread. */
const MOST_UNREAD = 10_000;

/**
 * What goes to a server. The messages of one turn of the event loop leave together, unless they are many; where the server
 * does not read, they wait here, and one that has not left can be taken back.
 */
export class Outbox {
  readonly #stdin: Writable;
  readonly #framing: Framing;
  readonly #unread: () => void;
  /** In the order in which they leave. (A list, and no Set: see Calls.) */
  #waiting: Outgoing[] = [];
  /** Those among them that were taken back. */
  #dropped = 0;
  #own = 0;
  readonly #room = new Bell();
  #isScheduled = false;
  /** The server is behind with reading. */
  #isFull = false;
  #ended = false;

  /** `unread`: the server has left too much unread. */
  constructor(stdin: Writable, framing: Framing, unread: () => void) {
    this.#stdin = stdin;
    this.#framing = framing;
    this.#unread = unread;
    stdin.on('drain', () => {
      this.#isFull = false;
      this.#room.ring();
      this.#flush();
    });
  }

  push(message: Outgoing): void {
    if (this.#ended) return;
    this.#waiting.push(message);
    if (this.#isFull) return;
    if (this.#waiting.length >= ENOUGH) this.#flush();
    else this.#soon();
  }

  /** A message that nobody waits for: there may only be so many of them. */
  pushOwn(text: string): void {
    if (this.#own >= MOST_UNREAD) {
      this.#unread();
      return;
    }
    this.#own++;
    this.push({ text, leaving: () => this.#own-- });
  }

  /** Takes back what has not left. */
  drop(message: Outgoing): void {
    message.isDropped = true;
    this.#dropped++;
    // Now and then: each costs the same, however many wait and in whatever order they are taken back.
    if (2 * this.#dropped <= this.#waiting.length) return;
    this.#waiting = this.#waiting.filter(({ isDropped }) => !isDropped);
    this.#dropped = 0;
  }

  /** Resolves when nothing waits for the server to read. */
  async room(): Promise<void> {
    while (this.#isFull && this.#waiting.length > 0 && !this.#ended) await this.#room.wait();
  }

  /** Nothing more leaves. */
  stop(): void {
    this.#ended = true;
    this.#waiting = [];
    this.#room.ring();
  }

  /** Nothing more leaves but `farewell`, and the end. */
  end(farewell: readonly string[] = []): void {
    this.stop();
    if (this.#stdin.writableEnded) return;
    this.#stdin.end(farewell.map((text) => framed(this.#framing, text)).join(''));
  }

  #flush(): void {
    if (this.#ended || this.#isFull || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    let bytes = '';
    let count = 0;
    let written: Outgoing[] | undefined;
    while (count < waiting.length && bytes.length < AT_ONCE) {
      const message = waiting[count++] as Outgoing;
      if (message.isDropped) {
        this.#dropped--;
        continue;
      }
      message.leaving?.();
      bytes += framed(this.#framing, message.text);
      if (message.written) {
        written ??= [];
        written.push(message);
      }
    }
    this.#waiting = waiting.slice(count);
    if (bytes === '') return;
    const hasRoom = this.#stdin.write(bytes, written && tell(written));
    if (!hasRoom) this.#isFull = true;
    else if (this.#waiting.length > 0) this.#soon();
  }

  /** After all that this turn of the loop brings: the commands of a frame, the answers of a read. */
  #soon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }
}

/** What could not be written is told of by the end of the process. */
function tell(written: readonly Outgoing[]): (error?: Error | null) => void {
  return (error) => {
    if (!error) for (const message of written) message.written?.();
  };
}
