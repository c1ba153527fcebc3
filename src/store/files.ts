import {
  chmodSync,
  closeSync,
  fchmodSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { KeylaneError } from '../errors.js';
import { DATA_FILE, LOCK_BYTES } from './environment.js';
import { storeError } from './trouble.js';

const PRIVATE = 0o600;

const LOCK_FILE = 'lock.mdb';

let drafts = 0;

/**
 * Makes LMDB's two files before LMDB does, for their owner alone whatever the umask, and refuses what is no file of this
 * user. Throws `ERR_STORE_FULL` where the disk has no room for the lock file.
 */
export function makeFiles(dir: string): void {
  const data = join(dir, DATA_FILE);
  const lock = join(dir, LOCK_FILE);
  try {
    if (!isThere(data)) touch(data);
    if (!isThere(lock)) makeLockFile(lock);
    for (const path of [data, lock]) checkFile(path);
  } catch (error) {
    throw storeError(error, dir);
  }
}

/** LMDB takes an empty file for a new store. */
function touch(path: string): void {
  // Not 'wx': another process may have made it just now.
  const fd = openSync(path, 'a', PRIVATE);
  try {
    fchmodSync(fd, PRIVATE);
  } finally {
    closeSync(fd);
  }
}

/**
 * The whole file, as zeros that are on the disk: LMDB would make a hole of it, and a full disk would then be told by a
 * signal (SIGBUS) at the first use. Linked to its name when it is complete: another process may be at it as well.
 */
function makeLockFile(path: string): void {
  const draft = `${path}.${process.pid}.${drafts++}`;
  try {
    writeFileSync(draft, Buffer.alloc(LOCK_BYTES), { mode: PRIVATE });
    chmodSync(draft, PRIVATE);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function checkFile(path: string): void {
  const found = lstatSync(path);
  const { mode, uid } = found;
  const own = process.geteuid?.() ?? uid;
  if (!found.isFile())
    throw new KeylaneError('ERR_CONFIG', `${path} is no regular file; move it away, or give another \`dataDir\``);
  if (uid !== own) {
    const text = `${path} belongs to user ${uid}, and this process runs as user ${own}; \`chown\` it, or give another \`dataDir\``;
    throw new KeylaneError('ERR_CONFIG', text);
  }
  if ((mode & 0o777) !== (mode & PRIVATE)) chmodSync(path, mode & PRIVATE);
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Undefined where there is none. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
