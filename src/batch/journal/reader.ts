import type { Store } from '../../store/store.js';
import { corrupt } from '../../store/trouble.js';
import type { Outcome } from '../../types.js';
import { Header } from './header.js';
import { HEADERS, headerKey, linesKey, seqOf } from './records.js';
import { SideReader } from './side-file.js';

/** Headers that are read at once: no reading transaction stays open while others are waited for. */
const AT_ONCE = 64;
const AFTER_HEADERS = String.fromCharCode(HEADERS.charCodeAt(0) + 1);

type ReaderStore = Pick<Store, 'get' | 'range' | 'dir'>;

/** Reads what the commits of a journal hold, also while its owner writes on. */
export class Reader {
  readonly #store: ReaderStore;
  readonly #side: SideReader;

  constructor(store: ReaderStore) {
    this.#store = store;
    this.#side = new SideReader(store.dir);
  }

  /** From the commit `first` on, up to the last one that there is. */
  *commits(first = 0): Generator<ReadCommit> {
    for (let next = first; ; ) {
      const range = { start: headerKey(next), end: AFTER_HEADERS, limit: AT_ONCE };
      const found = [...this.#store.range(range)];
      for (const [key, value] of found) yield new ReadCommit(this.#store, this.#side, seqOf(key), new Header(value));
      const last = found.at(-1);
      if (!last || found.length < AT_ONCE) return;
      next = seqOf(last[0]) + 1;
    }
  }

  /** Undefined where there is none. */
  commit(seq: number): ReadCommit | undefined {
    const value = this.#store.get(headerKey(seq));
    return value && new ReadCommit(this.#store, this.#side, seq, new Header(value));
  }

  close(): void {
    this.#side.close();
  }
}

/** One commit. Its lines are read when the first is asked for. */
export class ReadCommit {
  readonly seq: number;
  readonly header: Header;
  readonly #store: ReaderStore;
  readonly #side: SideReader;
  #lines: Buffer | undefined;
  /** Where each line begins, and where the last one ends. */
  #starts: Uint32Array | undefined;

  constructor(store: ReaderStore, side: SideReader, seq: number, header: Header) {
    this.#store = store;
    this.#side = side;
    this.seq = seq;
    this.header = header;
  }

  get at(): number {
    return this.header.at;
  }

  get count(): number {
    return this.header.count;
  }

  index(i: number): number {
    return this.header.index(i);
  }

  outcome(i: number): Outcome {
    return this.header.outcome(i);
  }

  ms(i: number): number {
    return this.header.micros(i) / 1000;
  }

  /** Without its line end. */
  line(i: number): string {
    const bytes = this.bytes(i);
    return bytes.toString('utf8', 0, bytes.length - 1);
  }

  /** With its line end. Throws `ERR_STORE_CORRUPT` where it is not what was written. */
  bytes(i: number): Buffer {
    const lines = this.#read();
    const starts = this.#starts!;
    const bytes = lines.subarray(starts[i], starts[i + 1]);
    return this.header.isAside(i) ? this.#side.line(bytes) : bytes;
  }

  #read(): Buffer {
    if (this.#lines) return this.#lines;
    const lines = this.#store.get(linesKey(this.seq));
    const starts = new Uint32Array(this.count + 1);
    for (let i = 0; i < this.count; i++) starts[i + 1] = starts[i]! + this.header.length(i);
    if (!lines || lines.length !== starts[this.count]) throw corrupt(this.#store.dir, 'lines of results are not there');
    this.#lines = lines;
    this.#starts = starts;
    return lines;
  }
}
