/**
 * Feeds a command: what the request holds, then what the caller writes, then end of file. Bounded by the server's
 * window: the next piece of the caller's is asked for when the last one has left.
 */
export class Stdin {
  readonly #send: (data: Buffer | undefined) => number;
  readonly #failed: (error: unknown) => void;
  #left: Buffer | undefined;
  #input: AsyncIterator<Uint8Array> | undefined;
  #state: 'sending' | 'asking' | 'done' = 'sending';

  /** `send` sends some of it and tells how much; with undefined it ends the input. */
  constructor(
    stdin: string | Uint8Array | undefined,
    input: AsyncIterable<Uint8Array> | undefined,
    send: (data: Buffer | undefined) => number,
    failed: (error: unknown) => void,
  ) {
    this.#left = stdin === undefined ? undefined : bytesOf(stdin);
    this.#input = input?.[Symbol.asyncIterator]();
    this.#send = send;
    this.#failed = failed;
  }

  /** Sends what can be sent: at first, and when the window has grown. */
  resume(): void {
    if (this.#state !== 'sending') return;
    while (this.#left && this.#left.length > 0) {
      const sent = this.#send(this.#left);
      if (sent === 0) return;
      this.#left = this.#left.subarray(sent);
    }
    this.#left = undefined;
    if (this.#input) this.#ask(this.#input);
    else {
      this.#state = 'done';
      this.#send(undefined);
    }
  }

  /** The command takes no more. */
  stop(): void {
    this.#state = 'done';
    this.#left = undefined;
    const input = this.#input;
    this.#input = undefined;
    // The caller's iterator may be anything; how it takes the news changes nothing for us.
    input?.return?.().then(undefined, () => undefined);
  }

  #ask(input: AsyncIterator<Uint8Array>): void {
    this.#state = 'asking';
    input.next().then(
      ({ done, value }) => {
        if (this.#state !== 'asking') return;
        this.#state = 'sending';
        if (done) this.#input = undefined;
        else this.#left = bytesOf(value);
        this.resume();
      },
      (error: unknown) => {
        if (this.#state === 'asking') this.#failed(error);
      },
    );
  }
}

function bytesOf(data: string | Uint8Array): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
