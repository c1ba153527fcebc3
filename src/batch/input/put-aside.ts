import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { KeylaneError } from '../../errors.js';
import type { InputFile } from './input-file.js';

/** Writes the records that have these marks to a file of their own, byte for byte: mended, it is the input of another batch. */
export async function putAside(file: InputFile, marks: ReadonlySet<number>, path: string): Promise<void> {
  const { format } = file.as;
  const into = await openOther(path, file.as.path);
  try {
    let before = format === 'json' ? '[\n' : '';
    for await (const { block, first, markOf } of file.pieces()) {
      const { starts, ends, count } = block.records;
      const pieces: Buffer[] = [];
      for (let record = 0; record < count; record++) {
        // The names of the columns go with each.
        if (record >= first && !marks.has(markOf(record))) continue;
        pieces.push(Buffer.from(before), block.bytes.subarray(starts[record], ends[record]));
        before = format === 'json' ? ',\n' : '\n';
      }
      if (pieces.length > 0) await into.appendFile(Buffer.concat(pieces));
    }
    await into.appendFile(format === 'json' ? '\n]\n' : '\n');
  } catch (error) {
    throw error instanceof KeylaneError ? error : unwritable(path, error);
  } finally {
    await into.close();
  }
}

/** It is begun anew; but not the input itself, whose name is quickly typed twice. */
async function openOther(path: string, input: string): Promise<FileHandle> {
  try {
    const file = await open(resolve(path), constants.O_CREAT | constants.O_WRONLY, 0o600);
    const [there, here] = await Promise.all([file.stat(), stat(input)]);
    if (there.dev === here.dev && there.ino === here.ino) {
      await file.close();
      throw new KeylaneError('ERR_INPUT', `${path}: is the input; bad lines go into another file`);
    }
    if (there.isFile()) await file.truncate(0);
    return file;
  } catch (error) {
    throw error instanceof KeylaneError ? error : unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${path}: bad lines cannot be written there: ${(error as Error).message}`, {
    cause: error,
  });
}
