import type { ServerResponse } from 'node:http';
import { Bell } from '../util/bell.js';
import { type Deferred, deferred } from '../util/deferred.js';

/** What the socket of a reader may leave lying here. */
const MOST_BUFFERED_BYTES = 1024 * 1024;

/** Who looks after all of them. */
export interface WritersHost {
  /** The reader is too slow: so many bytes lie here. */
  dropped(writer: LiveWriter, bytes: number): void;
  closed(writer: LiveWriter): void;
}

/**
 * An answer without a known end: events, one after the other. There are two ways to write, for two kinds of source:
 *
 *     cannot wait (a clock, a counter)   event()     past 1 MiB that the socket has not taken the reader is dropped
 *     can wait (a stream, a journal)     deliver()   the source goes on when the promise resolves
 *
 *     open ── end() ──▶ ended ── all is read, or the client goes ──▶ closed
 *       └────────── the client goes, or it is dropped ────────────────▶ │
 */
export abstract class LiveWriter {
  /** Which beat it is on. */
  readonly place: number;
  /** It has no end of its own: it ends with the service. */
  readonly endless: boolean;
  readonly #raw: ServerResponse;
  readonly #host: WritersHost;
  #state: 'open' | 'ended' | 'closed' = 'open';
  #closing: Deferred<void> | undefined = undefined;
  #abort: AbortController | undefined = undefined;
  #room: Bell | undefined = undefined;

  constructor(raw: ServerResponse, host: WritersHost, place: number, endless: boolean) {
    this.#raw = raw;
    this.#host = host;
    this.place = place;
    this.endless = endless;
    raw.on('close', () => this.#close());
    // It may have gone before.
    if (raw.closed) process.nextTick(() => this.#close());
  }

  /** One event as it is written. What the form has no place for is left out. */
  protected abstract frame(name: string | undefined, data: string, id: string | undefined): string;
  /** What is written so that the way to the reader stays open, and is seen to be. The reader skips it. */
  protected abstract get heartbeat(): string;

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Bytes that the socket has not taken. */
  get bufferedBytes(): number {
    return this.#raw.writableLength;
  }

  /** From where the client reads. */
  get address(): string {
    return this.#raw.socket?.remoteAddress ?? '';
  }

  /** Resolves when nobody reads any more: all was read, the client went, or it was dropped. */
  get closed(): Promise<void> {
    this.#closing ??= deferred();
    if (this.#state === 'closed') this.#closing.resolve();
    return this.#closing.promise;
  }

  /** Aborted when the client goes, or is dropped, before the end. Made when it is asked for. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#state === 'closed') this.#abort.abort();
    return this.#abort.signal;
  }

  /** Writes one event, of a source that cannot wait. False where nobody reads it any more. `data`: without line ends. */
  event(name: string | undefined, data: string, id?: string): boolean {
    if (this.#state !== 'open') return false;
    const text = this.frame(name, data, id);
    const bytes = Buffer.byteLength(text);
    const before = this.bufferedBytes;
    // One that is larger than all that may lie here is for a reader who has taken all that came before.
    if (before > 0 && before + bytes > MOST_BUFFERED_BYTES) {
      this.#host.dropped(this, before);
      this.cut();
      return false;
    }
    this.#write(text, bytes);
    return true;
  }

  /**
   * Writes one event, of a source that can wait. Where a promise comes back there is more than enough to read: wait for it.
   * It resolves too when the client goes.
   */
  deliver(name: string | undefined, data: string, id?: string): Promise<void> | undefined {
    if (this.#state !== 'open') return undefined;
    const text = this.frame(name, data, id);
    if (this.#write(text, Buffer.byteLength(text))) return undefined;
    if (!this.#room) {
      const room = new Bell();
      this.#room = room;
      this.#raw.on('drain', () => room.ring());
    }
    return this.#room.wait();
  }

  /** Not where there is something to read anyway. */
  beat(): void {
    if (this.#state === 'open' && this.bufferedBytes === 0) this.#raw.write(this.heartbeat, 'latin1');
  }

  /** Ends the answer, with a last event or without. */
  end(name?: string, data?: string, id?: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    if (data === undefined) this.#raw.end();
    else this.#raw.end(this.frame(name, data, id));
  }

  /** Ends it at once: what was not read is lost, and the client sees that. */
  cut(): void {
    this.#raw.destroy();
  }

  #write(text: string, bytes: number): boolean {
    // A socket counts the characters of a text. Where these are the bytes, the text is cheaper.
    return bytes === text.length ? this.#raw.write(text, 'latin1') : this.#raw.write(Buffer.from(text));
  }

  #close(): void {
    if (this.#state === 'closed') return;
    const early = this.#state === 'open';
    this.#state = 'closed';
    this.#host.closed(this);
    this.#room?.ring();
    if (early) this.#abort?.abort();
    this.#closing?.resolve();
  }
}
