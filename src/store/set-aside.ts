import { renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_FILE } from './environment.js';

import { storeError } from './trouble.js';

/**
 * Takes a damaged store out of the way, so that a new one can be made in its place, and returns where it is now. One is
 * kept: the one before is removed. Undefined if it is not there any more: another process did the same just now.
 */
export function setAside(dir: string, damaged: number | undefined): string | undefined {
  const aside = `${dir}.damaged`;
  try {
    if (dataInode(dir) !== damaged) return undefined;
    rmSync(aside, { recursive: true, force: true });
    // Looked at again: the other one's new store must not go the same way.
    if (dataInode(dir) !== damaged) return undefined;
    renameSync(dir, aside);
    return aside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storeError(error, dir);
  }
}

/** Which data file is there: another one has another number. Undefined where there is none. */
export function dataInode(dir: string): number | undefined {
  return statSync(join(dir, DATA_FILE), { throwIfNoEntry: false })?.ino;
}
