import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { type BatchSummary, type Engine, KeylaneError, type OpenedJobs } from '../../index.js';
import type { Principal } from '../parts.js';
import { Refusal } from '../refusal.js';
import { batchIdOf } from './idempotency.js';
import { asksTheSame, type ServiceSettings, settingsOf } from './settings.js';
import type { Summaries } from './summaries.js';

/** Whose key makes which batch. */
export interface Maker {
  principal: Principal;
  key: string;
}

export interface Made {
  /** False where the key had made it before. */
  isNew: boolean;
  summary: BatchSummary;
}

/** How one is taken in. */
interface Entering extends Maker {
  settings: ServiceSettings;
  /** Has the key's batch the same input? */
  isSame(before: BatchSummary): Promise<boolean>;
  take(id: string): Promise<OpenedJobs>;
  begin(id: string, source: OpenedJobs, giveBack: () => void): Promise<BatchSummary>;
}

export interface EntranceHost {
  engine: Engine;
  log: Logger;
  summaries: Summaries;
  /** Throws where no more may come in, or run. `own`: of those that come in, this one's. */
  refuseFull(entering: number, own: number): void;
}

/** Takes batches in: of one key nothing is begun twice, and of what was not begun nothing stays. */
export class Entrance {
  readonly #host: EntranceHost;
  /** By id, whose they are. */
  readonly #entering = new Map<string, string>();

  constructor(host: EntranceHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#entering.size;
  }

  has(id: string): boolean {
    return this.#entering.has(id);
  }

  /** The same body and options give the batch that there is. */
  enter(how: Entering): Promise<Made> {
    const id = batchIdOf(how.principal.name, how.key);
    const busy = 'a request with this `Idempotency-Key` is being taken in; ask again when it is';
    return this.hold(id, how.principal, busy, () => this.#enter(id, how));
  }

  /** While the work goes on, which takes one of the places, nobody else enters with this id. */
  hold<T>(id: string, principal: Principal, busy: string, work: () => Promise<T>): Promise<T> {
    return this.alone(id, principal, busy, () => {
      // This one is among them.
      const own = [...this.#entering.values()].filter((name) => name === principal.name).length - 1;
      this.#host.refuseFull(this.#entering.size - 1, own);
      return work();
    });
  }

  /** While the work goes on, nobody enters with this id. */
  async alone<T>(id: string, { name }: Principal, busy: string, work: () => Promise<T>): Promise<T> {
    if (this.#entering.has(id)) throw new Refusal(409, 'ERR_EXISTS', busy);
    this.#entering.set(id, name);
    try {
      return await work();
    } finally {
      this.#entering.delete(id);
    }
  }

  async #enter(id: string, how: Entering): Promise<Made> {
    let giveBack: (() => void) | undefined;
    try {
      const before = await this.#find(id);
      if (before) return await replayed(before, how);
      giveBack = how.principal.take('batch');
      await this.#sweep(id);
      const source = await how.take(id);
      const begun = how.begin(id, source, giveBack);
      return { isNew: true, summary: await begun.catch((error: unknown) => this.#takeBack(id, error)) };
    } catch (error) {
      giveBack?.();
      throw this.#told(error);
    }
  }

  /** Undefined where the journal never had it: a process died while it took the body in, or the disk was full. */
  async #find(id: string): Promise<BatchSummary | undefined> {
    const { engine, summaries } = this.#host;
    if (!engine.batches.has(id)) return undefined;
    try {
      return await summaries.show(id);
    } catch (error) {
      if (error instanceof KeylaneError && error.code === 'ERR_INPUT') return undefined;
      throw error;
    }
  }

  /** What a process has left that died while it took this one in. */
  async #sweep(id: string): Promise<void> {
    const { batches } = this.#host.engine;
    if (existsSync(batches.directory(id))) await batches.remove(id);
  }

  /** It was not begun, so nothing of it stays; unless another process was first. */
  async #takeBack(id: string, error: unknown): Promise<never> {
    const isOthers = error instanceof KeylaneError && (error.code === 'ERR_EXISTS' || error.code === 'ERR_STORE_BUSY');
    if (!isOthers) await this.#host.engine.batches.remove(id).catch(() => {});
    throw error;
  }

  /** Where it lies is for the log. */
  #told(error: unknown): unknown {
    if (!(error instanceof KeylaneError) || error instanceof Refusal) return error;
    const { code, message } = error;
    if (!code.startsWith('ERR_STORE_') && code !== 'ERR_EXISTS') return error;
    this.#host.log.error({ code, reason: message }, 'a batch could not be taken in');
    if (code === 'ERR_EXISTS')
      return new Refusal(409, code, 'another process takes this batch in; ask again when it has');
    const what = code === 'ERR_STORE_FULL' ? 'the disk of the service is full' : 'the service cannot use its store';
    return new Refusal(503, code, `${what}; nothing of this batch was kept, and nothing of it was run`);
  }
}

async function replayed(before: BatchSummary, { settings, isSame }: Entering): Promise<Made> {
  const kept = settingsOf(before);
  if (kept && asksTheSame(kept, settings) && (await isSame(before))) return { isNew: false, summary: before };
  const text = `this \`Idempotency-Key\` has made the batch ${before.id} of another body or with other options; take a new key`;
  throw new Refusal(422, 'ERR_INPUT', text);
}
