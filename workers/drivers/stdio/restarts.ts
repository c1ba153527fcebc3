import { KeylaneError } from '../../../src/errors.js';
import type { Clock } from '../../../src/util/clock.js';

const MINUTE_MS = 60_000;
/** After the second end in a row; twice as long after each further one. */
const FIRST_PAUSE_MS = 100;
export const LONGEST_PAUSE_MS = 5_000;

/** What is known of one server's processes, over all its lanes: a key has one shard. */
interface History {
  /** Processes that ended unasked, or did not get to serve, and have not been replaced. */
  missing: number;
  /** When processes were started in place of such, in the last minute. */
  restarts: number[];
  /** Ends since one of them last answered a request. */
  inARow: number;
  notBefore: number;
  /** Of the last of those. */
  said: () => string;
}

/** How often a server is started anew: soon, then after longer and longer pauses, and only so often a minute. */
export class Restarts {
  readonly #clock: Clock;
  /** By the server's name: there are as many as the configuration has. */
  readonly #histories = new Map<string, History>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when a process may be started. Rejects with ERR_SPAWN where that is not soon, or with the signal's reason. */
  async turn(name: string, perMinute: number, signal: AbortSignal): Promise<void> {
    const history = this.#histories.get(name);
    if (!history || history.missing === 0) return;
    const now = this.#clock.now();
    history.restarts = history.restarts.filter((at) => at > now - MINUTE_MS);
    if (history.restarts.length >= perMinute) {
      const retryAfterMs = Math.ceil((history.restarts[0] as number) + MINUTE_MS - now);
      const seconds = Math.ceil(retryAfterMs / 1_000);
      throw new KeylaneError(
        'ERR_SPAWN',
        `${name}: started anew ${history.restarts.length} times in a minute; the next time in ${seconds} s. The last time: ${history.said()}`,
        { key: name, retryAfterMs },
      );
    }
    // Now, so that others who wait meanwhile are counted with it.
    history.missing--;
    history.restarts.push(Math.max(now, history.notBefore));
    await this.#pause(history.notBefore - now, signal);
  }

  /** A process has ended unasked, or has not come to serve. `said`: how, for who is refused. */
  ended(name: string, said: () => string): void {
    let history = this.#histories.get(name);
    if (!history) {
      history = { missing: 0, restarts: [], inARow: 0, notBefore: 0, said };
      this.#histories.set(name, history);
    }
    history.missing++;
    history.said = said;
    const pause = history.inARow === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (history.inARow - 1), LONGEST_PAUSE_MS);
    history.inARow++;
    history.notBefore = Math.max(history.notBefore, this.#clock.now() + pause);
  }

  /** A process has answered a request. */
  served(name: string): void {
    const history = this.#histories.get(name);
    if (history) history.inARow = 0;
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(ms, () => {
        signal.removeEventListener('abort', aborted);
        resolve();
      });
      const aborted = () => {
        timer.cancel();
        reject(signal.reason);
      };
      signal.addEventListener('abort', aborted, { once: true });
    });
  }
}
