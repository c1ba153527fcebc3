/** What waits for its turn is at most this; what is more comes back from the journal. */
const MOST_HELD = 16 * 1024 * 1024;

/** A result as its line of JSON, without a line end. */
export interface Line {
  index: number;
  line: string;
}

export interface OrderedOptions {
  /** The first index to write. */
  next: number;
  /** The lines that the journal has from an index on, in order. Without it all that waits is held. */
  readFrom?: ((index: number) => AsyncIterable<Line>) | undefined;
  /** Indexes that are not to be written: they were, at another time. */
  skip?: Bits | undefined;
  mostHeld?: number;
}

/**
 * Writes lines in the order of their indexes, whatever the order in which they come. What comes too early is held, within
 * bounds: past them only that it has come is remembered, and in its turn it is read back. So one slow request costs a batch
 * of a million no more memory.
 */
export class OrderedLines {
  readonly #write: (line: string) => void | Promise<void>;
  readonly #options: OrderedOptions;
  /** As bytes: a text that was put together of pieces keeps all of them. */
  readonly #held = new Map<number, Buffer>();
  #heldBytes = 0;
  /** Those that have come and are not held. */
  readonly #elsewhere = new Bits();
  #next: number;

  constructor(write: (line: string) => void | Promise<void>, options: OrderedOptions) {
    this.#write = write;
    this.#options = options;
    this.#next = options.next;
  }

  async put(index: number, line: string): Promise<void> {
    const { readFrom, skip, mostHeld = MOST_HELD } = this.#options;
    while (skip?.has(this.#next)) this.#next++;
    if (index === this.#next) await this.#writeNext(line);
    else if (readFrom && this.#heldBytes + line.length > mostHeld) this.#elsewhere.add(index);
    else this.#hold(index, Buffer.from(line));
    for (;;) {
      const held = this.#held.get(this.#next);
      if (held !== undefined) await this.#writeNext(held.toString());
      else if (skip?.has(this.#next)) this.#next++;
      else if (this.#elsewhere.has(this.#next)) await this.readBack();
      else return;
    }
  }

  /** Writes what the journal has from the next one on, up to the first that it has not. */
  async readBack(): Promise<void> {
    const { readFrom, skip } = this.#options;
    if (!readFrom) return;
    for await (const { index, line } of readFrom(this.#next)) {
      while (this.#next < index && skip?.has(this.#next)) this.#next++;
      if (index !== this.#next) return;
      if (!skip?.has(index)) await this.#writeNext(line);
      else this.#next++;
    }
  }

  #hold(index: number, line: Buffer): void {
    this.#held.set(index, line);
    this.#heldBytes += line.length;
  }

  async #writeNext(line: string): Promise<void> {
    const held = this.#held.get(this.#next);
    if (held !== undefined) {
      this.#held.delete(this.#next);
      this.#heldBytes -= held.length;
    }
    this.#next++;
    await this.#write(line);
  }
}

/** A set of indexes, a bit each. */
export class Bits {
  #bytes = new Uint8Array(1_024);

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  add(index: number): void {
    const at = index >> 3;
    if (at >= this.#bytes.length) {
      const larger = new Uint8Array(Math.max(at + 1, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[at]! |= 1 << (index & 7);
  }
}
