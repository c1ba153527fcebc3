import type { KeylaneError } from '../errors.js';
import { Link, List } from '../util/queue.js';

/** Who may have a connection now, first come first served. What waits here has not been sent, whatever ends it. */
export class Places {
  #free: number;
  readonly #waiting = new List<() => void>();

  constructor(most: number) {
    this.#free = most;
  }

  /** Takes one at once, if there is one. */
  takeNow(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Rejects with what `cut` is called with. */
  take(onWait: (cut: (error: KeylaneError) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const link = new Link<() => void>(resolve);
      this.#waiting.push(link);
      onWait((error) => {
        if (link.list) this.#waiting.remove(link);
        reject(error);
      });
    });
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
