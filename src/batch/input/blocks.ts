import type { FileHandle } from 'node:fs/promises';
import { broken, Records, type Splitter } from './split.js';

/** A piece of a file, and the records that begin and end in it. Good until the next one is asked for. */
export interface Block {
  bytes: Buffer;
  records: Records;
}

/** 256 KiB: with more the loop is held up for longer at a time, with less nothing is gained. */
const BLOCK_BYTES = 1 << 18;
/** 16 MiB: what a record may be. */
const LONGEST_RECORD = 1 << 24;

/** The records of the first so many bytes of a file, a piece at a time. `seen` is told of all bytes as they stand. */
export async function* blocksOf(
  file: FileHandle,
  {
    name,
    bytes: size,
    splitter,
    seen,
  }: { name: string; bytes: number; splitter: Splitter; seen?: (bytes: Buffer) => void },
): AsyncGenerator<Block> {
  let buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  const records = new Records();
  for (let at = 0, kept = 0, line = 1; ; ) {
    const { bytesRead } = await file.read(buffer, kept, Math.min(buffer.length - kept, size - at), at);
    seen?.(buffer.subarray(kept, kept + bytesRead));
    const atEnd = bytesRead === 0 || at + bytesRead === size;
    const from = at === 0 && hasMark(buffer.subarray(0, bytesRead)) ? 3 : 0;
    at += bytesRead;
    const bytes = buffer.subarray(from, kept + bytesRead);
    records.count = 0;
    const done = splitter.split(bytes, atEnd, records);
    if (records.count > 0) {
      line = records.lines[records.count - 1] as number;
      yield { bytes, records };
    }
    if (atEnd) return;
    kept = bytes.length - done;
    if (kept < LONGEST_RECORD) {
      const short = kept > buffer.length / 2 && buffer.length < LONGEST_RECORD;
      const next = short ? Buffer.allocUnsafeSlow(2 * buffer.length) : buffer;
      bytes.copy(next, 0, done);
      buffer = next;
    } else
      throw broken(
        name,
        line,
        'here or behind it a job is longer than 16 MiB (16,777,216 bytes), or a quote is not closed',
      );
  }
}

/** What some editors begin a file of UTF-8 with. */
function hasMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
