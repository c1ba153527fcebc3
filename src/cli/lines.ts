/** A line longer than this is cut into pieces: what one host holds back is bounded. */
export const LONGEST_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;

/** Cuts a run of bytes into lines; what has no end yet is held back. */
export class Lines {
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** The lines that are complete now, without their newlines. */
  push(data: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
      this.#hold(data.subarray(from, end));
      this.#cut(lines);
      lines.push(this.#take());
      from = end + 1;
    }
    this.#hold(data.subarray(from));
    this.#cut(lines);
    return lines;
  }

  /** The last line, which had no end; undefined if there is none. */
  flush(): Buffer | undefined {
    return this.#heldBytes === 0 ? undefined : this.#take();
  }

  #hold(data: Buffer): void {
    if (data.length === 0) return;
    this.#held.push(data);
    this.#heldBytes += data.length;
  }

  #cut(lines: Buffer[]): void {
    if (this.#heldBytes <= LONGEST_LINE_BYTES) return;
    let rest = this.#take();
    while (rest.length > LONGEST_LINE_BYTES) {
      const at = characterStart(rest, LONGEST_LINE_BYTES);
      lines.push(rest.subarray(0, at));
      rest = rest.subarray(at);
    }
    this.#hold(rest);
  }

  #take(): Buffer {
    const line = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return line;
  }
}

/** The start of the UTF-8 character that holds byte `at`; `at` where the bytes are no UTF-8. */
function characterStart(bytes: Buffer, at: number): number {
  for (let back = 0; back < 4; back++) {
    if ((bytes[at - back]! & 0xc0) !== 0x80) return at - back;
  }
  return at;
}
