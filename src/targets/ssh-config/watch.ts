import { lstatSync, type Stats, statSync } from 'node:fs';
import { KeylaneError } from '../../errors.js';

/** An Include of many stars could walk through all of a disk, and each path is looked at again and again. */
const MOST_LOOKS = 5_000;

/** Everything that was looked at while files were read, and what it was like, so that a change of any is seen. */
export class Watch {
  readonly #stamps = new Map<string, string>();
  #looks = 0;

  /** Remembers a path as it is now; it need not exist. Look before reading: what changes in between is seen later. */
  note(path: string): Stats | undefined {
    if (++this.#looks > MOST_LOOKS)
      throw new KeylaneError('ERR_CONFIG', `${path}: the Includes look at more than ${MOST_LOOKS} paths`);
    const stats = look(path);
    if (!this.#stamps.has(path)) this.#stamps.set(path, stampOf(stats));
    return stats;
  }

  /** A link to nothing exists too: it is there to be included, and cannot be. */
  exists(path: string): boolean {
    return this.note(path) !== undefined || look(path, lstatSync) !== undefined;
  }

  changed(): boolean {
    for (const [path, stamp] of this.#stamps) if (stampOf(look(path)) !== stamp) return true;
    return false;
  }
}

function look(path: string, stat: typeof statSync | typeof lstatSync = statSync): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false });
  } catch {
    // A folder that may not be entered, a loop of links, a NUL in the name: nothing to read there.
    return undefined;
  }
}

function stampOf(stats: Stats | undefined): string {
  if (stats === undefined) return 'none';
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`;
}
