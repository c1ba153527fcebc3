import type { Channel, ExecuteContext } from '../../../src/types.js';

/** Pieces that may wait as they are. */
const MOST_PIECES = 1_024;
const BLOCK = 4 << 10;

/** One piece that waits, or many small ones: those fill `data`, which is larger, up to `length`. */
interface Waiting {
  channel: Channel;
  data: Buffer;
  length: number;
}

/** Hands output to a reader, one piece at a time; what comes while the reader is behind waits, bounded by the window. */
export class Live {
  readonly #context: ExecuteContext;
  readonly #caughtUp: () => void;
  readonly #failed: (error: unknown) => void;
  #waiting: Waiting[] = [];
  #behind = false;
  #drained: (() => void) | undefined = undefined;

  constructor(context: ExecuteContext, caughtUp: () => void, failed: (error: unknown) => void) {
    this.#context = context;
    this.#caughtUp = caughtUp;
    this.#failed = failed;
  }

  /** The reader has not taken all: read no more. */
  get behind(): boolean {
    return this.#behind;
  }

  add(channel: Channel, data: Buffer): void {
    if (this.#behind) this.#keep(channel, data);
    else this.#hand(channel, data);
  }

  /** Calls back once when the reader has taken all. */
  drained(call: () => void): void {
    this.#drained = call;
  }

  /**
   * A server that writes byte by byte must not fill the memory with the Buffers of them: they are joined to the last
   * piece, and where very many wait to the last of their channel, whatever came of the other one in between.
   */
  #keep(channel: Channel, data: Buffer): void {
    const few = this.#waiting.length < MOST_PIECES;
    const last = few ? this.#waiting.at(-1) : this.#waiting.findLast((piece) => piece.channel === channel);
    const length = (last?.length ?? 0) + data.length;
    if (!last || last.channel !== channel || length > BLOCK) {
      this.#waiting.push({ channel, data, length: data.length });
      return;
    }
    if (last.data.length < length) last.data = Buffer.concat([last.data], BLOCK);
    data.copy(last.data, last.length);
    last.length = length;
  }

  #hand(channel: Channel, data: Buffer): void {
    try {
      const taken = this.#context.chunk(channel, data);
      if (!taken) return;
      this.#behind = true;
      taken.then(this.#next, this.#stop);
    } catch (error) {
      this.#stop(error);
    }
  }

  readonly #next = (): void => {
    this.#behind = false;
    while (!this.#behind) {
      const piece = this.#waiting.shift();
      if (!piece) break;
      this.#hand(piece.channel, piece.data.subarray(0, piece.length));
    }
    if (this.#behind) return;
    this.#caughtUp();
    this.#drained?.();
  };

  readonly #stop = (error: unknown): void => {
    this.#behind = false;
    this.#waiting = [];
    this.#failed(error);
    this.#drained?.();
  };
}
