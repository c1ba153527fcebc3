import { Packr, Unpackr } from 'msgpackr';
import type { CacheNote, CachePart, Command, Reply, ResponseReply, RunCommand, RunMode } from './protocol.js';

/**
 * Messages to bytes and back. A frame is one flat msgpack array: the fields of `run` and `response`, which are nearly
 * all of the traffic, stand at fixed places; any other message is its object. Measured: 740,000 requests/s flat,
 * 550,000 as records.
 */
export type Message = Command | Reply;

/** A frame is cut when it holds about this much, and a larger request or response crosses in parts of this size. */
export const FRAME_BYTES = 256 * 1024;

// The first item of a message in a frame.
const RUN = 1;
const RESPONSE = 2;
const OTHER = 3;
/** A slice of a request or response too large for one frame: slot, bytes. */
const PART = 4;
/** `run` and `response` whose payload came before, as parts. */
const RUN_OF_PARTS = 5;
const RESPONSE_OF_PARTS = 6;
/** What a `run` or a `response` has to do with the cache, before it: most have nothing, and pay nothing. */
const CACHE_PART = 7;
const CACHE_NOTE = 8;

const MODES: readonly RunMode[] = ['once', 'live', 'stream', 'prewarm'];

// `moreTypes`: without it a typed array other than Uint8Array crosses as raw bytes that hold what lay in the encoder's
// buffer before (another request's, seen with a Float64Array). `copyBuffers`: a decoded Buffer is otherwise a view of
// the whole frame, its neighbours included. Records are spelled out anew in each frame, so no frame needs another.
const packr = new Packr({ useRecords: true, moreTypes: true });
const unpackr = new Unpackr({ useRecords: true, moreTypes: true, copyBuffers: true });

/**
 * Frames of these messages, each in its own exact ArrayBuffer, ready to be transferred. A message that cannot be
 * encoded (a symbol, a cycle) is handed to `refused` and the others go.
 */
export function encode<M extends Message>(
  messages: readonly M[],
  refused: (message: M, why: Error) => void,
): Uint8Array<ArrayBuffer>[] {
  const frames: Uint8Array<ArrayBuffer>[] = [];
  let flat: unknown[] = [];
  let lanes: LanesOfFrame | undefined;
  let bytes = 0;
  let first = 0;
  const cut = (end: number) => {
    if (flat.length > 0) frames.push(...packed(flat, messages.slice(first, end), refused));
    flat = [];
    lanes = undefined;
    bytes = 0;
    first = end;
  };
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i]!;
    let weight: number;
    try {
      weight = weightOf(message);
    } catch (error) {
      // A getter that throws. It must not take the others of its turn along.
      cut(i);
      first = i + 1;
      refused(message, error as Error);
      continue;
    }
    if (bytes + weight > FRAME_BYTES) cut(i);
    if (weight > FRAME_BYTES && (message.kind === 'run' || message.kind === 'response')) {
      try {
        frames.push(...inParts(message));
      } catch (error) {
        refused(message, error as Error);
      }
      first = i + 1;
      continue;
    }
    if (message.kind === 'run' && message.lane.length >= LONG_LANE) {
      lanes ??= new Map();
      flattenRun(RUN, message, message.request, flat, lanes);
    } else flatten(message, flat);
    bytes += weight;
  }
  cut(messages.length);
  return frames;
}

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

/** Reads frames in the order they came; keeps the parts of what is not complete yet. */
export class FrameReader<M extends Message> {
  readonly #parts = new Map<number, Uint8Array[]>();

