import type { Questions } from '../src/types.js';
import type { Ask } from '../src/wire/protocol.js';
import { fromWire, type WireError } from '../src/wire/wire-error.js';

/** Questions to the main thread that wait for their answer. The main thread gives each its own deadline. */
export class Asks {
  readonly #open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #send: (ask: Ask) => void;
  #last = 0;

  constructor(send: (ask: Ask) => void) {
    this.#send = send;
  }

  ask<Q extends keyof Questions>(question: Q, about: Questions[Q]['about']): Promise<Questions[Q]['answer']> {
    const ask = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#open.set(ask, { resolve, reject });
      this.#send({ kind: 'ask', ask, question, about } as Ask);
    });
  }

  answer(ask: number, value: unknown, error: WireError | undefined): void {
    const asked = this.#open.get(ask);
    this.#open.delete(ask);
    if (error) asked?.reject(fromWire(error, undefined));
    else asked?.resolve(value as never);
  }
}
