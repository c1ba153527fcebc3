import { constants, createWriteStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type OutputStream, UsageError } from './io.js';

const PIECE = 1024 * 1024;
const NEWLINE = 0x0a;
/** Of a line that is not whole, enough to know it by. */
const TORN_BYTES = 32;

/** Where a batch's results are written, if not to stdout. */
export interface BatchOut {
  stream: OutputStream;
  /** Undefined for what cannot be read again: a pipe, a terminal, /dev/null. */
  file: OutFile | undefined;
}

/** What a file had when it was opened. Nothing of it is changed before `cut`. */
export interface OutFile {
  path: string;
  /** How many whole ones. */
  lines: number;
  /** The last whole one. */
  last: string | undefined;
  /** How the first line begins, where not even that is whole. */
  torn: string | undefined;
  /** Cuts it back to its last whole line. */
  cut(): Promise<void>;
}

/**
 * Opens `--out`, to write after its last whole line. `settled`: how many lines the journal has. Throws a UsageError where
 * that cannot be done, or where the file has more.
 */
export async function openOut(path: string, settled: number): Promise<BatchOut> {
  let file: FileHandle | undefined;
  try {
    // For the owner alone: what hosts say may be confidential.
    const opened = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600).catch(() =>
      open(path, constants.O_WRONLY),
    );
    file = opened;
    const found = await opened.stat();
    if (!found.isFile()) return { stream: createWriteStream(path, { fd: opened }), file: undefined };
    if (found.size > 0 && settled === 0) throw notOurs(path);
    const { lines, end, last, torn } = await wholeLines(opened, found.size);
    if (lines > settled) throw notOurs(path);
    const stream = createWriteStream(path, { fd: opened, start: end });
    return { stream, file: { path, lines, last, torn, cut: () => opened.truncate(end) } };
  } catch (error) {
    await file?.close();
    throw error instanceof UsageError ? error : new UsageError(`--out ${path}: ${(error as Error).message}`);
  }
}

/** Before a batch is made: its file must be empty, or new. Throws a UsageError. */
export async function refuseFull(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() && found.size > 0) throw notOurs(path);
}

interface WholeLines extends Pick<OutFile, 'lines' | 'last' | 'torn'> {
  /** Where they end. */
  end: number;
}

async function wholeLines(file: FileHandle, size: number): Promise<WholeLines> {
  const piece = Buffer.allocUnsafe(PIECE);
  let [lines, end, start] = [0, 0, 0];
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(piece, 0, PIECE, at);
    if (bytesRead === 0) break;
    const read = piece.subarray(0, bytesRead);
    for (let found = read.indexOf(NEWLINE); found >= 0; found = read.indexOf(NEWLINE, found + 1)) {
      lines++;
      start = end;
      end = at + found + 1;
    }
    at += bytesRead;
  }
  const text = async (from: number, bytes: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, from);
    return buffer.subarray(0, bytesRead).toString();
  };
  const last = lines > 0 ? await text(start, end - 1 - start) : undefined;
  const torn = lines === 0 && size > 0 ? await text(0, Math.min(size, TORN_BYTES)) : undefined;
  return { lines, end, last, torn };
}

export function notOurs(path: string): UsageError {
  return new UsageError(`--out ${path}: it has lines that are not this batch's; remove it, or name another file`);
}
