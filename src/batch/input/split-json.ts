import { broken, isSpace, LF, type Records, type Splitter } from './split.js';

/** The elements of one array. What an element holds is not looked at, but for where it ends. */
export class JsonSplitter implements Splitter {
  readonly #name: string;
  #line = 1;
  /** `first` nothing but the bracket was there · `next` a comma was there · `after` the closing bracket was there. */
  #place: 'before' | 'first' | 'next' | 'after' = 'before';

  constructor(name: string) {
    this.#name = name;
  }

  split(bytes: Buffer, atEnd: boolean, into: Records): number {
    for (let from = 0; ; ) {
      for (; isSpace(bytes[from]); from++) if (bytes[from] === LF) this.#line++;
      if (from >= bytes.length) {
        if (atEnd && this.#place !== 'after') throw this.#broken('the array of jobs is not closed: a `]` is missing');
        return from;
      }
      if (this.#place === 'after') throw this.#broken('has something behind the `]` that ends the array of jobs');
      if (this.#place === 'before') {
        if (bytes[from++] !== 0x5b) throw this.#broken('is no array of jobs: it must begin with `[`');
        this.#place = 'first';
        continue;
      }
      const element = endOf(bytes, from);
      if (!element) {
        if (atEnd) throw this.#broken('the array of jobs is not closed: a quote, a bracket or a `]` is missing');
        return from;
      }
      const { end, lines } = element;
      const last = bytes[end] === 0x5d;
      let stop = end;
      while (stop > from && isSpace(bytes[stop - 1])) stop--;
      if (stop > from) into.add(from, stop, this.#line);
      else if (!last || this.#place === 'next') throw this.#broken('has a comma with no job beside it');
      this.#place = last ? 'after' : 'next';
      this.#line += lines;
      from = end + 1;
    }
  }

  #broken(says: string): Error {
    return broken(this.#name, this.#line, says);
  }
}

/** The comma or the bracket behind an element, and the newlines on the way; undefined where it is not there yet. */
function endOf(bytes: Buffer, from: number): { end: number; lines: number } | undefined {
  let depth = 0;
  let lines = 0;
  for (let at = from; at < bytes.length; at++) {
    switch (bytes[at]) {
      case 0x22:
        for (at++; at < bytes.length && bytes[at] !== 0x22; at++) {
          if (bytes[at] === 0x5c) at++;
          else if (bytes[at] === LF) lines++;
        }
        break;
      case 0x5b:
      case 0x7b:
        depth++;
        break;
      case 0x5d:
        if (depth === 0) return { end: at, lines };
        depth--;
        break;
      case 0x7d:
        // One too many is the parser's to tell.
        if (depth > 0) depth--;
        break;
      case 0x2c:
        if (depth === 0) return { end: at, lines };
        break;
      case LF:
        lines++;
        break;
      default:
    }
  }
  return undefined;
}
