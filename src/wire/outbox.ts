import { encode, type Message } from './codec.js';

/**
 * Gathers the messages of one turn of the event loop and posts them as one frame when the turn is over. A lone message
 * waits for nothing but the end of its turn.
 */
export class Outbox<M extends Message> {
  #messages: M[] = [];
  readonly #post: (frame: Uint8Array<ArrayBuffer>) => void;
  readonly #refused: (message: M, why: Error) => void;
  readonly #flush = () => this.flush();

  /** `refused` hears of a message that cannot be encoded. */
  constructor(post: (frame: Uint8Array<ArrayBuffer>) => void, refused: (message: M, why: Error) => void) {
    this.#post = post;
    this.#refused = refused;
  }

  push(message: M): void {
    if (this.#messages.push(message) === 1) setImmediate(this.#flush);
  }

  flush(): void {
    const messages = this.#messages;
    if (messages.length === 0) return;
    this.#messages = [];
    for (const frame of encode(messages, this.#refused)) this.#post(frame);
  }
}
