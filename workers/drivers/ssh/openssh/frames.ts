/** Nothing that a master sends is longer: a packet of SSH has at most 256 KiB. */
const LONGEST = 1 << 20;

/** Cuts what a master sends into its messages: a length of 4 bytes, then so much. */
export class Frames {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #wanted = 4;

  /** The messages that are whole by now. Throws where one is too long to be true. */
  *add(data: Buffer): Generator<Buffer> {
    this.#pieces.push(data);
    this.#bytes += data.length;
    while (this.#bytes >= this.#wanted) {
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
      const length = bytes.readUInt32BE(0);
      if (length > LONGEST) throw new Error(`a message of ${length} bytes`);
      this.#wanted = 4 + length;
      this.#pieces = [bytes];
      if (bytes.length < this.#wanted) return;
      const message = bytes.subarray(4, this.#wanted);
      this.#pieces = [bytes.subarray(this.#wanted)];
      this.#bytes -= this.#wanted;
      this.#wanted = 4;
      yield message;
    }
  }
}
