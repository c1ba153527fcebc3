import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { Logger } from 'pino';
import {
  type BatchSummary,
  type Clock,
  type Engine,
  type InputIdentity,
  type JobsOptions,
  KeylaneError,
  type OpenedJobs,
  type Outcome,
  openJobs,
  type Result,
  reopenJobs,
  retryJobs,
  spoolJobs,
} from '../../index.js';
import type { Principal } from '../parts.js';
import { Refusal } from '../refusal.js';
import { bounded, digestOf } from './body.js';
import { batchIdOf } from './idempotency.js';
import { Leftovers } from './leftovers.js';
import type { RunOptions } from './query.js';
import { RunningBatch } from './running.js';
import { asksTheSame, type ServiceSettings, settingsOf } from './settings.js';
import { Summaries } from './summaries.js';
import { Watch } from './watch.js';

export interface BatchLimits {
  /** Batches that run at once. */
  batches: number;
  /** Bodies that are taken in at once. */
  uploads: number;
  /** Of one body. */
  bodyBytes: number;
}

export interface BatchesHost {
  engine: Engine;
  log: Logger;
  clock: Clock;
  stopping: AbortSignal;
  limits: BatchLimits;
  /** Of the engine: what they are called is not known before they are loaded. */
  hasOwnDrivers: boolean;
  /** For whoever goes on with a batch without this service. */
  kept: object | undefined;
  /** A request of a batch with a journal has its result. */
  settled(result: Result): void;
  /** Undefined where no token has this name any more. */
  principalNamed(name: string): Principal | undefined;
}

/** Whose key makes which batch. */
interface Maker {
  principal: Principal;
  key: string;
}

interface NewBatch extends Maker {
  format: InputIdentity['format'];
  driver: string | undefined;
  options: RunOptions;
  body: Readable;
}

interface NewRetry extends Maker {
  of: BatchSummary;
  outcomes: readonly Outcome[];
  options: RunOptions;
}

export interface Made {
  /** False where the key had made it before. */
  isNew: boolean;
  summary: BatchSummary;
}

/** Batches with a journal, as this service has them. */
export interface BatchCounts {
  running: number;
  paused: number;
  /** Their bodies are being read. */
  taking_in: number;
  /** Interrupted, until fewer run. */
  waiting: number;
  /** Jobs of those that run: in flight, and without a result. */
  inFlight: number;
  left: number;
}

const DEFAULT_DRIVER = 'ssh';

/**
 * The batches that the service takes in, runs and goes on with.
 *
 *     nothing ── create, retry ──▶ taken in ── all of it is good, and the journal has it ──▶ running ──▶ ended
 *        ▲                            └ it is bad, or the service dies ┘│                      │ ▲
 *        └──────────────────────────────────────────────────────────────┘         interrupted ◀┘ └ resume, start
 */
export class ServiceBatches {
  /** What there is. */
  readonly summaries: Summaries;
  readonly #host: BatchesHost;
  readonly #running = new Map<string, RunningBatch>();
  /** Ids whose body is being taken in. */
  readonly #entering = new Set<string>();
  readonly #watches = new Map<string, { watch: Watch; followers: number }>();
  readonly #leftovers: Leftovers;

