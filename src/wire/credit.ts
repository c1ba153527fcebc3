import { Bell } from '../util/bell.js';

/** Bytes that one side of a stream may send before the other has taken any: what can lie between the threads. */
export const WINDOW_BYTES = 1024 * 1024;

/** Chunks are sent in pieces of at most this size, so that one stream cannot hold up a frame. */
export const PIECE_BYTES = 64 * 1024;

/** What a chunk takes of the window beside its bytes: the memory of its object. A peer that writes byte by byte would fill it. */
export const CHUNK_COST = 512;

/**
 * What the reader takes before the sender is told: well below the window, so that a reader who keeps up is never waited for.
 * Told of each chunk, the sender's thread is woken for each: with 100 streams of 10 events a second that was a third of the
 * CPU of both threads.
 */
export const TOLD_BYTES = WINDOW_BYTES / 4;

/** The sender's side of a byte window: counts down as bytes go, waits while nothing is left. */
export class Credit {
  #left = WINDOW_BYTES;
  readonly #room = new Bell();

  /** Notes bytes that were sent. A promise comes back when the window is used up: it resolves when there is room. */
  take(bytes: number): Promise<void> | undefined {
    this.#left -= bytes;
    if (this.#left > 0) return undefined;
    return this.#room.wait();
  }

  give(bytes: number): void {
    this.#left += bytes;
    if (this.#left > 0) this.release();
  }

  /** Lets the sender go on, room or not: the stream is over. */
  release(): void {
    this.#room.ring();
  }
}
