import type { Channel, ExecuteContext } from '../../../src/types.js';

/** Hands output to a reader, one piece at a time; what comes while the reader is behind waits, bounded by the window. */
export class Live {
  readonly #context: ExecuteContext;
  readonly #caughtUp: () => void;
  readonly #failed: (error: unknown) => void;
  #waiting: { channel: Channel; data: Buffer }[] = [];
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
    if (this.#behind) this.#waiting.push({ channel, data });
    else this.#hand(channel, data);
  }

  /** Calls back once when the reader has taken all. */
  drained(call: () => void): void {
    this.#drained = call;
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
      this.#hand(piece.channel, piece.data);
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
