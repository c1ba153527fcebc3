/** Longest message that is taken: sshd sends 256 KiB at most, and nobody else needs more. */
const LONGEST = 260 << 10;

/** Cuts a stream of bytes into messages. Each byte is copied once at most. */
export class Frames {
  readonly #take: (message: Buffer) => void;
  #pieces: Buffer[] = [];
  #have = 0;
  /** Bytes of the next message with its length field; 4 until that is known. */
  #need = 4;

  constructor(take: (message: Buffer) => void) {
    this.#take = take;
  }

  /** False if a message is longer than any may be. */
  add(data: Buffer): boolean {
    this.#pieces.push(data);
    this.#have += data.length;
    while (this.#have >= this.#need) {
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#have);
      const length = bytes.readUInt32BE(0);
      if (length > LONGEST || length < 1) return false;
      this.#need = 4 + length;
      this.#pieces = [bytes];
      if (bytes.length < this.#need) break;
      this.#pieces = bytes.length === this.#need ? [] : [bytes.subarray(this.#need)];
      this.#have = bytes.length - this.#need;
      const message = bytes.subarray(4, this.#need);
      this.#need = 4;
      this.#take(message);
    }
    return true;
  }
}
