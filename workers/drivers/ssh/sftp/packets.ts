/** SFTP version 3 (draft-ietf-secsh-filexfer-02), as much of it as copying files takes. */

export const OPEN = 3;
export const CLOSE = 4;
export const READ = 5;
export const WRITE = 6;
export const FSTAT = 8;
export const FSETSTAT = 10;
export const REMOVE = 13;
export const MKDIR = 14;
export const REALPATH = 16;
export const STAT = 17;
export const RENAME = 18;
export const EXTENDED = 200;

export const INIT = 1;
export const VERSION = 2;
export const STATUS = 101;
export const HANDLE = 102;
export const DATA = 103;
export const NAME = 104;
export const ATTRS = 105;
export const EXTENDED_REPLY = 201;

export const FLAGS = { read: 1, write: 2, create: 8, truncate: 16, exclusive: 32 } as const;

export const OK = 0;
export const EOF = 1;
export const NO_SUCH_FILE = 2;

const HAS_SIZE = 1;
const HAS_OWNER = 2;
const HAS_MODE = 4;
const HAS_TIMES = 8;

/** What is known of a file. Times in whole seconds. */
export interface Attributes {
  size?: number;
  /** Type and permissions, as `stat` has them. */
  mode?: number;
  mtime?: number;
}

/** Bytes of a message in the making; length and type go before it. */
export class Writer {
  #bytes: Buffer;
  #at = 0;

  constructor(size = 256) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  uint32(value: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
    return this;
  }

  uint64(value: number): this {
    this.#room(8);
    this.#at = this.#bytes.writeBigUInt64BE(BigInt(value), this.#at);
    return this;
  }

  bytes(value: Buffer): this {
    this.uint32(value.length);
    this.#room(value.length);
    this.#at += value.copy(this.#bytes, this.#at);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  attributes({ mode, mtime }: Attributes): this {
    this.uint32((mode === undefined ? 0 : HAS_MODE) | (mtime === undefined ? 0 : HAS_TIMES));
    if (mode !== undefined) this.uint32(mode & 0o7777);
    if (mtime !== undefined) this.uint32(mtime).uint32(mtime);
    return this;
  }

  get done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

/** Reads a message. Throws RangeError where it is shorter than it says. */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  uint64(): number {
    const value = Number(this.#bytes.readBigUInt64BE(this.#take(8)));
    if (!Number.isSafeInteger(value)) throw new RangeError('a number of more than 53 bits');
    return value;
  }

  bytes(): Buffer {
    const at = this.#take(this.uint32());
    return this.#bytes.subarray(at, this.#at);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  attributes(): Attributes {
    const flags = this.uint32();
    const attributes: Attributes = {};
    if (flags & HAS_SIZE) attributes.size = this.uint64();
    if (flags & HAS_OWNER) {
      this.uint32();
      this.uint32();
    }
    if (flags & HAS_MODE) attributes.mode = this.uint32();
    if (flags & HAS_TIMES) {
      this.uint32();
      attributes.mtime = this.uint32();
    }
    return attributes;
  }

  /** Where the next bytes begin. */
  #take(length: number): number {
    if (length > this.left) throw new RangeError('a message that is shorter than it says');
    this.#at += length;
    return this.#at - length;
  }
}
