import { KeylaneError } from '../errors.js';
import { Link, List } from '../util/queue.js';

/** As many as may wait in an engine. */
const MOST_WAITING = 65_536;

/** Who may have a connection now, first come first served. What waits here has not been sent, whatever ends it. */
export class Places {
  #free: number;
  readonly #mostWaiting: number;
  readonly #waiting = new List<() => void>();

  constructor(most: number, mostWaiting = MOST_WAITING) {
    this.#free = most;
    this.#mostWaiting = mostWaiting;
  }

  /** Takes one at once, if there is one. */
  takeNow(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Rejects with what `cut` is called with, or with `ERR_SATURATED` where too many wait. */
  take(onWait: (cut: (error: KeylaneError) => void) => void): Promise<void> {
    if (this.#waiting.size >= this.#mostWaiting)
      return Promise.reject(new KeylaneError('ERR_SATURATED', `${this.#waiting.size} requests wait for a connection`));
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
