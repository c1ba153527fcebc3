import { open } from 'node:fs/promises';
import { KeylaneError } from '../../errors.js';

const MIB = 1024 * 1024;
/** Of a file, and of a command's output. */
export const MOST_BYTES = 64 * MIB;

/** A file's text; pipes are files too. */
export async function readText(file: string): Promise<string> {
  let size = 0;
  const pieces: Buffer[] = [];
  try {
    const handle = await open(file, 'r');
    try {
      for await (const piece of handle.createReadStream({ autoClose: false, highWaterMark: MIB })) {
        pieces.push(piece as Buffer);
        size += (piece as Buffer).length;
        if (size > MOST_BYTES) break;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new KeylaneError('ERR_CONFIG', `${file}: the inventory cannot be read: ${codeOf(cause)}`, { cause });
  }
  if (size > MOST_BYTES) throw tooLong(file);
  return Buffer.concat(pieces).toString('utf8');
}

export function tooLong(from: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG', `${from}: is longer than ${MOST_BYTES / MIB} MiB: split it`);
}

export function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? String(cause);
}