  constructor(host: BatchesHost) {
    this.#host = host;
    this.summaries = new Summaries(host.engine.batches);
    this.#leftovers = new Leftovers({
      ...host,
      summaries: this.summaries,
      hasRoom: () => this.#running.size < host.limits.batches,
      goOn: (summary, principal) => this.#goOn(summary, principal),
      changed: (id) => this.changed(id),
    });
    host.stopping.addEventListener('abort', () => this.#leave(), { once: true });
  }

  get limits(): BatchLimits {
    return this.#host.limits;
  }

  /** How many there are here, by what becomes of them now, and how far those that run are. */
  get counts(): BatchCounts {
    const counts: BatchCounts = {
      running: 0,
      paused: 0,
      taking_in: 0,
      waiting: this.#leftovers.size,
      inFlight: 0,
      left: 0,
    };
    for (const { progress } of this.#running.values()) {
      counts[progress.paused ? 'paused' : 'running']++;
      counts.inFlight += progress.inFlight;
      counts.left += Math.max(0, (progress.total ?? progress.settled) - progress.settled);
    }
    counts.taking_in = this.#entering.size;
    return counts;
  }

  /** What runs here. */
  running(id: string): RunningBatch | undefined {
    return this.#running.get(id);
  }

  /**
   * Takes a body in, and begins its batch when all of it is good. Of one key nothing is begun twice: the same body and
   * options give the batch that there is.
   */
  create({ principal, key, format, driver = DEFAULT_DRIVER, options, body }: NewBatch): Promise<Made> {
    const { engine, limits, stopping } = this.#host;
    const settings = this.#settings(principal, options);
    const pieces = bounded(body, limits.bodyBytes, stopping);
    return this.#enter(principal, key, settings, {
      isSame: async ({ input }) =>
        (await digestOf(pieces)) === input?.sha256 && input.format === format && input.driver === driver,
      take: (id) =>
        openJobs(Readable.from(pieces), {
          name: 'body',
          ...{ format, driver, spoolDir: engine.batches.directory(id) },
          ...(this.#host.hasOwnDrivers ? {} : { drivers: [] }),
          check: (of, request) => principal.checkRequest(of, request),
        }),
    });
  }

  /** Runs again what ended so in another batch. */
  retry({ principal, key, of, outcomes, options }: NewRetry): Promise<Made> {
    const { batches } = this.#host.engine;
    const { options: before } = settingsOf(of) ?? refuseForeign(of);
    const settings = this.#settings(principal, { ...before, ...options }, { id: of.id, outcomes });
    return this.#enter(principal, key, settings, {
      isSame: () => Promise.resolve(true),
      take: async (id) => {
        const source = await this.#inputOf(of);
        const jobs = await retryJobs(source, of.id, outcomes, batches);
        if (jobs.count === 0)
          throw new Refusal(409, 'ERR_INPUT', `batch ${of.id} has none to run again of ${outcomes.join(', ')}`);
        return spoolJobs(batches.directory(id), jobs.read(), jobs);
      },
    });
  }

  /** Goes on with one that was interrupted. */
  goOn(summary: BatchSummary, principal: Principal): Promise<BatchSummary> {
    const { id } = summary;
    if (this.#entering.has(id)) throw new Refusal(409, 'ERR_EXISTS', `batch ${id} is being gone on with already`);
    this.#refuseFull();
    return this.#goOn(summary, principal);
  }

  async #goOn(summary: BatchSummary, principal: Principal): Promise<BatchSummary> {
    const { id } = summary;
    const settings = settingsOf(summary) ?? refuseForeign(summary);
    const giveBack = principal.take('batch');
    this.#entering.add(id);
    try {
      const source = await this.#inputOf(summary);
      // What its bearer may do may be less than it was.
      for await (const { driver = source.identity.driver, request } of source.read(() => true))
        principal.checkRequest(driver, request);
      return await this.#begin(id, source, settings, giveBack, true);
    } catch (error) {
      giveBack();
      throw error;
    } finally {
      this.#entering.delete(id);
    }
  }

  /** At start: goes on with all that a service before this one has left. */
  start(): Promise<void> {
    return this.#leftovers.start();
  }

  /** It is interrupted, and the service is about to go on with it: whoever follows it waits for that. */
  isAwaited(id: string): boolean {
    return this.#entering.has(id) || this.#leftovers.has(id);
  }

  /** Who follows a batch is woken by what comes back, until `left`. */
  follow(id: string): { watch: Watch; left: () => void } {
    const { clock } = this.#host;
    let entry = this.#watches.get(id);
    if (!entry) {
      const host = {
        clock,
        isRunning: (one: string) => this.#running.has(one),
        show: (one: string) => this.summaries.show(one),
      };
      entry = { watch: new Watch(id, host), followers: 0 };
      this.#watches.set(id, entry);
    }
    const mine = entry;
    mine.followers++;
    const left = () => {
      if (--mine.followers > 0) return;
      mine.watch.end();
      if (this.#watches.get(id) === mine) this.#watches.delete(id);
    };
    return { watch: mine.watch, left };
  }

  /** Somebody has changed it. */
  changed(id: string): void {
    this.#watches.get(id)?.watch.changed();
  }

  async #enter(
    principal: Principal,
    key: string,
    settings: ServiceSettings,
    how: { isSame(before: BatchSummary): Promise<boolean>; take(id: string): Promise<OpenedJobs> },
  ): Promise<Made> {
    const id = batchIdOf(principal.name, key);
    if (this.#entering.has(id))
      throw new Refusal(
        409,
        'ERR_EXISTS',
        'a request with this `Idempotency-Key` is being taken in; ask again when it is',
      );
    this.#refuseFull();
    this.#entering.add(id);
    let giveBack: (() => void) | undefined;
    try {
      const before = await this.#find(id);
      if (before) return await replayed(before, settings, how);
      giveBack = principal.take('batch');
      await this.#sweep(id);
      const source = await how.take(id);
      const summary = await this.#begin(id, source, settings, giveBack, false).catch((error: unknown) =>
        this.#takeBack(id, error),
      );
      return { isNew: true, summary };
    } catch (error) {
      giveBack?.();
      throw this.#told(error);
    } finally {
      this.#entering.delete(id);
    }
  }

  async #begin(id: string, source: OpenedJobs, settings: ServiceSettings, giveBack: () => void, resume: boolean) {
    const { engine, log, stopping } = this.#host;
    if (stopping.aborted) throw new KeylaneError('ERR_CLOSED', 'the service is closing');
    const { driver } = source.identity;
    const batch = engine.batches.run(source, {
      ...(settings.options as JobsOptions),
      ...{ driver, journal: true, id, settings, resume },
    });
    await batch.open();
    const settled = (result: Result) => {
      this.#host.settled(driver === undefined ? result : { driver, ...result });
      this.changed(id);
    };
    const running = new RunningBatch(id, batch, { log, settled });
    this.#running.set(id, running);
    void running.ended.then(() => {
      this.#running.delete(id);
      giveBack();
      this.changed(id);
      void this.#leftovers.next();
    });
    if (stopping.aborted) running.leave();
    return engine.batches.show(id);
  }

  #settings(
    { name }: Principal,
    options: RunOptions,
    retryOf?: { id: string; outcomes: readonly Outcome[] },
  ): ServiceSettings {
    const { kept } = this.#host;
    return {
      by: 'keylane serve',
      principal: name,
      options,
      ...(kept && { flags: kept }),
      ...(retryOf && { retryOf }),
    };
  }

  #refuseFull(): void {
    const { limits, stopping } = this.#host;
    if (stopping.aborted) throw new KeylaneError('ERR_CLOSED', 'the service is closing');
    const full = (what: string, most: number) =>
      new KeylaneError('ERR_SATURATED', `the service has ${most} ${what} already; try again when one has ended`);
    if (this.#entering.size >= limits.uploads) throw full('batches that come in', limits.uploads);
    if (this.#running.size >= limits.batches) throw full('batches that run', limits.batches);
  }

  /** Undefined where the journal never had it: a process died while it took the body in, or the disk was full. */
  async #find(id: string): Promise<BatchSummary | undefined> {
    const { batches } = this.#host.engine;
    if (!batches.has(id)) return undefined;
    try {
      return await this.summaries.show(id);
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

  async #inputOf({ id, input }: BatchSummary): Promise<OpenedJobs> {
    if (!input) throw new Refusal(409, 'ERR_INPUT', `the input of batch ${id} is not known`);
    return reopenJobs(input, { dir: this.#host.engine.batches.directory(id) });
  }

  /** Where it lies is for the log. */
  #told(error: unknown): unknown {
    if (!(error instanceof KeylaneError)) return error;
    const { code, message } = error;
    if (!code.startsWith('ERR_STORE_') && !(code === 'ERR_EXISTS' && !(error instanceof Refusal))) return error;
    this.#host.log.error({ code, reason: message }, 'a batch could not be taken in');
    if (code === 'ERR_EXISTS')
      return new Refusal(409, code, 'another process takes this batch in; ask again when it has');
    const text =
      code === 'ERR_STORE_FULL' ? 'the disk of the service is full' : 'the store of the service cannot be used';
    return new KeylaneError(code, `${text}; nothing of this batch was kept, and nothing of it was run`);
  }

  #leave(): void {
    for (const running of this.#running.values()) running.leave();
    for (const { watch } of this.#watches.values()) watch.end();
  }
}

async function replayed(
  before: BatchSummary,
  settings: ServiceSettings,
  { isSame }: { isSame(before: BatchSummary): Promise<boolean> },
): Promise<Made> {
  const kept = settingsOf(before);
  if (kept && asksTheSame(kept, settings) && (await isSame(before))) return { isNew: false, summary: before };
  const text = `this \`Idempotency-Key\` has made the batch ${before.id} of another body or with other options; take a new key`;
  throw new Refusal(422, 'ERR_INPUT', text);
}

function refuseForeign({ id }: BatchSummary): never {
  throw new Refusal(409, 'ERR_INPUT', `batch ${id} was not made by a service: go on with it by \`keylane batch\``);
}
