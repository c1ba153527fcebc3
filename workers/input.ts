import { Bell } from '../src/util/bell.js';

/** What the caller of a stream writes, in the order written, for a driver to read. Bounded by the caller's credit. */
export class Input implements AsyncIterable<Uint8Array> {
  readonly #pieces: Uint8Array[] = [];
  readonly #taken: (bytes: number) => void;
  #ended = false;
  readonly #changed = new Bell();

  /** `taken` is called when the driver has taken a piece, so that the caller may write more. */
  constructor(taken: (bytes: number) => void) {
    this.#taken = taken;
  }

  push(piece: Uint8Array, end: boolean): void {
    if (piece.length > 0) this.#pieces.push(piece);
    if (end) this.#ended = true;
    this.#changed.ring();
  }

  end(): void {
    this.#ended = true;
    this.#changed.ring();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece) {
        this.#taken(piece.length);
        yield piece;
      } else if (this.#ended) {
        return;
      } else {
        await this.#changed.wait();
      }
    }
  }
}
