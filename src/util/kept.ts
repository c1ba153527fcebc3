import { StringDecoder } from 'node:string_decoder';

/** Pieces that are kept as they come; most peers send fewer. */
const AS_THEY_COME = 16;
/** A smaller one than this is copied to where others are: a Buffer of one byte takes 200. */
const SMALL = 1 << 10;
const BLOCK = 16 << 10;

/** What a peer sends of one answer, up to a limit; what comes beyond it is dropped, and `truncated` says so. */
export class Kept {
  truncated = false;
  readonly #limit: number;
  #bytes = 0;
  readonly #pieces: Buffer[] = [];
  /** Where small pieces are gathered: what of it is used, and from where on it is not yet among the pieces. */
  #block: Buffer | undefined = undefined;
  #from = 0;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Buffer): void {
    const room = this.#limit - this.#bytes;
    if (data.length > room) this.truncated = true;
    if (room <= 0) return;
    const kept = data.length > room ? data.subarray(0, room) : data;
    this.#bytes += kept.length;
    if (this.#pieces.length >= AS_THEY_COME && kept.length < SMALL) {
      this.#gather(kept);
    } else {
      this.#flush();
      this.#pieces.push(kept);
    }
  }

  read(encoding: 'utf8' | 'buffer'): string | Buffer {
    this.#flush();
    const [first] = this.#pieces;
    const bytes = first && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces, this.#bytes);
    if (encoding === 'buffer') return bytes;
    // Cut in the middle of a character, the rest of it is left out: it was not the peer who wrote U+FFFD.
    return this.truncated ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
  }

  #gather(piece: Buffer): void {
    if (!this.#block || this.#used + piece.length > BLOCK) {
      this.#flush();
      this.#block = Buffer.allocUnsafeSlow(BLOCK);
      this.#from = 0;
      this.#used = 0;
    }
    piece.copy(this.#block, this.#used);
    this.#used += piece.length;
  }

  #flush(): void {
    if (!this.#block || this.#used === this.#from) return;
    this.#pieces.push(this.#block.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }
}
