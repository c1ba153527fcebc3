import { existsSync, renameSync, rmSync } from 'node:fs';
import { storeError } from './trouble.js';

/**
 * Takes a damaged store out of the way, so that a new one can be made in its place, and returns where it is now. One is
 * kept: the one before is removed.
 */
export function setAside(dir: string): string {
  const aside = `${dir}.damaged`;
  try {
    rmSync(aside, { recursive: true, force: true });
    // Another process may have done it just now.
    if (existsSync(dir)) renameSync(dir, aside);
  } catch (error) {
    throw storeError(error, dir);
  }
  return aside;
}
