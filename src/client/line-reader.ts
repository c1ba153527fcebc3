import type { KeylaneError } from '../errors.js';
import { Bell } from '../util/bell.js';
import type { Exchange } from './exchange.js';
import { Lines } from './lines.js';

/** Lines read ahead of their reader, in bytes. */
const WINDOW_BYTES = 256 * 1024;

export interface ReadLine {
  line: Record<string, unknown>;
  /** As it came. */
  text: string;
}

/** An answer of NDJSON as an iterable: the slower the loop, the less is sent. */
export class LineReader implements AsyncIterable<ReadLine> {
  readonly #read: ReadLine[] = [];
  readonly #changed = new Bell();
  #lines: Lines | undefined = undefined;
  #bytes = 0;
  #end: { error: KeylaneError | undefined } | undefined = undefined;

  constructor(exchange: Exchange, mostBytes: number) {
    void this.#begin(exchange, mostBytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReadLine, void, undefined> {
    for (;;) {
      const next = this.#read.shift();
      if (next) {
        this.#bytes -= next.text.length;
        if (this.#bytes < WINDOW_BYTES) this.#lines?.resume();
        yield next;
      } else if (this.#end?.error) throw this.#end.error;
      else if (this.#end) return;
      else await this.#changed.wait();
    }
  }

  async #begin(exchange: Exchange, mostBytes: number): Promise<void> {
    this.#lines = await Lines.of(exchange, mostBytes, {
      line: (line, text) => {
        this.#read.push({ line, text });
        this.#bytes += text.length;
        if (this.#bytes >= WINDOW_BYTES) this.#lines?.pause();
        this.#changed.ring();
      },
      ended: (error) => {
        this.#end = { error };
        this.#changed.ring();
      },
    });
  }
}
