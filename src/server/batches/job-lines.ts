import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { type Job, KeylaneError } from '../../index.js';
import { grouped } from '../../util/grouped.js';
import { Pieces } from '../../util/pieces.js';

type Read = IteratorResult<Job | KeylaneError, undefined>;
/** Asked for each job before it is handed on; throws where it is refused. */
type Check = (driver: string | undefined, request: unknown) => void;

/** Undefined for what is not UTF-8, null for what is too long. */
type Lines = (string | undefined | null)[];

const NEWLINE = 0x0a;

/**
 * The jobs of a body, a line each, read as they are asked for. What is no job, or refused, is an error in its place that
 * names the line. Answers at once where a whole line is there: a promise for each of many thousands a second would cost more
 * than the lines do.
 */
export class JobLines implements AsyncIterable<Job | KeylaneError> {
  readonly #pieces: AsyncIterator<Buffer>;
  readonly #longest: number;
  readonly #check: Check;
  #lines: Lines = [];
  #at = 0;
  /** Begun, and not ended yet. */
  readonly #rest = new Pieces();
  #line = 0;
  #isEnded = false;
  /** The body has been read to its end. */
  #isWhole = false;

  constructor(body: Readable, { longest, check }: { longest: number; check: Check }) {
    this.#pieces = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    this.#longest = longest;
    this.#check = check;
  }

  [Symbol.asyncIterator](): AsyncIterator<Job | KeylaneError> {
    // Of a batch: it takes an answer that is no promise as well.
    return this as unknown as AsyncIterator<Job | KeylaneError>;
  }

  next(): Read | Promise<Read> {
    return this.#next() ?? this.#read();
  }

  /** Every job of the body was handed on. */
  get isExhausted(): boolean {
    return this.#isWhole && this.#at >= this.#lines.length;
  }

  async return(): Promise<Read> {
    this.#isWhole = this.isExhausted;
    this.#isEnded = true;
    this.#lines = [];
    // Not the body: whoever answers ends that. Not awaited: it may wait for a piece that never comes.
    void this.#pieces.return?.();
    return { done: true, value: undefined };
  }

  /** Undefined where more must be read first. */
  #next(): Read | undefined {
    while (this.#at < this.#lines.length) {
      const text = this.#lines[this.#at++];
      this.#line++;
      if (text === undefined) return this.#bad('is not UTF-8');
      if (text === null) return this.#bad(`is longer than ${grouped(this.#longest)} bytes; nothing behind it was read`);
      if (text.trim() !== '') return { done: false, value: this.#job(text) };
    }
    return this.#isEnded ? { done: true, value: undefined } : undefined;
  }

  async #read(): Promise<Read> {
    for (;;) {
      const { done, value } = await this.#pieces.next();
      this.#at = 0;
      if (this.#isEnded) this.#lines = [];
      else if (done) this.#end();
      else this.#take(value);
      const read = this.#next();
      if (read) return read;
    }
  }

  #end(): void {
    this.#lines = this.#rest.bytes > 0 ? linesIn(this.#rest.take()) : [];
    this.#isEnded = true;
    this.#isWhole = true;
  }

  #take(piece: Buffer): void {
    const end = piece.lastIndexOf(NEWLINE);
    this.#lines = [];
    // The one that has begun before may end here, and be too long all the same.
    const isTooLong = this.#rest.bytes + piece.indexOf(NEWLINE) > this.#longest;
    if (end >= 0 && !isTooLong) {
      this.#rest.add(piece.subarray(0, end));
      this.#lines = linesIn(this.#rest.take());
    }
    if (end + 1 < piece.length) this.#rest.add(piece.subarray(end + 1));
    if (!isTooLong && this.#rest.bytes <= this.#longest) return;
    this.#lines.push(null);
    this.#rest.clear();
    this.#isEnded = true;
  }

  #bad(says: string): Read {
    return { done: false, value: new KeylaneError('ERR_INPUT', `line ${this.#line}: ${says}`) };
  }

  #job(text: string): Job | KeylaneError {
    try {
      const job = JSON.parse(text) as Job;
      if (typeof job !== 'object' || job === null || Array.isArray(job)) throw new Error('is no JSON object');
      this.#check(job.driver, job.request);
      return job;
    } catch (error) {
      if (error instanceof KeylaneError)
        return new KeylaneError(error.code, `line ${this.#line}: ${error.message}`, { outcome: 'not_started' });
      // The parser's own words quote the line, which may hold what is secret.
      const says = error instanceof SyntaxError ? 'is not JSON' : (error as Error).message;
      return new KeylaneError('ERR_INPUT', `line ${this.#line}: ${says}`);
    }
  }
}

function linesIn(bytes: Buffer): Lines {
  if (isUtf8(bytes)) return bytes.toString().split('\n');
  const lines: Lines = [];
  for (let at = 0; at <= bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, at);
    const line = bytes.subarray(at, end < 0 ? bytes.length : end);
    lines.push(isUtf8(line) ? line.toString() : undefined);
    at = end < 0 ? bytes.length + 1 : end + 1;
  }
  return lines;
}
