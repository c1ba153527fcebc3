import type { Outcome } from '../../types.js';
import { DIGEST_BYTES, type Header, NO_DIGEST } from './header.js';
import { type Counts, noCounts, OUTCOMES } from './records.js';

const NEW = 0;
const BEGUN = 1;
/** Codes of outcomes begin here. */
const FIRST = 2;
const LEAST_BYTES = 1_024;

/** What is known of each request, in a byte; of those that began in earlier lives the digests, in eight. */
export class Marks {
  readonly counts: Counts = noCounts();
  /** Those with a result included. */
  begun = 0;
  settled = 0;
  /** After the last that has begun. */
  end = 0;
  #marks = new Uint8Array(LEAST_BYTES);
  #digests: Buffer | undefined;

  known(index: number): 'new' | 'begun' | Outcome {
    const mark = this.#marks[index] ?? NEW;
    if (mark === NEW) return 'new';
    return mark === BEGUN ? 'begun' : OUTCOMES[mark - FIRST]!;
  }

  begin(index: number): void {
    if (index >= this.#marks.length) this.#grow(index);
    if (this.#marks[index] !== NEW) return;
    this.#marks[index] = BEGUN;
    this.begun++;
    this.end = Math.max(this.end, index + 1);
  }

  /** As if it had not begun. */
  withdraw(index: number): void {
    if (this.#marks[index] !== BEGUN) return;
    this.#marks[index] = NEW;
    this.begun--;
  }

  settle(index: number, outcomeCode: number): void {
    this.begin(index);
    if (this.#marks[index] !== BEGUN) this.counts[OUTCOMES[this.#marks[index]! - FIRST]!]--;
    else this.settled++;
    this.#marks[index] = FIRST + outcomeCode;
    this.counts[OUTCOMES[outcomeCode]!]++;
  }

  /** What a commit of an earlier life says. */
  recover(header: Header): void {
    header.eachBegun((index, bytes, digest) => {
      this.begin(index);
      if (digest !== undefined)
        bytes.copy(this.#digestsFor(index), index * DIGEST_BYTES, digest, digest + DIGEST_BYTES);
    });
    for (const index of header.withdrawn()) this.withdraw(index);
    for (let i = 0; i < header.count; i++) this.settle(header.index(i), header.outcomeCode(i));
  }

  /** Undefined where none is known. */
  digest(index: number): string | undefined {
    const at = index * DIGEST_BYTES;
    if (!this.#digests || at >= this.#digests.length || this.known(index) === 'new') return undefined;
    const digest = this.#digests.toString('latin1', at, at + DIGEST_BYTES);
    return digest === NO_DIGEST ? undefined : digest;
  }

  #grow(index: number): void {
    const marks = new Uint8Array(Math.max(index + 1, this.#marks.length * 2));
    marks.set(this.#marks);
    this.#marks = marks;
  }

  #digestsFor(index: number): Buffer {
    const end = (index + 1) * DIGEST_BYTES;
    if (!this.#digests || end > this.#digests.length) {
      const grown = Buffer.alloc(Math.max(end, (this.#digests?.length ?? LEAST_BYTES) * 2));
      if (this.#digests) grown.set(this.#digests);
      this.#digests = grown;
    }
    return this.#digests;
  }
}
