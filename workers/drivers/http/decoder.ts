import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** What we can undo, as `accept-encoding` says it. (RFC 9110 § 8.4.1; RFC 7932 for br) */
export const CODINGS = 'gzip, deflate, br';
/** One over the other; nobody needs more than one. */
const MOST = 3;

/** Who gets what comes out. */
export interface Decoded {
  /** False: no more until `resume`. */
  piece(bytes: Buffer): boolean;
  /** There is room again for what goes in. */
  room(): void;
  done(): void;
  failed(error: Error): void;
}

/** The codings of a body, the outermost first; undefined where there are none, or one that we do not know. */
export function codingsOf(contentEncoding: string | readonly string[] | undefined): readonly string[] | undefined {
  if (contentEncoding === undefined) return undefined;
  const names = String(contentEncoding)
    .split(',')
    .map((name) => name.trim().toLowerCase().replace(/^x-/, ''))
    .filter((name) => name !== '' && name !== 'identity')
    .reverse();
  return names.length > 0 && names.length <= MOST && names.every((name) => Object.hasOwn(MAKERS, name))
    ? names
    : undefined;
}

/** Undoes the codings of a body, as it comes; what is not taken stops what is put in. */
export class Decoder {
  readonly #codings: readonly string[];
  readonly #to: Decoded;
  #first: Transform | undefined = undefined;
  #last: Transform | undefined = undefined;

  constructor(codings: readonly string[], to: Decoded) {
    this.#codings = codings;
    this.#to = to;
  }

  /** False: no more until there is room. */
  write(bytes: Buffer): boolean {
    if (bytes.length === 0) return true;
    this.#first ??= this.#start(bytes[0] as number);
    return this.#first.write(bytes);
  }

  end(): void {
    if (this.#first) this.#first.end();
    // A body that is empty was not coded.
    else this.#to.done();
  }

  resume(): void {
    this.#last?.resume();
  }

  destroy(): void {
    this.#first?.destroy();
    this.#last?.destroy();
  }

  #start(byte: number): Transform {
    const chain = this.#codings.map((name, index) => (MAKERS[name] as Maker)(index === 0 ? byte : undefined));
    for (const [index, one] of chain.entries()) {
      one.on('error', (error) => this.#to.failed(error));
      const next = chain[index + 1];
      if (next) one.pipe(next);
    }
    const first = chain[0] as Transform;
    const last = chain.at(-1) as Transform;
    first.on('drain', () => this.#to.room());
    last.on('data', (piece: Buffer) => {
      if (!this.#to.piece(piece)) last.pause();
    });
    last.on('end', () => this.#to.done());
    this.#last = last;
    return first;
  }
}

type Maker = (byte: number | undefined) => Transform;

/** What the low bits of the first byte are where `deflate` is what it should be. (RFC 1950 § 2.2) Some servers send it bare. */
const ZLIB = 8;

const MAKERS: Readonly<Record<string, Maker>> = {
  gzip: () => createGunzip(),
  deflate: (byte = ZLIB) => ((byte & 0x0f) === ZLIB ? createInflate() : createInflateRaw()),
  br: () => createBrotliDecompress(),
};
