import type { Logger } from 'pino';
import { type BatchSummary, KeylaneError } from '../../index.js';
import type { Principal } from '../parts.js';
import { settingsOf } from './settings.js';
import type { Summaries } from './summaries.js';

export interface LeftoversHost {
  summaries: Summaries;
  log: Logger;
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

  constructor(host: LeftoversHost) {
    this.#host = host;
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

  /** As many as may run. Those whose bearer's quota is used up wait for the end of another one. */
  async next(): Promise<void> {
    const { stopping, hasRoom, changed } = this.#host;
    if (this.#isGoingOn) return;
    this.#isGoingOn = true;
    for (const next of [...this.#left]) {
      if (stopping.aborted || !hasRoom()) break;
      if (await this.#goesOn(next)) this.#left = this.#left.filter((one) => one !== next);
      changed(next.id);
    }
    this.#isGoingOn = false;
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
      if (code === 'ERR_QUOTA' || code === 'ERR_SATURATED') return false;
      log.warn({ ...about, code, reason: message }, 'a batch that was interrupted is left as it is');
    }
    return true;
  }
}
