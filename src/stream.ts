import type { Call, CallEvents } from './call.js';
import { KeylaneError } from './errors.js';
import type { Chunk, Result } from './types.js';
import { Bell } from './util/bell.js';
import { deferred } from './util/deferred.js';
import { Credit, PIECE_BYTES } from './wire/credit.js';

/** What may be written ahead of the peer. */
const MOST_PENDING_BYTES = 16 * 1024 * 1024;

/** How a stream reaches its shard. */
export interface StreamLink {
  input(call: Call, data: Uint8Array, end: boolean): void;
  credit(call: Call, bytes: number): void;
  cancel(call: Call): void;
  /** It is over; without a call it was never handed over. Told once. */
  ended(call: Call | undefined, error: KeylaneError | undefined): Result;
}

/** Hands the call over; `checkWanted` throws if the stream was called off before. */
type StartStream = (events: CallEvents, checkWanted: () => void) => Promise<Call>;

/**
 * A long or two-way request. Iterate it for the chunks as they come; a slow reader stops the peer, not our memory.
 * Leaving the loop early cancels the request.
 */
export class EngineStream<Response> implements AsyncIterableIterator<Chunk> {
  /** What the peer answered in the end. Rejects with KeylaneError, as `run` does. */
  readonly response: Promise<Response>;
  /** Resolves when it is taken in: it runs, or waits for its turn. Rejects where it is refused, or ends before. */
  readonly accepted: Promise<void>;
  readonly #answer = deferred<Response>();
  readonly #accepted = deferred<void>();
  readonly #link: StreamLink;
  readonly #credit = new Credit();
  readonly #chunks: Chunk[] = [];
  readonly #readable = new Bell();
  readonly #writable = new Bell();
  readonly #toWrite: Uint8Array[] = [];
  #pendingBytes = 0;
  #blocked = false;
  #call: Call | undefined = undefined;
  #dispatched = false;
  #ending: 'no' | 'asked' | 'sent' = 'no';
  #settled: Result | undefined = undefined;

  /** @internal */
  constructor(link: StreamLink, start: StartStream) {
    this.#link = link;
    this.response = this.#answer.promise;
    this.accepted = this.#accepted.promise;
    // Whoever only iterates hears of the error there.
    this.response.catch(() => {});
    this.accepted.catch(() => {});
    void this.#start(start);
  }

  /** What became of it, as `engine.result` tells it. Never rejects. */
  get result(): Promise<Result<unknown, Response>> {
    const told = () => this.#settled as Result<unknown, Response>;
    return this.response.then(told, told);
  }

  /**
   * Writes to the peer's input. Resolves when there is room for more; never rejects (how the request ended is told by
   * `response`). Throws `ERR_INPUT` after `end`, `ERR_SATURATED` when 16 MiB wait already.
   */
  write(data: string | Uint8Array): Promise<void> {
    if (this.#ending !== 'no') throw new KeylaneError('ERR_INPUT', 'write after end');
    if (this.#settled) return Promise.resolve();
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes.length > MOST_PENDING_BYTES) {
      throw new KeylaneError('ERR_SATURATED', `${this.#pendingBytes} bytes wait to be written already: await write()`);
    }
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      // Copied, so that the caller may use its buffer again at once. (`slice` of a Buffer would share the bytes.)
      this.#toWrite.push(new Uint8Array(bytes.subarray(at, at + PIECE_BYTES)));
    }
    this.#pendingBytes += bytes.length;
    this.#pump();
    if (this.#toWrite.length === 0 && !this.#blocked) return Promise.resolve();
    return this.#writable.wait();
  }

  /** Ends the peer's input (end of file). */
  end(data?: string | Uint8Array): void {
    if (data !== undefined) void this.write(data);
    if (this.#ending === 'no') this.#ending = 'asked';
    this.#pump();
  }

  /** Calls the request off. */
  cancel(): void {
    if (this.#settled) return;
    if (this.#call) this.#link.cancel(this.#call);
    else this.#end(undefined, new KeylaneError('ERR_CANCELED'));
  }

  async next(): Promise<IteratorResult<Chunk, undefined>> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        if (this.#call && !this.#settled) this.#link.credit(this.#call, chunk.data.length);
        return { done: false, value: chunk };
      }
      if (this.#settled?.error) throw this.#settled.error;
      if (this.#settled) return { done: true, value: undefined };
      await this.#readable.wait();
    }
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    this.#chunks.length = 0;
    this.cancel();
    await this.response.catch(() => {});
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #start(start: StartStream): Promise<void> {
    const events: CallEvents = {
      settled: (call) => this.#end(call, call.error),
      chunk: (chunk) => {
        this.#chunks.push(chunk);
        this.#readable.ring();
      },
      taken: (bytes) => this.#credit.give(bytes),
      dispatched: (call) => {
        this.#call = call;
        this.#dispatched = true;
        this.#pump();
      },
    };
    try {
      const call = await start(events, () => {
        if (this.#settled?.error) throw this.#settled.error;
      });
      this.#call = call;
      this.#accepted.resolve();
      // Called off while it was being handed over.
      if (this.#settled && call.state !== 'settled') this.#link.cancel(call);
    } catch (error) {
      this.#end(undefined, error as KeylaneError);
    }
  }

  #pump(): void {
    if (!this.#call || !this.#dispatched || this.#settled || this.#blocked) return;
    for (let piece = this.#toWrite.shift(); piece; piece = this.#toWrite.shift()) {
      this.#pendingBytes -= piece.length;
      this.#link.input(this.#call, piece, false);
      const full = this.#credit.take(piece.length);
      if (full !== undefined) {
        this.#blocked = true;
        void full.then(() => {
          this.#blocked = false;
          this.#pump();
        });
        return;
      }
    }
    if (this.#ending === 'asked') {
      this.#ending = 'sent';
      this.#link.input(this.#call, new Uint8Array(0), true);
    }
    this.#writable.ring();
  }

  #end(call: Call | undefined, error: KeylaneError | undefined): void {
    if (this.#settled) return;
    this.#settled = this.#link.ended(call, error);
    this.#toWrite.length = 0;
    this.#credit.release();
    this.#readable.ring();
    this.#writable.ring();
    if (!error) this.#answer.resolve(call?.response as Response);
    else {
      this.#answer.reject(error);
      this.#accepted.reject(error);
    }
  }
}
