import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { KeylaneError } from '../errors.js';
import { storeError } from './trouble.js';

const PRIVATE = 0o700;

/**
 * The directory, made if it is not there, for its owner alone whatever the umask. What is there must be a directory of
 * this user: in another's, or behind a link that somebody else can turn, our files would be theirs to read and to change.
 */
export function privateDirectory(path: string): void {
  let made = false;
  try {
    made = mkdirSync(path, { recursive: true, mode: PRIVATE }) !== undefined;
  } catch (error) {
    // What stands in the way is told below, better.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw storeError(error, path);
  }
  const found = look(path);
  const other = 'give another `dataDir` (or KEYLANE_DATA_DIR)';
  if (found.isSymbolicLink()) throw refused(path, `is a symbolic link; give the directory itself, or ${other}`);
  if (!found.isDirectory()) throw refused(path, `is no directory; ${other}`);
  const uid = process.geteuid?.();
  if (uid !== undefined && found.uid !== uid)
    throw refused(
      path,
      `belongs to user ${found.uid}, and this process runs as user ${uid}; ${other}, or \`chown\` it`,
    );
  // What others may do with it is taken from them; what its owner took from himself is left so.
  const mode = made ? PRIVATE : found.mode & PRIVATE;
  if ((found.mode & 0o777) === mode) return;
  try {
    chmodSync(path, mode);
  } catch (error) {
    throw storeError(error, path);
  }
}

function look(path: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    throw storeError(error, path);
  }
}

function refused(path: string, why: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG', `${path} ${why}`);
}
