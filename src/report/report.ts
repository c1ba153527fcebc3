import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectory, dataPath } from '../store/data-dir.js';
import type { Clock } from '../util/clock.js';
import { type ReportedStatus, Tally } from './tally.js';

/** What is kept of one operation, of all engines that used the data directory. */
export interface OperationReport {
  operation: string;
  /** Answers: hits, misses and stale ones. */
  count: number;
  hits: number;
  misses: number;
  /** Answers given past their time. */
  stale: number;
  /** The share of all that was remembered, 0 … 1. */
  hitRatio: number;
  /** Milliseconds from hand-over to answer. The quantiles are off by 3 % at most. */
  averageMs: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
}

export interface ReportOptions {
  dataDir: string | undefined;
  clock: Clock;
  /** It cannot be kept; told once. */
  failed(message: string): void;
}

/** Operations that are counted apart; who comes later is counted as `other`. */
const MOST_OPERATIONS = 100;
const OTHER = 'other';
const KEEP_EVERY_MS = 60_000;
const PREFIX = 'operation:';
const FORMAT = 1;

/**
 * Counts by operation in memory, and adds them to those on disk once a minute and when it is closed: what a process
 * that is killed has counted since is lost. Nothing is loaded or opened before.
 */
export class Report {
  readonly #options: ReportOptions;
  #tallies = new Map<string, Tally>();
  /** When it was kept last, or the first was counted. */
  #keptAt: number | undefined = undefined;
  #keeping: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  note(operation: string, status: ReportedStatus, ms: number): void {
    if (this.#hasFailed) return;
    tallyOf(this.#tallies, operation).note(status, ms);
    const now = this.#options.clock.now();
    this.#keptAt ??= now;
    if (now - this.#keptAt >= KEEP_EVERY_MS) void this.#keep(now);
  }

  /** Resolves when all is kept, or it was told why not. */
  close(): Promise<void> {
    return this.#keep(this.#options.clock.now());
  }

  #keep(now: number): Promise<void> {
    this.#keptAt = now;
    const tallies = this.#tallies;
    if (tallies.size === 0) return this.#keeping;
    this.#tallies = new Map();
    this.#keeping = this.#keeping.then(async () => {
      if (this.#hasFailed) return;
      try {
        await add(join(dataDirectory(this.#options.dataDir), 'report'), tallies);
      } catch (error) {
        this.#hasFailed = true;
        this.#options.failed(`cannot keep the report, and goes on without: ${(error as Error).message}`);
      }
    });
    return this.#keeping;
  }
}

/**
 * What `keylane report` prints: the report of a data directory, the most asked operations first. Empty where there is none.
 * Rejects with `ERR_CONFIG`, or `ERR_STORE_…`, where it cannot be read.
 */
export async function readReport({ dataDir }: { dataDir?: string | undefined } = {}): Promise<OperationReport[]> {
  const dir = join(dataPath(dataDir), 'report');
  if (!existsSync(dir)) return [];
  dataDirectory(dataDir);
  return within(dir, (store) => {
    const found = Array.from(store.range({ prefix: PREFIX }), ([key, bytes]) =>
      reported(key.toString().slice(PREFIX.length), Tally.unpacked(bytes)),
    );
    return found.sort((one, other) => other.count - one.count);
  });
}

function add(dir: string, tallies: ReadonlyMap<string, Tally>): Promise<void> {
  return within(dir, (store) =>
    store.transaction(() => {
      const kept = new Map<string, Tally>();
      for (const [key, bytes] of store.range({ prefix: PREFIX }))
        kept.set(key.toString().slice(PREFIX.length), Tally.unpacked(bytes));
      const changed = new Set<string>();
      for (const [operation, tally] of tallies) {
        const name = nameIn(kept, operation);
        tallyOf(kept, name).merge(tally);
        changed.add(name);
      }
      for (const name of changed) void store.put(PREFIX + name, tallyOf(kept, name).packed());
    }),
  );
}

async function within<T>(dir: string, work: (store: Store) => T | Promise<T>): Promise<T> {
  // Loaded here: the store's library is 30 ms that most programs need not spend.
  const { openStore } = await import('../store/store.js');
  const store = await openStore(dir, { durable: false, version: FORMAT });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

type Store = Awaited<ReturnType<typeof import('../store/store.js').openStore>>;

function tallyOf(tallies: Map<string, Tally>, operation: string): Tally {
  const name = nameIn(tallies, operation);
  let tally = tallies.get(name);
  if (!tally) {
    tally = new Tally();
    tallies.set(name, tally);
  }
  return tally;
}

function nameIn(tallies: ReadonlyMap<string, Tally>, operation: string): string {
  return tallies.has(operation) || tallies.size < MOST_OPERATIONS ? operation : OTHER;
}

function reported(operation: string, { count, counts, sumUs, took }: Tally): OperationReport {
  const ms = (q: number) => took.quantile(q) / 1_000;
  return {
    operation,
    count,
    hits: counts.hit,
    misses: counts.miss,
    stale: counts.stale,
    hitRatio: count === 0 ? 0 : (counts.hit + counts.stale) / count,
    averageMs: count === 0 ? 0 : sumUs / count / 1_000,
    p50Ms: ms(0.5),
    p95Ms: ms(0.95),
    p99Ms: ms(0.99),
  };
}
