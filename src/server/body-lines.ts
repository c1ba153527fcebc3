import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { KeylaneError } from '../index.js';
import { Bell } from '../util/bell.js';
import { Pieces } from '../util/pieces.js';
import { FieldError } from './field-error.js';

/** Bytes of the body that may lie here; then the client has to wait. */
const MOST_WAITING_BYTES = 65_536;
/** What a chunk takes however short it is. */
const CHUNK_BYTES = 200;
const LINE_END = 0x0a;

/** A line of a body, and which it is: from 1. */
export interface BodyLine {
  text: string;
  number: number;
}

/**
 * The body of a request, line by line as it comes; the slower it is read, the slower the client may send. Empty lines are
 * left out. Reading throws `ERR_INPUT`, which names the line, for one that is too long or no UTF-8, and `ERR_CANCELED`
 * when the client goes before its end.
 *
 * Not by `for await` over the body: ending that loop early closes the connection, on which the answer is to go.
 */
export class BodyLines implements AsyncIterableIterator<BodyLine> {
  readonly #body: IncomingMessage;
  readonly #mostBytes: number;
  readonly #changed = new Bell();
  readonly #chunks: Buffer[] = [];
  /** Pieces of the line that is being read. */
  readonly #begun = new Pieces();
  #number = 0;
  #waitingBytes = 0;
  #state: 'open' | 'ended' | 'cut' | 'left' = 'open';

  constructor(body: IncomingMessage, mostBytes: number) {
    this.#body = body;
    this.#mostBytes = mostBytes;
    if (body.readableEnded) this.#state = 'ended';
    else if (body.destroyed) this.#state = 'cut';
    body.on('data', this.#take).on('end', this.#end).on('error', this.#cut).on('close', this.#cut);
  }

  async next(): Promise<IteratorResult<BodyLine, undefined>> {
    for (;;) {
      const line = this.#line();
      if (line) return { done: false, value: line };
      if (this.#chunks.length > 0) continue;
      if (this.#state === 'cut') throw new KeylaneError('ERR_CANCELED', 'the client went before the end of its body');
      if (this.#state !== 'open') return this.#last();
      if (this.#body.isPaused()) this.#body.resume();
      await this.#changed.wait();
    }
  }

  /** Reads no more: what still comes is dropped. */
  async return(): Promise<IteratorResult<BodyLine, undefined>> {
    this.#state = 'left';
    this.#chunks.length = 0;
    this.#begun.clear();
    this.#body.off('data', this.#take).off('end', this.#end).off('close', this.#cut);
    this.#body.resume();
    this.#changed.ring();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #take = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#waitingBytes += CHUNK_BYTES + chunk.length;
    if (this.#waitingBytes >= MOST_WAITING_BYTES) this.#body.pause();
    this.#changed.ring();
  };

  readonly #end = (): void => this.#over('ended');

  readonly #cut = (): void => this.#over('cut');

  #over(how: 'ended' | 'cut'): void {
    if (this.#state === 'open') this.#state = how;
    this.#changed.ring();
  }

  /** The next whole line of what has come. */
  #line(): BodyLine | undefined {
    const chunk = this.#chunks[0];
    if (!chunk) return undefined;
    const end = chunk.indexOf(LINE_END);
    if (end < 0) {
      this.#chunks.shift();
      this.#waitingBytes -= CHUNK_BYTES + chunk.length;
      this.#begin(chunk);
      return undefined;
    }
    this.#waitingBytes -= end + 1;
    if (end + 1 === chunk.length) {
      this.#chunks.shift();
      this.#waitingBytes -= CHUNK_BYTES;
    } else this.#chunks[0] = chunk.subarray(end + 1);
    this.#begin(chunk.subarray(0, end));
    return this.#whole();
  }

  #begin(piece: Buffer): void {
    if (piece.length === 0) return;
    if (this.#begun.bytes + piece.length > this.#mostBytes)
      throw lineError(this.#number + 1, `longer than ${this.#mostBytes} bytes`, 413);
    this.#begun.add(piece);
  }

  /** The line that is read to its end; undefined for an empty one. */
  #whole(): BodyLine | undefined {
    const bytes = this.#begun.take();
    const number = ++this.#number;
    if (!isUtf8(bytes)) throw lineError(number, 'it is not UTF-8');
    const text = bytes.toString();
    return text.trim() === '' ? undefined : { text, number };
  }

  /** The last line need not have an end. */
  #last(): IteratorResult<BodyLine, undefined> {
    const line = this.#begun.bytes > 0 ? this.#whole() : undefined;
    return line ? { done: false, value: line } : { done: true, value: undefined };
  }
}

/** What is wrong with a line of a body. */
export function lineError(number: number, detail: string, status?: number): FieldError {
  return new FieldError('ERR_INPUT', [{ field: `line ${number}`, detail }], status);
}
