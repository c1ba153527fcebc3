import { KeylaneError } from '../../errors.js';

/** Where the records of a piece of a file are: those that are not blank, without the space around them. */
export class Records {
  count = 0;
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** The lines that they begin on, from 1. */
  readonly lines: number[] = [];

  add(start: number, end: number, line: number): void {
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.lines[this.count++] = line;
  }
}

/** Finds records by looking for a few bytes only: what is not wanted is passed over so. */
export interface Splitter {
  /**
   * Adds the records that are whole. Gives how many bytes are done with: the rest comes again, with more behind it. Throws
   * `ERR_INPUT` where nobody can tell where the records end.
   */
  split(bytes: Buffer, atEnd: boolean, into: Records): number;
}

export const LF = 0x0a;
const QUOTE = 0x22;

/** A record a line. A string of JSON holds no newline as it stands. */
export class LineSplitter implements Splitter {
  #line = 1;

  split(bytes: Buffer, atEnd: boolean, into: Records): number {
    for (let from = 0; ; ) {
      let to = bytes.indexOf(LF, from);
      if (to < 0) {
        if (!atEnd || from === bytes.length) return from;
        to = bytes.length;
      }
      addTrimmed(bytes, from, to, this.#line++, into);
      from = Math.min(to + 1, bytes.length);
    }
  }
}

/**
 * A record ends with its line, but for newlines within quotes. Where the file is valid a quote begins or ends what is
 * quoted, always; two of them in place of one end it and begin it again, with nothing between.
 */
export class CsvSplitter implements Splitter {
  #line = 1;

  split(bytes: Buffer, atEnd: boolean, into: Records): number {
    let quote = found(bytes.indexOf(QUOTE));
    for (let from = 0; ; ) {
      let lines = 1;
      let to = found(bytes.indexOf(LF, from));
      while (quote < to) {
        const close = found(bytes.indexOf(QUOTE, quote + 1));
        for (; to < close && to !== NOWHERE; to = found(bytes.indexOf(LF, to + 1))) lines++;
        quote = close === NOWHERE ? close : found(bytes.indexOf(QUOTE, close + 1));
        // A quote that is never closed: the parser says so, of the whole rest.
        if (close === NOWHERE) to = close;
      }
      if (to === NOWHERE) {
        if (!atEnd || from === bytes.length) return from;
        to = bytes.length;
      }
      addTrimmed(bytes, from, to, this.#line, into);
      this.#line += lines;
      from = Math.min(to + 1, bytes.length);
    }
  }
}

const NOWHERE = Number.POSITIVE_INFINITY;

function found(at: number): number {
  return at < 0 ? NOWHERE : at;
}

export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0d || byte === 0x09 || byte === LF;
}

function addTrimmed(bytes: Buffer, from: number, to: number, line: number, into: Records): void {
  let start = from;
  let end = to;
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end - 1])) end--;
  if (end > start) into.add(start, end, line);
}

/** A file in which it cannot be told where its records end. */
export function broken(name: string, line: number, says: string): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${name}:${line}: ${says}`);
}
