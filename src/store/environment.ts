import { isMainThread } from 'node:worker_threads';

/**
 * An open LMDB environment, as much of it as is used. Keys and values are bytes. Named here, because what is public leads to
 * it, and the library's own types do not fit a program of ES modules that checks those too.
 */
export interface Environment {
  get(key: Buffer): Buffer | undefined;
  putSync(key: Buffer, value: Buffer): unknown;
  removeSync(key: Buffer): unknown;
  getRange(range: Range): Iterable<{ key: Buffer; value: Buffer }>;
  doesExist(key: Buffer): boolean;
  getStats(): object;
  transactionSync<T>(work: () => T, flags: number): T;
  close(): Promise<void>;
}

interface Range {
  start?: Buffer;
  end?: Buffer;
  reverse?: boolean;
  inclusiveEnd?: boolean;
  exclusiveStart?: boolean;
  limit?: number;
}

export interface EnvironmentOptions {
  /** What is committed survives a power cut; else only the death of a process. */
  durable: boolean;
  readOnly?: boolean;
}

/** A slot for each thread of each process that reads: 64 bytes each in lock.mdb. */
const READERS = 1_000;

/** What lock.mdb takes for `READERS`, as LMDB 3.5.6 reckons, and a page more. */
export const LOCK_BYTES = 64 * (READERS + 4) + 4_096;

export const DATA_FILE = 'data.mdb';

/** LMDB's longest key here. */
export const LONGEST_KEY = 1_978;

/**
 * Opens an LMDB environment: the only place that loads the library, and only then (25 ms that a command without a store
 * does not pay).
 *
 * The main thread alone may do so: a thread that is terminated while it reads takes the process with it (`napi_throw`).
 */
export async function openEnvironment(dir: string, options: EnvironmentOptions): Promise<Environment> {
  if (!isMainThread) throw new Error('a store may be opened by the main thread alone');
  const { open } = await import('lmdb');
  const { durable, readOnly = false } = options;
  return open<Buffer, Buffer>(dir, {
    encoding: 'binary',
    keyEncoding: 'binary',
    // A name with a dot in it is a directory as well.
    noSubdir: false,
    // The lock is let go of before the disk has it: otherwise other processes wait for the disk, too.
    overlappingSync: durable && !readOnly,
    noSync: !durable,
    readOnly,
    maxReaders: READERS,
  });
}

/** Can be aborted, is committed on return, and flushed by LMDB itself: with `overlappingSync` before it returns. */
const AT_ONCE = 0x1_0003;

/**
 * Runs `work` as one transaction and returns when it is committed, in a durable environment flushed (seen with strace).
 * The library's asynchronous transactions are not used: on Node 20.20 their callback is never called (lmdb 3.5.6).
 */
export function transact<T>(environment: Environment, work: () => T): T {
  return environment.transactionSync(work, AT_ONCE);
}
