import type { Outcome } from '../../types.js';
import { OUTCOMES } from './records.js';

// A header, all little-endian:
//
//     0  when, in milliseconds of the wall clock   f64
//     8  begun: how many ranges of indexes         u32
//     12 begun: how many indexes                   u32
//     16 begun: bytes of the digest of each        u32   0 or 8
//     20 results                                   u32
//     24 withdrawn                                 u32
//     28 ranges: first index u32, count u32; digests; what was withdrawn, index u32; then of the results in four rows:
//        index u32, microseconds u32, bytes of the line u32, outcome u8 (ASIDE: the line is in the side file)
const AT = { when: 0, ranges: 8, begun: 12, digest: 16, results: 20, withdrawn: 24, first: 28 } as const;
export const DIGEST_BYTES = 8;
/** Of a request that has none. */
export const NO_DIGEST = '\0'.repeat(DIGEST_BYTES);
/** What the line's bytes say is where the line is. */
const ASIDE = 0x80;
const MOST_US = 0xffff_ffff;

/** What is gathered for one commit. */
export interface Gathered {
  begun: readonly number[];
  /** One for each that has begun, as 8 characters (latin1). */
  digests: readonly string[];
  withdrawn: readonly number[];
  indexes: readonly number[];
  micros: readonly number[];
  lengths: readonly number[];
  outcomes: readonly number[];
}

export function packHeader(when: number, gathered: Gathered): Buffer {
  const { begun, digests, withdrawn, indexes, micros, lengths, outcomes } = gathered;
  const ranges = rangesOf(begun);
  const withDigests = digests.some((digest) => digest !== NO_DIGEST);
  const count = indexes.length;
  const digestBytes = withDigests ? begun.length * DIGEST_BYTES : 0;
  const bytes = AT.first + (ranges.length + withdrawn.length) * 4 + digestBytes + count * 13;
  const header = Buffer.allocUnsafe(bytes);
  header.writeDoubleLE(when, AT.when);
  header.writeUInt32LE(ranges.length / 2, AT.ranges);
  header.writeUInt32LE(begun.length, AT.begun);
  header.writeUInt32LE(withDigests ? DIGEST_BYTES : 0, AT.digest);
  header.writeUInt32LE(count, AT.results);
  header.writeUInt32LE(withdrawn.length, AT.withdrawn);
  let at: number = AT.first;
  for (const value of ranges) at = header.writeUInt32LE(value, at);
  if (withDigests) for (const digest of digests) at += header.write(digest, at, DIGEST_BYTES, 'latin1');
  for (const index of withdrawn) at = header.writeUInt32LE(index, at);
  for (const index of indexes) at = header.writeUInt32LE(index, at);
  for (const us of micros) at = header.writeUInt32LE(Math.min(MOST_US, Math.max(0, Math.round(us))), at);
  for (const length of lengths) at = header.writeUInt32LE(length, at);
  for (const outcome of outcomes) at = header.writeUInt8(outcome, at);
  return header;
}

/** As first index and count, in turn. */
function rangesOf(indexes: readonly number[]): number[] {
  const ranges: number[] = [];
  let next = -1;
  for (const index of indexes) {
    if (index === next) ranges[ranges.length - 1]! += 1;
    else ranges.push(index, 1);
    next = index + 1;
  }
  return ranges;
}

export function outcomeByte(outcome: Outcome, isAside: boolean): number {
  return OUTCOMES.indexOf(outcome) | (isAside ? ASIDE : 0);
}

/** A header as it was written. */
export class Header {
  readonly count: number;
  readonly begunCount: number;
  readonly #bytes: Buffer;
  readonly #ranges: number;
  readonly #digestBytes: number;
  readonly #digestsAt: number;
  readonly #withdrawn: number;
  readonly #indexesAt: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#ranges = bytes.readUInt32LE(AT.ranges);
    this.begunCount = bytes.readUInt32LE(AT.begun);
    this.#digestBytes = bytes.readUInt32LE(AT.digest);
    this.count = bytes.readUInt32LE(AT.results);
    this.#digestsAt = AT.first + this.#ranges * 8;
    this.#withdrawn = bytes.readUInt32LE(AT.withdrawn);
    this.#indexesAt = this.#withdrawnAt + 4 * this.#withdrawn;
  }

  get at(): number {
    return this.#bytes.readDoubleLE(AT.when);
  }

  /** Calls for each that has begun; `digest` where they have one: where its 8 bytes are. */
  eachBegun(call: (index: number, bytes: Buffer, digest: number | undefined) => void): void {
    let digest = this.#digestsAt;
    for (let range = 0; range < this.#ranges; range++) {
      const start = this.#bytes.readUInt32LE(AT.first + range * 8);
      const end = start + this.#bytes.readUInt32LE(AT.first + range * 8 + 4);
      for (let index = start; index < end; index++) {
        call(index, this.#bytes, this.#digestBytes === 0 ? undefined : digest);
        digest += this.#digestBytes;
      }
    }
  }

  /** Of those that have begun, here or before. */
  *withdrawn(): Generator<number> {
    for (let i = 0; i < this.#withdrawn; i++) yield this.#bytes.readUInt32LE(this.#withdrawnAt + 4 * i);
  }

  get #withdrawnAt(): number {
    return this.#digestsAt + this.begunCount * this.#digestBytes;
  }

  index(i: number): number {
    return this.#bytes.readUInt32LE(this.#indexesAt + 4 * i);
  }

  micros(i: number): number {
    return this.#bytes.readUInt32LE(this.#indexesAt + 4 * (this.count + i));
  }

  length(i: number): number {
    return this.#bytes.readUInt32LE(this.#indexesAt + 4 * (2 * this.count + i));
  }

  /** Its place in OUTCOMES. */
  outcomeCode(i: number): number {
    return this.#outcomeByte(i) & ~ASIDE;
  }

  outcome(i: number): Outcome {
    return OUTCOMES[this.outcomeCode(i)]!;
  }

  isAside(i: number): boolean {
    return (this.#outcomeByte(i) & ASIDE) !== 0;
  }

  #outcomeByte(i: number): number {
    return this.#bytes[this.#indexesAt + 12 * this.count + i]!;
  }
}
