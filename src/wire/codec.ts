import { Packr, Unpackr } from 'msgpackr';
import { FrameDraft } from './frame-draft.js';
import { LaneBook } from './lane-book.js';
import type { Command, Reply, ResponseReply, RunCommand } from './protocol.js';
import { weightOf } from './weight.js';

/** Messages to bytes; frame-reader.ts has the way back. What a frame looks like: layout.ts. */
export type Message = Command | Reply;

/** A frame is cut when it holds about this much, and a larger request or response crosses in parts of this size. */
export const FRAME_BYTES = 256 * 1024;

// `moreTypes`: without it a typed array other than Uint8Array crosses as raw bytes that hold what lay in the encoder's
// buffer before (another request's, seen with a Float64Array). `copyBuffers`: a decoded Buffer is otherwise a view of
// the whole frame, its neighbours included. Records are spelled out anew in each frame, so no frame needs another's.
const packr = new Packr({ useRecords: true, moreTypes: true });
const unpackr = new Unpackr({ useRecords: true, moreTypes: true, copyBuffers: true });

/** Kept for the next frame. Taken out while one is written: a getter of a request may have another one written meanwhile. */
let spare: FrameDraft | undefined;

/**
 * Frames of these messages, each in its own exact ArrayBuffer, ready to be transferred. A message that cannot be
 * encoded (a symbol, a cycle) is handed to `refused` and the others go. `lanes`: those that the reader was told before.
 */
export function encode<M extends Message>(
  messages: readonly M[],
  refused: (message: M, why: Error) => void,
  lanes: LaneBook = new LaneBook(),
): Uint8Array<ArrayBuffer>[] {
  const draft = spare ?? new FrameDraft();
  spare = undefined;
  const frames: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  let first = 0;
  const cut = (end: number) => {
    if (!draft.isEmpty) finish(draft, messages, first, end, lanes, refused, frames);
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
        writeInParts(message, draft, lanes, frames);
      } catch (error) {
        lanes.forget();
        draft.clear();
        refused(message, error as Error);
      }
      first = i + 1;
      continue;
    }
    write(message, draft, lanes);
    bytes += weight;
  }
  cut(messages.length);
  spare = draft;
  return frames;
}

/** A value in bytes of its own, as it is remembered. Throws for what cannot be encoded. */
export function packValue(value: unknown): Uint8Array<ArrayBuffer> {
  // A copy: what `pack` returns shares a pooled buffer with other results.
  return new Uint8Array(packr.pack(value));
}

/** A copy of what was packed, which shares no bytes with it. */
export function unpackValue(bytes: Uint8Array): unknown {
  // As a Buffer: what is copied out of a Buffer is a Buffer again.
  return unpackr.unpack(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

function write(message: Message, draft: FrameDraft, lanes: LaneBook): void {
  if (message.kind === 'run') draft.run(message, lanes);
  else if (message.kind === 'response') draft.response(message);
  else draft.other(message);
}

/** Ends the frame of these messages. */
function finish<M extends Message>(
  draft: FrameDraft,
  messages: readonly M[],
  first: number,
  end: number,
  lanes: LaneBook,
  refused: (message: M, why: Error) => void,
  frames: Uint8Array<ArrayBuffer>[],
): void {
  try {
    frames.push(draft.withValues(packr.pack(draft.values)));
    draft.clear();
    return;
  } catch (error) {
    // The lanes that it told are not told.
    lanes.forget();
    draft.clear();
    if (end - first === 1) {
      refused(messages[first]!, error as Error);
      return;
    }
  }
  // One bad message must not take its neighbours along: each in its own frame, the bad one refused.
  for (let i = first; i < end; i++) {
    write(messages[i]!, draft, lanes);
    finish(draft, messages, i, i + 1, lanes, refused, frames);
  }
}

function writeInParts(
  message: RunCommand | ResponseReply,
  draft: FrameDraft,
  lanes: LaneBook,
  frames: Uint8Array<ArrayBuffer>[],
): void {
  const whole = packValue(message.kind === 'run' ? message.request : message.response);
  const end = () => {
    frames.push(draft.withValues(packr.pack(draft.values)));
    draft.clear();
  };
  for (let at = 0; at < whole.length; at += FRAME_BYTES) {
    draft.part(message.slot, whole.subarray(at, at + FRAME_BYTES));
    end();
  }
  if (message.kind === 'run') draft.run(message, lanes, true);
  else draft.response(message, true);
  end();
}
