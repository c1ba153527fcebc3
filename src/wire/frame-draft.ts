import type { LaneBook } from './lane-book.js';
import {
  CACHE_NOTE,
  CACHE_PART,
  LANE,
  LONG_RESPONSE,
  MODE_SHIFT,
  MODES,
  NO_DEADLINE,
  OF_PARTS,
  OTHER,
  PART,
  PRIORITY_SHIFT,
  PRIORITY_ZERO,
  RESPONSE,
  REUSED,
  RUN,
  STATUSES,
  WORD,
} from './layout.js';
import type { CacheNote, CachePart, ResponseReply, RunCommand } from './protocol.js';

/** The words and values of a frame that is being written (layout.ts). */
export class FrameDraft {
  #words = new Int32Array(1_024);
  #used = 1;
  values: unknown[] = [];

  get isEmpty(): boolean {
    return this.#used === 1;
  }

  /** Begins another frame. */
  clear(): void {
    this.#used = 1;
    this.values = [];
  }

  run(m: RunCommand, lanes: LaneBook, inParts = false): void {
    if (m.cache !== undefined) this.#cachePart(m.cache);
    const number = lanes.numberOf(m) ?? this.#lane(m, lanes);
    const deadline = m.deadline === Number.POSITIVE_INFINITY ? NO_DEADLINE : Math.ceil(m.deadline);
    const at = this.#room(6);
    const words = this.#words;
    words[at] =
      RUN |
      (inParts ? OF_PARTS : 0) |
      (MODES.indexOf(m.mode) << MODE_SHIFT) |
      ((m.priority + PRIORITY_ZERO) << PRIORITY_SHIFT);
    words[at + 1] = m.slot;
    words[at + 2] = m.id;
    words[at + 3] = number;
    words[at + 4] = Math.floor(deadline / WORD);
    words[at + 5] = deadline;
    if (!inParts) this.values.push(m.request);
  }

  response(m: ResponseReply, inParts = false): void {
    if (m.cache !== undefined) this.#cacheNote(m.cache);
    const { queuedUs, openUs, runUs } = m;
    const flags = (m.reused ? REUSED : 0) | (inParts ? OF_PARTS : 0);
    if (isWord(queuedUs) && isWord(openUs) && isWord(runUs)) {
      const at = this.#room(6);
      const words = this.#words;
      words[at] = RESPONSE | flags;
      words[at + 1] = m.slot;
      words[at + 2] = m.id;
      words[at + 3] = queuedUs;
      words[at + 4] = openUs;
      words[at + 5] = runUs;
    } else {
      const at = this.#room(3);
      this.#words[at] = LONG_RESPONSE | flags;
      this.#words[at + 1] = m.slot;
      this.#words[at + 2] = m.id;
      this.values.push(queuedUs, openUs, runUs);
    }
    if (!inParts) this.values.push(m.response);
  }

  other(message: unknown): void {
    this.#words[this.#room(1)] = OTHER;
    this.values.push(message);
  }

  part(slot: number, bytes: Uint8Array): void {
    const at = this.#room(2);
    this.#words[at] = PART;
    this.#words[at + 1] = slot;
    this.values.push(bytes);
  }

  /** The frame in an ArrayBuffer of its own, ready to be transferred; `packed` are its values. */
  withValues(packed: Uint8Array): Uint8Array<ArrayBuffer> {
    const words = this.#words;
    const length = this.#used * Int32Array.BYTES_PER_ELEMENT;
    words[0] = this.#used;
    const frame = new Uint8Array(length + packed.length);
    frame.set(new Uint8Array(words.buffer, 0, length));
    frame.set(packed, length);
    return frame;
  }

  #lane(m: RunCommand, lanes: LaneBook): number {
    const number = lanes.note(m);
    const at = this.#room(2);
    this.#words[at] = LANE;
    this.#words[at + 1] = number;
    this.values.push(m.driver, m.key, m.lane, m.target);
    return number;
  }

  #cachePart({ digest, name, tags, ttlMs, staleMs, negativeMs, fresh, etag, old, ownTtl }: CachePart): void {
    this.#words[this.#room(1)] = CACHE_PART;
    this.values.push(digest, name, tags, ttlMs, staleMs, negativeMs, fresh, etag, old, ownTtl);
  }

  #cacheNote({ status, ageMs, etag, saidMs }: CacheNote): void {
    this.#words[this.#room(1)] = CACHE_NOTE;
    this.values.push(STATUSES.indexOf(status), ageMs, etag, saidMs);
  }

  /** Where so many words go. */
  #room(words: number): number {
    const at = this.#used;
    this.#used += words;
    if (this.#used > this.#words.length) {
      const larger = new Int32Array(2 * this.#words.length);
      larger.set(this.#words);
      this.#words = larger;
    }
    return at;
  }
}

function isWord(number: number): boolean {
  return (number | 0) === number;
}
