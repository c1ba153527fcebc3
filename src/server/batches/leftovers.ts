import type { Logger } from 'pino';
import { type BatchSummary, type Clock, KeylaneError } from '../../index.js';
import type { Timer } from '../../util/clock.js';
import type { Principal } from '../parts.js';
import { settingsOf } from './settings.js';
import type { Summaries } from './summaries.js';

/** What is in the way of one goes away at times that nobody tells: a quota, the last of a request for the same batch. */
const AGAIN_MS = 1_000;
/** It can be gone on with later: past a quota, past what may come in at once, while a request with its key is looked at. */
const LATER: ReadonlySet<string> = new Set(['ERR_QUOTA', 'ERR_SATURATED', 'ERR_EXISTS']);

export interface LeftoversHost {
  summaries: Pick<Summaries, 'list'>;
  log: Logger;
  clock: Clock;
  stopping: AbortSignal;
  principalNamed(name: string): Principal | undefined;
  /** May another one run? */
  hasRoom(): boolean;
  goOn(summary: BatchSummary, principal: Principal): Promise<unknown>;
  changed(id: string): void;
}

/** Batches that a service before this one has left: it goes on with them, as many at once as may run. */
export class Leftovers {
  readonly #host: LeftoversHost;
  #left: BatchSummary[] = [];
  /** What was left is not known yet. */
  #isStarting = false;
  #isGoingOn = false;
  #again: Timer | undefined = undefined;

  constructor(host: LeftoversHost) {
    this.#host = host;
    host.stopping.addEventListener('abort', () => this.#again?.cancel(), { once: true });
  }

  /** How many wait. */
  get size(): number {
    return this.#left.length;
  }

  /** What cannot be gone on with is left, and told. */
  async start(): Promise<void> {
    this.#isStarting = true;
    try {
      const all = await this.#host.summaries.list();
      this.#left = all.filter((one) => one.state === 'interrupted' && !one.error && settingsOf(one)).reverse();
    } catch (error) {
      this.#host.log.error({ reason: String(error) }, 'the batches of before cannot be read');
    } finally {
      this.#isStarting = false;
    }
    await this.next();
  }

  has(id: string): boolean {
    return this.#isStarting || this.#left.some((one) => one.id === id);
  }

  /** As many as may run. Those that cannot yet are tried again. */
  async next(): Promise<void> {
    const { stopping, hasRoom, changed, clock } = this.#host;
    if (this.#isGoingOn) return;
    this.#isGoingOn = true;
    this.#again?.cancel();
    for (const next of [...this.#left]) {
      if (stopping.aborted || !hasRoom()) break;
      if (await this.#goesOn(next)) this.#left = this.#left.filter((one) => one !== next);
      changed(next.id);
    }
    this.#isGoingOn = false;
    if (this.#left.length > 0 && !stopping.aborted) this.#again = clock.timer(AGAIN_MS, () => void this.next());
  }

  /** False where it can later. */
  async #goesOn(summary: BatchSummary): Promise<boolean> {
    const { log, principalNamed, goOn } = this.#host;
    const name = settingsOf(summary)?.principal ?? '';
    const about = { batch: summary.id, principal: name };
    try {
      const principal = principalNamed(name);
      if (!principal) throw new KeylaneError('ERR_FORBIDDEN', 'there is no token of this name any more');
      principal.check('run');
      await goOn(summary, principal);
      log.info(about, 'goes on with a batch');
    } catch (error) {
      const { code, message } = error as KeylaneError;
      if (LATER.has(code)) return false;
      log.warn({ ...about, code, reason: message }, 'a batch that was interrupted is left as it is');
    }
    return true;
  }
}
