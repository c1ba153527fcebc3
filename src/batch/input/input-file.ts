import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { InputIdentity } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import { type Block, blocksOf } from './blocks.js';
import { CsvDecoder, type Decoder, JsonDecoder } from './decode.js';
import { Rows } from './rows.js';
import { CsvSplitter, LineSplitter } from './split.js';
import { JsonSplitter } from './split-json.js';
import { Template } from './template.js';

/** How a file is read. */
export interface InputFormat {
  /** Absolute. */
  path: string;
  /** What messages call it. */
  name: string;
  format: InputIdentity['format'];
  driver: string;
  template?: string | undefined;
}

/** A piece of the file, from the record `first` on. */
export interface Piece {
  block: Block;
  decoder: Decoder;
  first: number;
  /** What tells a record of the file from all others: its line, or which element of the array it is (from 1). */
  markOf(record: number): number;
}

/** A file of jobs that stays as it is: where it changed, that is an error, be it while it is read or between two times. */
export class InputFile {
  readonly as: InputFormat;
  readonly #rows: Rows;
  /** Of its bytes, while it has not changed. */
  #known: Known | undefined;

  /** Throws `ERR_INPUT` if the template is not valid. */
  constructor(as: InputFormat) {
    this.as = as;
    this.#rows = new Rows(as.driver, as.template === undefined ? undefined : new Template(as.template));
  }

  /** What it is known by, once all of it was read. */
  get known(): Known | undefined {
    return this.#known;
  }

  /** Its records, a piece at a time. Until it is known all of it must be read: then it is. */
  async *pieces(): AsyncGenerator<Piece> {
    const file = await this.#open();
    try {
      const found = await look(file);
      const { bytes } = found;
      let stamp = await this.#isStill(file, this.#known?.stamp ?? found.stamp);
      const hash = this.#known ? undefined : createHash('sha256');
      const { name, format, template } = this.as;
      const csv = format === 'csv' ? new CsvDecoder(name, this.#rows) : undefined;
      const decoder = csv ?? new JsonDecoder(template === undefined ? undefined : this.#rows);
      const splitter = format === 'json' ? new JsonSplitter(name) : csv ? new CsvSplitter() : new LineSplitter();
      const seen = hash && { seen: (piece: Buffer) => void hash.update(piece) };
      let before = 0;
      for await (const block of blocksOf(file, { name, bytes, splitter, ...seen })) {
        stamp = await this.#isStill(file, stamp);
        const first = csv && before === 0 ? 1 : 0;
        if (first === 1) csv?.header(block);
        const [from, { lines }] = [before + 1, block.records];
        const markOf = format === 'json' ? (at: number) => from + at : (at: number) => lines[at] as number;
        yield { block, decoder, first, markOf };
        before += block.records.count;
      }
      stamp = await this.#isStill(file, stamp);
      if (hash) this.#known = { bytes, sha256: hash.digest('hex'), stamp };
    } finally {
      await file.close();
    }
  }

  /** Reads it as it was when it had these bytes. Rejects with `ERR_INPUT` where it has others. */
  async confirm({ bytes, sha256 }: { bytes: number; sha256: string }): Promise<void> {
    const file = await this.#open();
    try {
      const found = await look(file);
      if (found.bytes !== bytes || (await digest(file, bytes)) !== sha256) throw this.#changed();
      this.#known = { bytes, sha256, stamp: await this.#isStill(file, found.stamp) };
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.as.path);
    } catch (error) {
      throw unreadable(this.as.name, error);
    }
  }

  /** Where its time is another one its bytes may be the same: whoever touched it did no harm. Gives its stamp now. */
  async #isStill(file: FileHandle, stamp: string): Promise<string> {
    const found = await look(file);
    if (found.stamp === stamp) return stamp;
    const known = this.#known;
    if (!known)
      throw new KeylaneError('ERR_INPUT', `${this.as.name} changed while it was read; begin when it is written`);
    if (found.bytes !== known.bytes || (await digest(file, known.bytes)) !== known.sha256) throw this.#changed();
    this.#known = { ...known, stamp: found.stamp };
    return found.stamp;
  }

  #changed(): KeylaneError {
    const { path } = this.as;
    return new KeylaneError(
      'ERR_INPUT',
      `${path} has changed since the batch began, so which jobs are done cannot be told; put the file back as it was, or begin a new batch with what is left to do`,
    );
  }
}

export interface Known {
  bytes: number;
  sha256: string;
  /** Of the file as the system knows it. */
  stamp: string;
}

export function unreadable(name: string, error: unknown): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${name} cannot be read: ${(error as Error).message}`, { cause: error });
}

async function look(file: FileHandle): Promise<Omit<Known, 'sha256'>> {
  const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true });
  return { bytes: Number(size), stamp: `${dev}:${ino}:${size}:${mtimeNs}` };
}

async function digest(file: FileHandle, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(1 << 18);
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}
