import type { Named } from './pattern.js';

/** An answer on disk. Times are of the wall clock, in milliseconds: other processes read them. */
export interface DiskEntry extends Named {
  /** 64 hex digits. */
  readonly digest: string;
  /** Packed. */
  readonly response: Uint8Array;
  readonly etag?: string | undefined;
  /** How long its peer says that it holds. */
  readonly saidMs?: number | undefined;
  readonly storedAt: number;
  /** Until then it is fresh. */
  readonly staleAt: number;
  /** From then on it may be dropped. */
  readonly deadAt: number;
}

/** All of an answer but what the peer said. */
export interface EntryInfo extends Omit<DiskEntry, 'response'> {
  /** What it takes of the cache's bound. */
  readonly bytes: number;
}

/** What is stored beside the response. */
export interface Meta extends Omit<EntryInfo, 'digest'> {
  /** When it was last used, to a minute. */
  readonly usedAt: number;
}

// A cache's keys. A digest is its 32 bytes, a time 6 bytes, so that they are in its order.
//
//     meta/<digest>            Meta, as JSON
//     body/<digest>            the response
//     used/<time><digest>      when it dies (float64): the order in which answers are evicted
//     key/<key>\0<digest>      nothing: what an invalidation finds it by
//     name/<name or tag>\0<digest>
//     total                    entries and bytes (float64 each)
export const USED = 'used/';
/** The first key after those: `/` and the next character. */
export const USED_END = 'used0';
export const TOTAL = 'total';
const DIGEST_BYTES = 32;
const TIME_BYTES = 6;
/** Longer keys and tags are found by their beginning. */
const LONGEST_TERM = 512;
const END = Buffer.of(0);

export function metaKey(digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from('meta/'), digest]);
}

export function bodyKey(digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from('body/'), digest]);
}

export function usedKey(usedAt: number, digest: Buffer): Buffer {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeUIntBE(Math.max(0, Math.floor(usedAt)), 0, TIME_BYTES);
  return Buffer.concat([Buffer.from(USED), time, digest]);
}

/** Where all of an answer's names are found. */
export function termKeys({ key, name, tags }: Named, digest: Buffer): Buffer[] {
  const names = [...new Set([name, ...tags])].map((term) => termPrefix('name/', term));
  return [termPrefix('key/', key), ...names].map((prefix) => Buffer.concat([prefix, digest]));
}

/** Where the answers are that a pattern may name, and perhaps others. */
export function placeOf(pattern: string): Buffer {
  if (pattern.startsWith('key:')) return termPrefix('key/', pattern.slice('key:'.length));
  const wild = pattern.search(/[*?]/);
  return wild < 0 ? termPrefix('name/', pattern) : termStart('name/', pattern.slice(0, wild));
}

/** Of a key that ends in one. */
export function digestIn(key: Buffer): Buffer {
  return key.subarray(key.length - DIGEST_BYTES);
}

function termPrefix(kind: string, term: string): Buffer {
  return Buffer.concat([termStart(kind, term), END]);
}

function termStart(kind: string, term: string): Buffer {
  return Buffer.concat([Buffer.from(kind), Buffer.from(term).subarray(0, LONGEST_TERM)]);
}
