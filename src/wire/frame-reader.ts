import { type Message, unpackValue } from './codec.js';
import { ToldLane } from './lane-book.js';
import {
  CACHE_NOTE,
  CACHE_PART,
  KIND,
  LANE,
  LONG_RESPONSE,
  MODE_SHIFT,
  MODES,
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

/** Who takes what a frame holds. A side that gets no runs, or no responses, throws there. */
export interface FrameVisitor<M extends Message> {
  run(command: RunCommand): void;
  response(
    slot: number,
    id: number,
    queuedUs: number,
    openUs: number,
    runUs: number,
    reused: boolean,
    response: unknown,
    cache: CacheNote | undefined,
  ): void;
  other(message: Exclude<M, RunCommand | ResponseReply>): void;
}

/** Reads frames (layout.ts) in the order they came; keeps the lanes it was told, and the parts of what is not complete yet. */
export class FrameReader<M extends Message> {
  readonly #parts = new Map<number, Uint8Array[]>();
  readonly #lanes: ToldLane[] = [];
  /** That of the next run, where it is not to be kept. */
  #lane: ToldLane | undefined = undefined;

  read(frame: Uint8Array, visitor: FrameVisitor<M>): void {
    const [words, values] = opened(frame);
    let part: CachePart | undefined;
    let note: CacheNote | undefined;
    // The next value.
    let v = 0;
    for (let i = 1; i < words.length; ) {
      const head = words[i]!;
      const kind = head & KIND;
      if (kind === RESPONSE) {
        const slot = words[i + 1]!;
        const response = head & OF_PARTS ? this.#whole(slot) : values[v++];
        const id = words[i + 2]! >>> 0;
        const reused = (head & REUSED) !== 0;
        visitor.response(slot, id, words[i + 3]!, words[i + 4]!, words[i + 5]!, reused, response, note);
        note = undefined;
        i += 6;
      } else if (kind === RUN) {
        const slot = words[i + 1]!;
        const request = head & OF_PARTS ? this.#whole(slot) : values[v++];
        const told = this.#lanes[words[i + 3]!] ?? (this.#lane as ToldLane);
        const { driver, key, lane, target } = told;
        visitor.run({
          kind: 'run',
          slot,
          id: words[i + 2]! >>> 0,
          mode: MODES[(head >> MODE_SHIFT) & 0xff]!,
          driver,
          key,
          lane,
          target,
          request,
          deadline: words[i + 4]! * WORD + (words[i + 5]! >>> 0) || Number.POSITIVE_INFINITY,
          priority: (head >> PRIORITY_SHIFT) - PRIORITY_ZERO,
          cache: part,
          told,
        });
        part = undefined;
        i += 6;
      } else if (kind === LANE) {
        const [driver, key, lane, target] = values.slice(v, v + 4);
        this.#told(words[i + 1]!, new ToldLane(driver as string, key as string, lane as string, target));
        v += 4;
        i += 2;
      } else if (kind === OTHER) {
        visitor.other(values[v++] as Exclude<M, RunCommand | ResponseReply>);
        i += 1;
      } else if (kind === PART) {
        this.#keep(words[i + 1]!, values[v++] as Uint8Array);
        i += 2;
      } else if (kind === CACHE_PART) {
        part = cachePartAt(values, v);
        v += 10;
        i += 1;
      } else if (kind === CACHE_NOTE) {
        note = cacheNoteAt(values, v);
        v += 4;
        i += 1;
      } else if (kind === LONG_RESPONSE) {
        const slot = words[i + 1]!;
        const [queuedUs, openUs, runUs] = values.slice(v, v + 3) as [number, number, number];
        v += 3;
        const response = head & OF_PARTS ? this.#whole(slot) : values[v++];
        visitor.response(slot, words[i + 2]! >>> 0, queuedUs, openUs, runUs, (head & REUSED) !== 0, response, note);
        note = undefined;
        i += 3;
      } else {
        throw new Error(`no message begins with ${head}`);
      }
    }
  }

  #told(number: number, lane: ToldLane): void {
    if (number < 0) this.#lane = lane;
    else this.#lanes[number] = lane;
  }

  #keep(slot: number, part: Uint8Array): void {
    const parts = this.#parts.get(slot);
    if (parts) parts.push(part);
    else this.#parts.set(slot, [part]);
  }

  #whole(slot: number): unknown {
    const parts = this.#parts.get(slot) ?? [];
    this.#parts.delete(slot);
    return unpackValue(Buffer.concat(parts));
  }
}

/** Its words, without copying them where they lie as words may, and its values. */
function opened(frame: Uint8Array): [Int32Array, unknown[]] {
  const { buffer, byteOffset } = frame.byteOffset % 4 === 0 ? frame : new Uint8Array(frame);
  const used = new Int32Array(buffer, byteOffset, 1)[0]!;
  const words = new Int32Array(buffer, byteOffset, used);
  return [words, unpackValue(frame.subarray(words.byteLength)) as unknown[]];
}

function cachePartAt(values: unknown[], at: number): CachePart {
  return {
    digest: values[at] as string,
    name: values[at + 1] as string,
    tags: values[at + 2] as string[],
    ttlMs: values[at + 3] as number,
    staleMs: values[at + 4] as number,
    negativeMs: values[at + 5] as number,
    fresh: values[at + 6] as boolean,
    etag: values[at + 7] as string | undefined,
    old: values[at + 8] as Uint8Array | undefined,
    ownTtl: values[at + 9] as boolean | undefined,
  };
}

function cacheNoteAt(values: unknown[], at: number): CacheNote {
  return {
    status: STATUSES[values[at] as number] as CacheNote['status'],
    ageMs: values[at + 1] as number,
    etag: values[at + 2] as string | undefined,
    saidMs: values[at + 3] as number | undefined,
  };
}
