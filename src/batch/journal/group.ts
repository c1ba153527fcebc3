import { type Deferred, deferred } from '../../util/deferred.js';
import type { Gathered } from './header.js';

const LEAST_BYTES = 65_536;

/** What is gathered until the next commit, with one promise for all of it. */
export class Group implements Gathered {
  readonly begun: number[] = [];
  readonly digests: string[] = [];
  readonly withdrawn: number[] = [];
  readonly indexes: number[] = [];
  readonly micros: number[] = [];
  readonly lengths: number[] = [];
  readonly outcomes: number[] = [];
  readonly committed: Deferred<void> = deferred();
  #bytes: Buffer;
  #used = 0;

  /** `bytes`: of an earlier group, to be used again. */
  constructor(bytes: Buffer | undefined) {
    this.#bytes = bytes ?? Buffer.allocUnsafeSlow(LEAST_BYTES);
    // Whoever has asked hears of it; nobody else need.
    this.committed.promise.catch(() => {});
  }

  /** How many wait for it. */
  get size(): number {
    return this.begun.length + this.withdrawn.length + this.indexes.length;
  }

  get bytes(): number {
    return this.#used;
  }

  /** The lines so far: a view, good until the next one is added. */
  get lines(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  /** What a later group may use. */
  get spare(): Buffer {
    return this.#bytes;
  }

  /** Adds a line and its line end; returns its bytes. */
  addLine(line: string): number {
    // A character takes at most three bytes.
    const room = this.#used + line.length * 3 + 1;
    if (room > this.#bytes.length) this.#grow(room);
    const written = this.#bytes.write(line, this.#used, 'utf8');
    this.#bytes[this.#used + written] = 10;
    this.#used += written + 1;
    return written + 1;
  }

  addBytes(bytes: Buffer): void {
    const room = this.#used + bytes.length;
    if (room > this.#bytes.length) this.#grow(room);
    this.#bytes.set(bytes, this.#used);
    this.#used = room;
  }

  #grow(room: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(room, this.#bytes.length * 2));
    grown.set(this.lines);
    this.#bytes = grown;
  }
}
