import { constants } from 'node:buffer';
import { Pieces } from '../../../src/util/pieces.js';

/** What is found in the bytes of a peer. */
export interface FramerSink {
  /** One message, whole. */
  message(text: string): void;
  /** What is no part of any message: logs, mostly. */
  noise(text: string): void;
  /** Nothing can be made of what comes from here on; nothing more is said. */
  fault(why: string): void;
}

export interface Framer {
  push(bytes: Buffer): void;
  /** The bytes have ended. */
  end(): void;
}

export type Framing = 'lines' | 'content-length';

export function framerOf(framing: Framing, most: number, sink: FramerSink): Framer {
  return framing === 'lines' ? new Lines(most, sink) : new Lengths(most, sink);
}

export function framed(framing: Framing, text: string): string {
  return framing === 'lines' ? `${text}\n` : `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

const NEWLINE = 10;
/** A longer text there cannot be, whatever a server's own bound is: a shard that made one of it ended. */
const LONGEST_TEXT = constants.MAX_STRING_LENGTH;

/**
 * A message a line. Each byte is looked at once and copied once, however it is cut. All whole lines of a piece become one
 * text, which is then cut: an end of line is an end of line in UTF-8, whatever stands before it.
 */
export class Lines implements Framer {
  readonly #most: number;
  readonly #sink: FramerSink;
  /** Of a line whose end has not come. */
  readonly #held = new Pieces();
  #faulty = false;

  constructor(most: number, sink: FramerSink) {
    this.#most = Math.min(most, LONGEST_TEXT);
    this.#sink = sink;
  }

  push(bytes: Buffer): void {
    if (this.#faulty) return;
    let from = 0;
    // The first, where it began in an earlier piece; and where all together are more than one may be, one by one.
    while (this.#held.bytes > 0 || bytes.length - from > this.#most) {
      const at = bytes.indexOf(NEWLINE, from);
      const end = at < 0 ? bytes.length : at;
      if (this.#held.bytes + end - from > this.#most) {
        this.#fault();
        return;
      }
      if (end > from) this.#held.add(bytes.subarray(from, end));
      if (at < 0) return;
      from = end + 1;
      this.#sink.message(this.#held.take().toString());
    }
    const last = bytes.lastIndexOf(NEWLINE);
    if (last >= from) this.#cut(bytes.toString('utf8', from, last));
    if (last + 1 < bytes.length) this.#held.add(bytes.subarray(Math.max(from, last + 1)));
  }

  end(): void {
    if (this.#held.bytes > 0 && !this.#faulty) this.#sink.message(this.#held.take().toString());
  }

  #cut(lines: string): void {
    let from = 0;
    for (let at = lines.indexOf('\n'); at >= 0; at = lines.indexOf('\n', from)) {
      this.#sink.message(lines.slice(from, at));
      from = at + 1;
    }
    this.#sink.message(lines.slice(from));
  }

  #fault(): void {
    this.#faulty = true;
    this.#held.clear();
    this.#sink.fault(`a line of more than ${this.#most} bytes`);
  }
}

/** A line of a header is shorter than this; a message's own bound is not for it. */
const LONGEST_HEADER = 64 * 1024;
const CONTENT_LENGTH = 'content-length:';

/**
 * The base protocol of language servers: headers, an empty line, and as many bytes as `Content-Length` says.
 *
 *     noise ── Content-Length ──▶ headers ── empty line ──▶ body ── its last byte ──▶ noise
 */
class Lengths implements Framer {
  readonly #most: number;
  readonly #sink: FramerSink;
  readonly #header: Lines;
  readonly #body = new Pieces();
  #state: 'noise' | 'headers' | 'body' | 'faulty' = 'noise';
  /** Bytes of the body. */
  #length = 0;

  constructor(most: number, sink: FramerSink) {
    this.#most = Math.min(most, LONGEST_TEXT);
    this.#sink = sink;
    this.#header = new Lines(LONGEST_HEADER, {
      message: (line) => this.#line(line),
      noise: () => undefined,
      fault: (why) => this.#fault(`no header, but ${why}`),
    });
  }

  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && this.#state !== 'faulty')
      rest = this.#state === 'body' ? this.#fill(rest) : this.#read(rest);
  }

  end(): void {}

  /** Takes a line, or what there is of it, and gives the rest. */
  #read(bytes: Buffer): Buffer {
    const at = bytes.indexOf(NEWLINE);
    const end = at < 0 ? bytes.length : at + 1;
    this.#header.push(bytes.subarray(0, end));
    return bytes.subarray(end);
  }

  #line(line: string): void {
    const text = line.trimEnd();
    const length = lengthIn(text);
    if (length !== undefined) {
      this.#announced(length);
    } else if (this.#state === 'noise') {
      if (text !== '') this.#sink.noise(line);
    } else if (text === '') {
      this.#state = this.#length > 0 ? 'body' : 'noise';
    }
  }

  #announced(length: string): void {
    this.#length = /^\d{1,15}$/.test(length) ? Number(length) : Number.NaN;
    if (this.#length <= this.#most) this.#state = 'headers';
    else if (this.#length > this.#most) this.#fault(`a message of more than ${this.#most} bytes`);
    else this.#fault('a Content-Length that is no number');
  }

  #fill(bytes: Buffer): Buffer {
    const missing = this.#length - this.#body.bytes;
    if (bytes.length < missing) {
      this.#body.add(bytes);
      return bytes.subarray(bytes.length);
    }
    const last = bytes.subarray(0, missing);
    this.#state = 'noise';
    if (this.#body.bytes === 0) {
      this.#sink.message(last.toString());
    } else {
      this.#body.add(last);
      this.#sink.message(this.#body.take().toString());
    }
    return bytes.subarray(missing);
  }

  #fault(why: string): void {
    this.#state = 'faulty';
    this.#body.clear();
    this.#sink.fault(why);
  }
}

/**
 * What a header says that the line ends with; it may stand behind what was logged without an end of line. No regular
 * expression: one that looks for it anywhere took 1.3 s for 64 KiB of headers without a line end between.
 */
function lengthIn(text: string): string | undefined {
  // Not cut out of `text`: of a few letters the small one is longer.
  const small = text.toLowerCase();
  const at = small.lastIndexOf(CONTENT_LENGTH);
  const value = at < 0 ? '' : small.slice(at + CONTENT_LENGTH.length).trim();
  return value === '' || /\s/.test(value) ? undefined : value;
}
