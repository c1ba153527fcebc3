import type { KeylaneError } from '../src/errors.js';

/** Connections of a lane that somebody asked for ahead of use, and whom to tell. */
export interface Warming {
  readonly count: number;
  readonly done: (error: KeylaneError | undefined) => void;
}

/** What a lane is asked to have ready. Each is answered once, or taken back. */
export class Warmings {
  #asked: Warming[] = [];

  get size(): number {
    return this.#asked.length;
  }

  add(warming: Warming): void {
    this.#asked.push(warming);
  }

  /** It is not wanted any more. */
  remove(warming: Warming): void {
    this.#asked = this.#asked.filter((one) => one !== warming);
  }

  /** Does somebody want more connections than these? */
  wantsMoreThan(connections: number): boolean {
    return this.#asked.some(({ count }) => count > connections);
  }

  /** Answers those who have what they asked for; all of them, where there is an error. */
  tell(ready: number, error: KeylaneError | undefined): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const warming of asked) {
      if (error || ready >= warming.count) warming.done(error);
      else this.#asked.push(warming);
    }
  }
}
