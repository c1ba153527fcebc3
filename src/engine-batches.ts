import { join } from 'node:path';
import { Batch } from './batch/batch.js';
import { Batches } from './batch/batches.js';
import type { BatchHost } from './batch/host.js';
import { type JournalCounts, noCounts } from './batch/journal/counts.js';
import { newBatchId } from './batch/journal/id.js';
import { type Input, type Jobs, totalOf } from './batch/source.js';
import type { BatchOptions } from './batch-options.js';
import type { JobSource, Journal, JournalAsked } from './batch-types.js';
import { BATCH_OPTIONS, checkCallOptions, checkIterable, JOBS_OPTIONS } from './call-options.js';
import { KeylaneError } from './errors.js';
import { dataDirectory, dataPath } from './store/data-dir.js';

/** Options of a batch whose requests say themselves what is theirs. */
export interface JobsOptions extends Omit<BatchOptions, 'each'> {
  /** Of jobs that name none. @default what the source says */
  driver?: string;
}

/** What the batches of an engine do. */
export interface BatchStats {
  /** Those with requests in flight. */
  running: number;
  journal: JournalCounts & {
    /** Journals that this engine holds. */
    open: number;
  };
}

/** What batches are to know of their engine. */
export interface BatchEngine {
  readonly dataDir: string | undefined;
  /** Throws `ERR_INPUT` where there is no such driver. */
  hostOf(driver: string, isLive: boolean): BatchHost;
  /** Throws `ERR_CLOSED` where it is. */
  refuseClosed(): void;
}

/** The batches of an engine's data directory, and a way to run one. */
export class EngineBatches extends Batches {
  readonly #maker: BatchMaker;

  /** @internal */
  constructor(maker: BatchMaker, dataDir: string | undefined) {
    super(join(dataPath(dataDir), 'batches'));
    this.#maker = maker;
  }

  /**
   * Many requests that say themselves of which driver they are, and what is theirs. Begins when iterated. An error in place
   * of a job is that request's result.
   */
  run(source: JobSource | Jobs, options: JobsOptions = {}): Batch<unknown, unknown> {
    return this.#maker.run(source, options);
  }
}

/** Makes the batches of an engine, and sees to it that those with a journal let go of it when the engine ends. */
export class BatchMaker {
  readonly #engine: BatchEngine;
  #face: EngineBatches | undefined = undefined;
  readonly #counts = noCounts();
  /** Those that hold a journal. */
  readonly #open = new Set<{ leave(error: Error): void; abandon(error: Error): Promise<void> }>();

  constructor(engine: BatchEngine) {
    this.#engine = engine;
  }

  /** Made when it is asked for: not everybody has a place for a data directory. */
  get face(): EngineBatches {
    this.#face ??= new EngineBatches(this, this.#engine.dataDir);
    return this.#face;
  }

  of<Req, Res>(driver: string, requests: Iterable<Req> | AsyncIterable<Req>, options: BatchOptions<Req>) {
    checkCallOptions(options, BATCH_OPTIONS);
    checkIterable(requests);
    const host = this.#engine.hostOf(driver, options.onChunk !== undefined);
    return this.#make<Req, Res>(host, { kind: 'requests', from: requests }, options, driver);
  }

  run(source: JobSource | Jobs, options: JobsOptions): Batch<unknown, unknown> {
    checkCallOptions(options, JOBS_OPTIONS);
    let input: Input<unknown>;
    if (isSource(source)) input = { kind: 'source', from: source };
    else {
      checkIterable(source);
      input = { kind: 'jobs', from: source };
    }
    const isLive = options.onChunk !== undefined;
    const driver = options.driver ?? (isSource(source) ? source.identity?.driver : undefined);
    const of = (name: string) => this.#engine.hostOf(name, isLive);
    const host = driver === undefined ? withoutDriver(of('echo')) : of(driver);
    return this.#make<unknown, unknown>({ ...host, of }, input, options, driver);
  }

  /** What the journals have written. */
  get journaled(): BatchStats['journal'] {
    return { open: this.#open.size, ...this.#counts };
  }

  /** The engine is about to close: what has a journal starts no more, so that what it begins is not cut. */
  leave(): void {
    for (const batch of this.#open) batch.leave(closed());
  }

  /** Ends what still holds a journal. After the shards: what was in flight has had its time. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((batch) => batch.abandon(closed())));
  }

  #make<Req, Res>(host: BatchHost, input: Input<Req>, options: BatchOptions<Req>, driver: string | undefined) {
    if (!options.journal) return new Batch<Req, Res>(host, input, options);
    const { id = newBatchId(), resume = false, settings, maxOutputTotal } = options;
    const asked: JournalAsked = {
      ...{ id, resume, total: totalOf(input), driver, settings, maxOutputTotal },
      input: input.kind === 'source' ? input.from.identity : undefined,
    };
    const open = async () => {
      this.#engine.refuseClosed();
      this.#open.add(batch);
      return openJournal(this.#engine.dataDir, asked, this.#counts);
    };
    const batch = new Batch<Req, Res>(host, input, options, { id, open, ended: () => this.#open.delete(batch) });
    return batch;
  }
}

/** Where a journal is opened. Only now: who has none does not load LMDB. */
async function openJournal(dataDir: string | undefined, asked: JournalAsked, counts: JournalCounts): Promise<Journal> {
  const { openJournal: open } = await import('./batch/journal/journal.js');
  return open(join(dataDirectory(dataDir), 'batches'), { ...asked, counts });
}

function closed(): KeylaneError {
  return new KeylaneError('ERR_CLOSED', 'the engine was closed; the batch can be gone on with');
}

function isSource(source: object): source is JobSource {
  return 'read' in source && typeof source.read === 'function';
}

/** Of jobs that must all name theirs. */
function withoutDriver(host: BatchHost): BatchHost {
  const parse = () => {
    throw new KeylaneError('ERR_INPUT', 'the job names no `driver`, and the batch has none');
  };
  return { ...host, parse, meter: undefined };
}
