import { KeylaneError } from '../errors.js';
import { type Clock, systemClock } from '../util/clock.js';
import { type Deferred, deferred } from '../util/deferred.js';
import { type Environment, LONGEST_KEY, transact } from './environment.js';
import { Opened } from './opened.js';
import { seal, unseal } from './seal.js';
import { corrupt, storeError } from './trouble.js';

export interface StoreOptions {
  /** What is flushed survives a power cut. Without, only the death of a process: for what can be had again. */
  durable: boolean;
  /** Of the format of the values, 0 to 65,535. What an older one wrote is not there. */
  version: number;
  /** @default the system's */
  clock?: Clock;
}

export interface StoreRange {
  /** The first key. */
  start?: Buffer | string;
  /** The key before which it ends. */
  end?: Buffer | string;
  /** Only keys that begin with it; instead of `start` and `end`. */
  prefix?: Buffer | string;
  /** From the last to the first. */
  reverse?: boolean;
  limit?: number;
}

/**
 * Opens the store in a directory of its own, which is made if it is not there. A directory that is open already is opened
 * once more: it ends with its last `close`.
 *
 * Rejects with `ERR_CONFIG` (not ours to use), `ERR_STORE_CORRUPT`, `ERR_STORE_BUSY` or `ERR_STORE_FULL`: each names the
 * path and what to do.
 */
export async function openStore(dir: string, options: StoreOptions): Promise<Store> {
  const opened = await Opened.enter(dir, { durable: options.durable, clock: options.clock ?? systemClock });
  return new Store(opened, await opened.environment, options);
}

/**
 * Bytes by key, shared by the processes that have it open. Each value carries a checksum, so that what is handed out is
 * what was put; and the version of its format.
 *
 * What is put or removed in one turn of the event loop is one transaction at its end: all of it or, if its promise rejects,
 * nothing. When that resolves, others see it, and a durable store's disk has it. In `transaction` they take part in that.
 * Keys are ordered by their bytes.
 *
 * The main thread writes and waits for the disk by itself. LMDB's own writing thread is not used: on a full disk it left
 * rejections that nobody can hear and promises that never settle, and 1,000 puts a wave were not 10 % faster with it.
 */
