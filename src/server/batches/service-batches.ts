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
  type RetriedJobs,
  reopenJobs,
  retryJobs,
  spoolJobs,
} from '../../index.js';
import type { Principal } from '../parts.js';
import { Refusal } from '../refusal.js';
import { bounded, digestOf } from './body.js';
import { Entrance, type Made, type Maker } from './entrance.js';
import { Followers } from './followers.js';
import { Leftovers } from './leftovers.js';
import type { RunOptions } from './query.js';
import { RunningBatch } from './running.js';
import { type ServiceSettings, settingsOf } from './settings.js';
import { Summaries } from './summaries.js';
import { within } from './within.js';

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

interface Beginning {
  settings: ServiceSettings;
  principal: Principal;
  giveBack: () => void;
  resume: boolean;
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
  readonly #entrance: Entrance;
  readonly #followers: Followers;
  readonly #leftovers: Leftovers;

  constructor(host: BatchesHost) {
    this.#host = host;
    this.summaries = new Summaries(host.engine.batches);
    const { engine, log, clock } = host;
    this.#entrance = new Entrance({
      ...{ engine, log, summaries: this.summaries },
      refuseFull: (entering, own) => this.#refuseFull(entering, own),
    });
    this.#followers = new Followers({
      clock,
      isRunning: (id) => this.#running.has(id),
      show: (id) => this.summaries.show(id),
    });
    this.#leftovers = new Leftovers({
      ...host,
      summaries: this.summaries,
      hasRoom: () => this.#running.size < host.limits.batches,
      goOn: (summary, principal) => this.goOn(summary, principal),
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
    counts.taking_in = this.#entrance.size;
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
    return this.#entrance.enter({
      ...{ principal, key, settings },
      begin: (id, source, giveBack) => this.#begin(id, source, { settings, principal, giveBack, resume: false }),
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
    return this.#entrance.enter({
      ...{ principal, key, settings },
      begin: (id, source, giveBack) => this.#begin(id, source, { settings, principal, giveBack, resume: false }),
      isSame: () => Promise.resolve(true),
      take: async (id) => {
        const source = await this.#inputOf(of);
        const jobs = await retryJobs(source, of.id, outcomes, batches);
        if (jobs.count === 0)
          throw new Refusal(409, 'ERR_INPUT', `batch ${of.id} has none to run again of ${outcomes.join(', ')}`);
        return spoolJobs(batches.directory(id), allowed(jobs, principal), jobs);
      },
    });
  }

  /** Goes on with one that was interrupted. */
  goOn(summary: BatchSummary, principal: Principal): Promise<BatchSummary> {
    const { id } = summary;
    const settings = settingsOf(summary) ?? refuseForeign(summary);
    return this.#entrance.hold(id, principal, `batch ${id} is being gone on with already`, async () => {
      const giveBack = principal.take('batch');
      try {
        const source = await this.#inputOf(summary);
        for await (const _ of allowed({ read: () => source.read(() => true), ...source.identity }, principal));
        return await this.#begin(id, source, { settings, principal, giveBack, resume: true });
      } catch (error) {
        giveBack();
        throw error;
      }
    });
  }

  /** Removes one, and all that is kept of it. */
  remove(id: string, principal: Principal): Promise<void> {
    const busy = `batch ${id} is being taken in, gone on with or removed`;
    return this.#entrance.alone(id, principal, busy, () => this.#host.engine.batches.remove(id));
  }

  /** At start: goes on with all that a service before this one has left. */
  start(): Promise<void> {
    return this.#leftovers.start();
  }

  /** It is interrupted, and the service is about to go on with it: whoever follows it waits for that. */
  isAwaited(id: string): boolean {
    return this.#entrance.has(id) || this.#leftovers.has(id);
  }

  /** Who follows a batch is woken by what comes back, until `left`. */
  follow(id: string): ReturnType<Followers['follow']> {
    return this.#followers.follow(id);
  }

  /** Somebody has changed it. */
  changed(id: string): void {
    this.#followers.changed(id);
  }

  async #begin(id: string, source: OpenedJobs, { settings, principal, giveBack, resume }: Beginning) {
    const { engine, log, stopping } = this.#host;
    if (stopping.aborted) throw new KeylaneError('ERR_CLOSED', 'the service is closing');
    const { driver } = source.identity;
    const batch = engine.batches.run(source, {
      ...(within(settings.options, principal) as JobsOptions),
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

  #refuseFull(entering: number, own: number): void {
    const { limits, stopping } = this.#host;
    if (stopping.aborted) throw new KeylaneError('ERR_CLOSED', 'the service is closing');
    const full = (what: string, most: number) =>
      new KeylaneError('ERR_SATURATED', `the service has ${most} ${what} already; try again when one has ended`);
    if (entering >= limits.uploads) throw full('batches that come in', limits.uploads);
    // Whoever sends slowly keeps its place for long: half are others'.
    const share = Math.ceil(limits.uploads / 2);
    if (own >= share) throw full('batches of this token that come in', share);
    if (this.#running.size >= limits.batches) throw full('batches that run', limits.batches);
  }

  async #inputOf({ id, input }: BatchSummary): Promise<OpenedJobs> {
    if (!input) throw new Refusal(409, 'ERR_INPUT', `the input of batch ${id} is not known`);
    return reopenJobs(input, { dir: this.#host.engine.batches.directory(id) });
  }

  #leave(): void {
    for (const running of this.#running.values()) running.leave();
    this.#followers.end();
  }
}

/** Jobs that were taken in before: what their bearer may do may be less than it was. */
async function* allowed({ read, driver: usual }: Pick<RetriedJobs, 'read' | 'driver'>, principal: Principal) {
  for await (const job of read()) {
    principal.checkRequest(job.driver ?? usual, job.request);
    yield job;
  }
}

function refuseForeign({ id }: BatchSummary): never {
  throw new Refusal(409, 'ERR_INPUT', `batch ${id} was not made by a service: go on with it by \`keylane batch\``);
}
