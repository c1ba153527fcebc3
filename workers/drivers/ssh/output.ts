import { StringDecoder } from 'node:string_decoder';

/** What a command wrote to stdout or stderr, up to a limit; what comes beyond is dropped and `truncated` says so. */
export class Output {
  truncated = false;
  readonly #limit: number;
  #bytes = 0;
  #pieces: Buffer[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Buffer): void {
    const room = this.#limit - this.#bytes;
    if (data.length > room) this.truncated = true;
    if (room <= 0) return;
    const kept = data.length > room ? data.subarray(0, room) : data;
    this.#pieces.push(kept);
    this.#bytes += kept.length;
  }

  read(encoding: 'utf8' | 'buffer'): string | Buffer {
    const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#bytes);
    if (encoding === 'buffer') return bytes;
    // Cut in the middle of a character, the rest of it is left out: it was not the command that wrote U+FFFD.
    return this.truncated ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
  }
}
