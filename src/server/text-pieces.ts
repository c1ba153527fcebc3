import { isUtf8 } from 'node:buffer';

/** The most bytes of a character of which more is to come. */
const LONGEST_TAIL = 3;

/**
 * Bytes of one channel, as pieces that JSON can hold: text where it is UTF-8, else `{"base64":"…"}`. A character that is
 * cut at the end of a piece waits for its rest, so that joining the pieces gives the bytes again, whatever they are.
 */
export class TextPieces {
  #tail: Buffer | undefined = undefined;

  /** Members of the piece, ready to be put into an object: `"data":"…"` or `"base64":"…"`; undefined where all waits. */
  add(data: Buffer): string | undefined {
    const bytes = this.#tail ? Buffer.concat([this.#tail, data]) : data;
    this.#tail = undefined;
    const cut = tailOf(bytes);
    const whole = cut === 0 ? bytes : bytes.subarray(0, bytes.length - cut);
    // Where there is something else in it, nothing is gained by waiting.
    if (!isUtf8(whole)) return `"base64":"${bytes.toString('base64')}"`;
    // Copied: it must not keep the whole piece alive.
    if (cut > 0) this.#tail = Buffer.from(bytes.subarray(bytes.length - cut));
    return whole.length === 0 ? undefined : `"data":${JSON.stringify(whole.toString())}`;
  }

  /** What still waits, when no more comes. */
  rest(): string | undefined {
    const tail = this.#tail;
    this.#tail = undefined;
    return tail && `"base64":"${tail.toString('base64')}"`;
  }
}

/** How many bytes at the end are the beginning of a character. (RFC 3629, 3) */
function tailOf(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(LONGEST_TAIL, bytes.length); length++) {
    const byte = bytes[bytes.length - length] as number;
    // One that goes on; where it begins is before it.
    if ((byte & 0xc0) === 0x80) continue;
    return sizeOf(byte) > length ? length : 0;
  }
  return 0;
}

/** Bytes of a character, by its first one. */
function sizeOf(first: number): number {
  if (first >= 0xf0 && first <= 0xf4) return 4;
  if (first >= 0xe0) return first < 0xf0 ? 3 : 1;
  return first >= 0xc2 ? 2 : 1;
}