  read(frame: Uint8Array, visitor: FrameVisitor<M>): void {
    // As a Buffer: what is copied out of a Buffer is a Buffer again.
    const flat = unpackr.unpack(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)) as unknown[];
    let part: CachePart | undefined;
    let note: CacheNote | undefined;
    for (let i = 0; i < flat.length; ) {
      const head = flat[i];
      if (head === RESPONSE || head === RESPONSE_OF_PARTS) {
        const response = head === RESPONSE ? flat[i + 7] : this.#whole(flat[i + 1] as number);
        visitor.response(
          flat[i + 1] as number,
          flat[i + 2] as number,
          flat[i + 3] as number,
          flat[i + 4] as number,
          flat[i + 5] as number,
          flat[i + 6] as boolean,
          response,
          note,
        );
        note = undefined;
        i += RESPONSE_ITEMS;
      } else if (head === RUN || head === RUN_OF_PARTS) {
        const request = head === RUN ? flat[i + 8] : this.#whole(flat[i + 1] as number);
        visitor.run(unflattenRun(flat, i, request, part));
        part = undefined;
        i += RUN_ITEMS;
      } else if (head === CACHE_PART) {
        part = unflattenPart(flat, i);
        i += PART_ITEMS;
      } else if (head === CACHE_NOTE) {
        note = unflattenNote(flat, i);
        i += NOTE_ITEMS;
      } else if (head === PART) {
        const slot = flat[i + 1] as number;
        const part = flat[i + 2] as Uint8Array;
        const parts = this.#parts.get(slot);
        if (parts) parts.push(part);
        else this.#parts.set(slot, [part]);
        i += 3;
      } else {
        visitor.other(flat[i + 1] as Exclude<M, RunCommand | ResponseReply>);
        i += 2;
      }
    }
  }

  #whole(slot: number): unknown {
    const parts = this.#parts.get(slot) ?? [];
    this.#parts.delete(slot);
    return unpackr.unpack(Buffer.concat(parts));
  }
}

/** A value in bytes of its own, as it is remembered. Throws for what cannot be encoded. */
export function packValue(value: unknown): Uint8Array<ArrayBuffer> {
  return exact(packr.pack(value));
}