export class Store {
  readonly dir: string;
  readonly #opened: Opened;
  readonly #environment: Environment;
  readonly #options: StoreOptions;
  /** The transaction's work is running. */
  #within = false;
  /** What this turn of the event loop put and removed. */
  #turn: Turn | undefined;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(opened: Opened, environment: Environment, options: StoreOptions) {
    this.dir = opened.dir;
    this.#opened = opened;
    this.#environment = environment;
    this.#options = options;
  }

  /** A copy, or undefined. Throws `ERR_STORE_CORRUPT` where it is not what was put. */
  get(key: Buffer | string): Buffer | undefined {
    const id = this.#id(key);
    const value = this.#try(() => this.#environment.get(id));
    return value === undefined ? undefined : this.#payload(id, value);
  }

  put(key: Buffer | string, value: Uint8Array): Promise<void> {
    const id = this.#id(key);
    const sealed = seal(id, value, this.#options.version);
    return this.#write(() => this.#environment.putSync(id, sealed));
  }

  /** That there is none is no error. */
  remove(key: Buffer | string): Promise<void> {
    const id = this.#id(key);
    return this.#write(() => this.#environment.removeSync(id));
  }

  /**
   * What is there, in the order of the keys, as it was when the loop began. A loop that goes on over turns of the event
   * loop keeps LMDB from using freed space again: take what you need at once.
   */
  *range(range: StoreRange = {}): IterableIterator<[key: Buffer, value: Buffer]> {
    this.#refuseClosed();
    for (const { key, value } of this.#entries(range)) {
      const payload = this.#payload(key, value);
      if (payload) yield [key, payload];
    }
  }

  /**
   * Runs `work` as one transaction: nobody else writes between what it reads and what it writes, in any process. If it
   * throws, nothing has happened. It must not wait for anything. When this resolves, it is visible, and in a durable
   * store on the disk.
   */
  async transaction<T>(work: () => T): Promise<T> {
    this.#refuseClosed();
    if (this.#within) throw new Error('a transaction is running already');
    // What was put before comes before.
    this.#commitTurn();
    const whole = () => {
      this.#within = true;
      try {
        const result = work();
        if (result instanceof Promise) throw new Error('the work of a transaction must not be asynchronous');
        return result;
      } finally {
        this.#within = false;
      }
    };
    return this.#try(() => transact(this.#environment, whole));
  }

  /** Resolves when all that was put is on the disk; in a store that is not durable, when others see it. */
  async flushed(): Promise<void> {
    this.#refuseClosed();
    await this.#turn?.settled.promise;
  }

  /** Lets finish what was put. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#commitTurn();
      this.#closed = this.#opened.leave();
    }
    return this.#closed;
  }

  /** An own error that `work` throws passes through; anything else is the library's or the file system's. */
  #try<T>(step: () => T): T {
    this.#refuseClosed();
    try {
      return step();
    } catch (error) {
      throw isOfStore(error) ? this.#told(storeError(error, this.dir)) : error;
    }
  }

  #write(step: () => unknown): Promise<void> {
    if (this.#within) {
      this.#try(step);
      return DONE;
    }
    this.#refuseClosed();
    if (!this.#turn) {
      this.#turn = { steps: [], settled: deferred() };
      setImmediate(() => this.#commitTurn());
    }
    this.#turn.steps.push(step);
    return this.#turn.settled.promise;
  }

  #commitTurn(): void {
    const turn = this.#turn;
    if (!turn) return;
    this.#turn = undefined;
    try {
      this.#try(() =>
        transact(this.#environment, () => {
          for (const step of turn.steps) step();
        }),
      );
      turn.settled.resolve();
    } catch (error) {
      turn.settled.reject(error);
    }
  }

  #told(error: KeylaneError): KeylaneError {
    if (error.code === 'ERR_STORE_CORRUPT') this.#opened.suspect();
    return error;
  }

  #entries({ start, end, prefix, reverse = false, limit }: StoreRange) {
    let from = start === undefined ? undefined : this.#id(start);
    let to = end === undefined ? undefined : this.#id(end);
    if (prefix !== undefined) {
      from = this.#id(prefix);
      to = successor(from);
    }
    const bounds = reverse ? backwards(from, to) : forwards(from, to);
    return this.#try(() => this.#environment.getRange(limit === undefined ? bounds : { ...bounds, limit }));
  }

  #payload(key: Buffer, value: Buffer): Buffer | undefined {
    const unsealed = unseal(key, value);
    if (!unsealed) throw this.#told(corrupt(this.dir, 'a value does not have its checksum'));
    if (unsealed.version === this.#options.version) return unsealed.payload;
    if (unsealed.version < this.#options.version || !this.#options.durable) return undefined;
    // As if it were not there, it would be written over.
    const text = `the store ${this.dir} was written by a newer keylane; use that one, or another \`dataDir\``;
    throw new KeylaneError('ERR_CONFIG', text);
  }

  #id(key: Buffer | string): Buffer {
    const id = typeof key === 'string' ? Buffer.from(key) : key;
    if (id.length > 0 && id.length <= LONGEST_KEY) return id;
    throw new KeylaneError('ERR_INPUT', `a key of a store has 1 to ${LONGEST_KEY} bytes; this one has ${id.length}`);
  }

  #refuseClosed(): void {
    if (this.#closed) throw new KeylaneError('ERR_CLOSED', `the store ${this.dir} is closed`);
  }
}

/** Writes of one turn of the event loop, to be committed together. */
interface Turn {
  readonly steps: (() => unknown)[];
  readonly settled: Deferred<void>;
}

const DONE = Promise.resolve();
const FIRST = Buffer.of(0);

function forwards(from: Buffer | undefined, to: Buffer | undefined) {
  return { start: from ?? FIRST, ...(to && { end: to }) };
}

/** To LMDB a range that goes backwards starts at its last key. */
function backwards(from: Buffer | undefined, to: Buffer | undefined) {
  const bounds = { reverse: true, end: from ?? FIRST, inclusiveEnd: true };
  return to ? { ...bounds, start: to, exclusiveStart: true } : bounds;
}

/** The first key after all that begin with this; undefined where there is none. */
function successor(prefix: Buffer): Buffer | undefined {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, last + 1));
  next[last]! += 1;
  return next;
}

/** LMDB's codes are numbers, the kernel's are names; an error of `work` has neither. */
function isOfStore(error: unknown): boolean {
  return (
    !(error instanceof KeylaneError) && error instanceof Error && 'code' in error && typeof error.code === 'number'
  );
}
