/** Each piece costs some 200 bytes, however short it is. */
const SHORT_BYTES = 1_024;
/** Most bodies and lines come in fewer: these are kept as they came. */
const FEW = 16;
const ROOM_BYTES = 16_384;

/**
 * Bytes that come in pieces, until all of them are there. Past a few, short ones are copied together: how a body is cut is
 * the client's to choose, and 1 MiB in chunks of one byte would take 200 MiB.
 */
export class Pieces {
  #bytes = 0;
  #pieces: Buffer[] = [];
  /** Where short ones go: what lies there from `#from` to `#to` is not among the pieces yet. */
  #room: Buffer | undefined = undefined;
  #from = 0;
  #to = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (piece.length < SHORT_BYTES && this.#pieces.length >= FEW) {
      this.#copy(piece);
      return;
    }
    this.#gather();
    this.#pieces.push(piece);
  }

  /** All of them as one; nothing is left. */
  take(): Buffer {
    this.#gather();
    const whole = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#bytes);
    this.clear();
    return whole;
  }

  clear(): void {
    this.#bytes = 0;
    this.#pieces = [];
    this.#room = undefined;
    this.#from = 0;
    this.#to = 0;
  }

  #copy(piece: Buffer): void {
    if (!this.#room || this.#to + piece.length > this.#room.length) {
      this.#gather();
      this.#room = Buffer.allocUnsafeSlow(ROOM_BYTES);
      this.#from = 0;
      this.#to = 0;
    }
    this.#to += piece.copy(this.#room, this.#to);
  }

  #gather(): void {
    if (this.#room && this.#to > this.#from) this.#pieces.push(this.#room.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
