const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const END = Buffer.from('\r\n.\r\n');

/**
 * A message as DATA has it (RFC 5321, 4.5.2): each line end is CRLF, whatever it was, and a line's first dot is doubled. So
 * the five bytes that end a message are on the wire once, at its end, and no server finds an end of its own liking (bare
 * CR and bare LF: CVE-2023-51764).
 */
export class Body {
  /** As after a line end: the first line's dot is doubled too. */
  #previous = LF;

  /** The next bytes, as they go out; `last`: and the end. The bytes themselves where nothing is to be changed. */
  take(chunk: Uint8Array, last: boolean): Uint8Array {
    const more = this.#inserts(chunk);
    if (more === 0 && !last) {
      this.#note(chunk);
      return chunk;
    }
    // Room for the end of the line, the end of the message, and the LF of a CR that was the last byte.
    const out = Buffer.allocUnsafe(chunk.length + more + (last ? END.length + 1 : 0));
    let at = this.#fill(chunk, out, more);
    this.#note(chunk);
    if (last) at = this.#end(out, at);
    return at === out.length ? out : out.subarray(0, at);
  }

  /** How many bytes are to be put in. */
  #inserts(chunk: Uint8Array): number {
    let inserts = 0;
    let previous = this.#previous;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === LF) {
        if (previous !== CR) inserts++;
      } else {
        if (previous === CR) {
          inserts++;
          previous = LF;
        }
        if (byte === DOT && previous === LF) inserts++;
      }
      previous = byte;
    }
    return inserts;
  }

  #fill(chunk: Uint8Array, out: Buffer, more: number): number {
    if (more === 0) {
      out.set(chunk);
      return chunk.length;
    }
    let at = 0;
    let previous = this.#previous;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === LF) {
        if (previous !== CR) out[at++] = CR;
      } else {
        if (previous === CR) {
          out[at++] = LF;
          previous = LF;
        }
        if (byte === DOT && previous === LF) out[at++] = DOT;
      }
      out[at++] = byte;
      previous = byte;
    }
    return at;
  }

  #note(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#previous = chunk[chunk.length - 1]!;
  }

  /** CRLF.CRLF, as much of it as is not there yet. */
  #end(out: Buffer, at: number): number {
    return at + END.copy(out, at, this.#previous === CR ? 1 : this.#previous === LF ? 2 : 0);
  }
}
