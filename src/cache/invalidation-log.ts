import type { Store } from '../store/store.js';
import { matchesAny, type Named } from './pattern.js';

/** What was invalidated, and its place in the order. Places only grow. */
export interface Invalidation {
  readonly seq: number;
  readonly patterns: readonly string[];
}

/** How long one is kept: a process that slept for longer forgets everything instead. */
const KEPT_MS = 3_600_000;
const PRUNED_AT_ONCE = 1_000;
const SEQ_BYTES = 6;
const PREFIX = 'log/';
const LAST = Buffer.from('log-last');
/** What names everything. */
const ALL: readonly string[] = ['*'];

/**
 * The invalidations of a store, in order, for the processes that share it: who remembers answers itself reads what came
 * `since` it looked last, and who began to fetch an answer before an invalidation learns that it must not be kept.
 *
 *     log/<seq>   when, patterns      pruned after an hour
 *     log-last    seq of the last one
 */
export class InvalidationLog {
  readonly #store: Store;
  readonly #wallNow: () => number;

  constructor(store: Store, wallNow: () => number) {
    this.#store = store;
    this.#wallNow = wallNow;
  }

  /**
   * Within a transaction, before anything else. The first place is one that no earlier store of this directory came to:
   * who still has one of its places is told of a gap.
   */
  begin(): void {
    if (this.last() === 0) this.#noteLast(Math.floor(this.#wallNow()));
  }

  /** The place of the last one. */
  last(): number {
    const value = this.#store.get(LAST);
    return value?.length === SEQ_BYTES ? value.readUIntBE(0, SEQ_BYTES) : 0;
  }

  /** What came after this place. What is not there any more may have been anything. */
  since(seq: number): Invalidation[] {
    const last = this.last();
    if (last === seq) return [];
    const found: Invalidation[] = [];
    for (const [key, value] of this.#store.range({ start: keyOf(seq + 1), end: keyOf(last + 1) }))
      found.push({ seq: seqOf(key), patterns: read(value).patterns });
    // A gap: pruned meanwhile, or another store has taken its place.
    const whole = seq < last && found[0]?.seq === seq + 1;
    return whole ? found : [{ seq: last, patterns: ALL }];
  }

  /** Was it invalidated after this place, as far as can be known? */
  hasNamed(answer: Named, seq: number): boolean {
    return this.since(seq).some(({ patterns }) => matchesAny(patterns, answer));
  }

  /** Within a transaction. Returns its place. */
  append(patterns: readonly string[]): number {
    const at = this.#wallNow();
    const seq = this.last() + 1;
    void this.#store.put(keyOf(seq), Buffer.from(JSON.stringify({ at, patterns })));
    this.#noteLast(seq);
    this.#prune(at);
    return seq;
  }

  #noteLast(seq: number): void {
    const last = Buffer.alloc(SEQ_BYTES);
    last.writeUIntBE(seq, 0, SEQ_BYTES);
    void this.#store.put(LAST, last);
  }

  /** One of the future is pruned, too: the clock was set back, and it would stay for ever. */
  #prune(now: number): void {
    const old: Buffer[] = [];
    for (const [key, value] of this.#store.range({ prefix: PREFIX, limit: PRUNED_AT_ONCE })) {
      if (Math.abs(now - read(value).at) <= KEPT_MS) break;
      old.push(key);
    }
    for (const key of old) void this.#store.remove(key);
  }
}

function keyOf(seq: number): Buffer {
  const key = Buffer.alloc(PREFIX.length + SEQ_BYTES, PREFIX);
  key.writeUIntBE(seq, PREFIX.length, SEQ_BYTES);
  return key;
}

function seqOf(key: Buffer): number {
  return key.readUIntBE(PREFIX.length, SEQ_BYTES);
}

function read(value: Buffer): { at: number; patterns: string[] } {
  return JSON.parse(value.toString()) as { at: number; patterns: string[] };
}