/** A copy of what was packed, which shares no bytes with it. */
export function unpackValue(bytes: Uint8Array): unknown {
  return unpackr.unpack(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

function flatten(message: Message, flat: unknown[]): void {
  if (message.kind === 'run') flattenRun(RUN, message, message.request, flat);
  else if (message.kind === 'response') flattenResponse(RESPONSE, message, message.response, flat);
  else flat.push(OTHER, message);
}

const RUN_ITEMS = 11;

/**
 * A target that is long to tell and that another run of the same frame has too, as it is where a spec keeps what it has
 * made of its options, is told once. The later ones have the place of the first in place of their lane. At 64 requests in
 * flight to one process (target and lane 480 bytes) it is a third of the CPU of both threads.
 */
type LanesOfFrame = Map<unknown, { lane: string; at: number }>;
const LONG_LANE = 64;

function flattenRun(head: number, m: RunCommand, payload: unknown, flat: unknown[], lanes?: LanesOfFrame): void {
  if (m.cache !== undefined) flattenPart(m.cache, flat);
  const deadline = m.deadline === Number.POSITIVE_INFINITY ? 0 : Math.ceil(m.deadline);
  const told = lanes?.get(m.target);
  const isTold = told !== undefined && told.lane === m.lane;
  if (!isTold) lanes?.set(m.target, { lane: m.lane, at: flat.length });
  flat.push(
    head,
    m.slot,
    m.id,
    MODES.indexOf(m.mode),
    m.driver,
    m.key,
    isTold ? told.at : m.lane,
    isTold ? null : m.target,
    payload,
    deadline,
    m.priority,
  );
}

function unflattenRun(flat: unknown[], i: number, request: unknown, cache: CachePart | undefined): RunCommand {
  const lane = flat[i + 6] as string | number;
  const first = typeof lane === 'number' ? lane : i;
  return {
    kind: 'run',
    slot: flat[i + 1] as number,
    id: flat[i + 2] as number,
    mode: MODES[flat[i + 3] as number]!,
    driver: flat[i + 4] as string,
    key: flat[i + 5] as string,
    lane: flat[first + 6] as string,
    target: flat[first + 7],
    request,
    deadline: (flat[i + 9] as number) || Number.POSITIVE_INFINITY,
    priority: flat[i + 10] as number,
    cache,
  };
}

const PART_ITEMS = 11;

function flattenPart(part: CachePart, flat: unknown[]): void {
  const { digest, name, tags, ttlMs, staleMs, negativeMs, fresh, etag, old, ownTtl } = part;
  flat.push(CACHE_PART, digest, name, tags, ttlMs, staleMs, negativeMs, fresh, etag, old, ownTtl);
}

function unflattenPart(flat: unknown[], i: number): CachePart {
  return {
    digest: flat[i + 1] as string,
    name: flat[i + 2] as string,
    tags: flat[i + 3] as string[],
    ttlMs: flat[i + 4] as number,
    staleMs: flat[i + 5] as number,
    negativeMs: flat[i + 6] as number,
    fresh: flat[i + 7] as boolean,
    etag: flat[i + 8] as string | undefined,
    old: flat[i + 9] as Uint8Array | undefined,
    ownTtl: flat[i + 10] as boolean | undefined,
  };
}

const STATUSES: readonly CacheNote['status'][] = ['hit', 'stale', 'miss'];
const NOTE_ITEMS = 5;

function unflattenNote(flat: unknown[], i: number): CacheNote {
  const status = STATUSES[flat[i + 1] as number] as CacheNote['status'];
  const saidMs = flat[i + 4] as number | undefined;
  return { status, ageMs: flat[i + 2] as number, etag: flat[i + 3] as string | undefined, saidMs };
}

const RESPONSE_ITEMS = 8;

function flattenResponse(head: number, m: ResponseReply, payload: unknown, flat: unknown[]): void {
  if (m.cache !== undefined) {
    const { status, ageMs, etag, saidMs } = m.cache;
    flat.push(CACHE_NOTE, STATUSES.indexOf(status), ageMs, etag, saidMs);
  }
  flat.push(head, m.slot, m.id, m.queuedUs, m.openUs, m.runUs, m.reused, payload);
}

function packed<M extends Message>(
  flat: unknown[],
  messages: M[],
  refused: (message: M, why: Error) => void,
): Uint8Array<ArrayBuffer>[] {
  try {
    return [exact(packr.pack(flat))];
  } catch (error) {
    if (messages.length === 1) {
      refused(messages[0]!, error as Error);
      return [];
    }
    // One bad message must not take its neighbours along: each in its own frame, the bad one refused.
    return messages.flatMap((message) => {
      const alone: unknown[] = [];
      flatten(message, alone);
      return packed(alone, [message], refused);
    });
  }
}

function inParts(message: RunCommand | ResponseReply): Uint8Array<ArrayBuffer>[] {
  const whole = packr.pack(message.kind === 'run' ? message.request : message.response);
  const copy = exact(whole);
  const frames: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < copy.length; at += FRAME_BYTES) {
    frames.push(exact(packr.pack([PART, message.slot, copy.subarray(at, at + FRAME_BYTES)])));
  }
  const flat: unknown[] = [];
  if (message.kind === 'run') flattenRun(RUN_OF_PARTS, message, undefined, flat);
  else flattenResponse(RESPONSE_OF_PARTS, message, undefined, flat);
  frames.push(exact(packr.pack(flat)));
  return frames;
}

/**
 * A copy in an ArrayBuffer of its own. What `pack` returns shares a pooled buffer with other results: transferring it
 * would take them along, and posting it would carry their bytes.
 */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** About how many bytes a message will take: exact for long strings and byte arrays, which are what makes one large. */
function weightOf(message: Message): number {
  switch (message.kind) {
    case 'run':
      return message.bytes || runBytes(message);
    case 'response':
      return 32 + weigh(message.response, 0);
    case 'chunk':
    case 'input':
      return 32 + message.data.length;
    default:
      return 64;
  }
}

/** About how many bytes a run takes. Throws what a getter of the request throws. */
export function runBytes({ lane, target, request }: Pick<RunCommand, 'lane' | 'target' | 'request'>): number {
  return 64 + lane.length + weigh(target, 0) + weigh(request, 0);
}

/** Deeper than any request of a driver; past it a value counts as small, which only makes a frame larger than usual. */
const DEEPEST = 4;

function weigh(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (depth === DEEPEST) {
    refuseDeep(value, depth);
    return 8;
  }
  let sum = 8;
  for (const name in value) sum += weigh((value as Record<string, unknown>)[name], depth + 1);
  return sum;
}

/**
 * Of lists and objects within each other. A shard has four times the stack of the main thread: what it can write (a server's
 * answer of 3,000 lists) the other may not be able to read, and ended the process. Below it, programs go down by calls too.
 */
const MOST_LEVELS = 512;

function refuseDeep(value: object, depth: number): void {
  if (depth >= MOST_LEVELS) throw new RangeError(`it has more than ${MOST_LEVELS} lists or objects within each other`);
  if (ArrayBuffer.isView(value)) return;
  for (const one of Array.isArray(value) ? value : Object.values(value))
    if (typeof one === 'object' && one !== null) refuseDeep(one, depth + 1);
}
