import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { KeylaneError } from '../../index.js';

const NAME = 'serve.token';
/** 256 random bits, after a head by which a scanner of sources knows what was committed by mistake. */
const SHAPE = /^klt_[A-Za-z0-9_-]{43}$/;
const LONGEST = 4_096;

/**
 * The token of the first start: whoever may read this file may do everything. Made where there is none, whole and at
 * once: of two processes that start together, one is first, and both take its token.
 *
 * @throws KeylaneError `ERR_CONFIG` where it is not for this user alone, or no token of ours.
 */
export function firstToken(dataDir: string): { token: string; file: string } {
  const file = join(dataDir, NAME);
  let text = readPrivate(file);
  if (text === undefined) {
    make(file);
    text = readPrivate(file) ?? '';
  }
  const token = text.trim();
  if (SHAPE.test(token)) return { token, file };
  throw new KeylaneError(
    'ERR_CONFIG',
    `${file} holds no token of keylane; remove it, and the next start makes a new one`,
  );
}

/** A file of its own is written first, so that nobody can read half a token; a link fails where there is one already. */
function make(file: string): void {
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  const handle = openSync(draft, 'wx', 0o600);
  try {
    writeSync(handle, `klt_${randomBytes(32).toString('base64url')}\n`);
    fsyncSync(handle);
    closeSync(handle);
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** What the opened file says of itself counts, not what its path led to a moment before. */
function readPrivate(file: string): string | undefined {
  let handle: number;
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new KeylaneError(
      'ERR_CONFIG',
      `${file}: ${code === 'ELOOP' ? 'is a symbolic link; remove it' : `cannot be read: ${code}`}`,
    );
  }
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw new KeylaneError('ERR_CONFIG', `${file} is no file; remove it`);
    const uid = process.geteuid?.() ?? found.uid;
    if (found.uid !== uid)
      throw new KeylaneError(
        'ERR_CONFIG',
        `${file} belongs to user ${found.uid}, and this process runs as user ${uid}`,
      );
    if ((found.mode & 0o077) !== 0)
      throw new KeylaneError(
        'ERR_CONFIG',
        `${file} can be read or written by others, so its token may be known; remove it, and the next start makes a new one`,
      );
    const bytes = Buffer.alloc(LONGEST);
    return bytes.toString('utf8', 0, readSync(handle, bytes));
  } finally {
    closeSync(handle);
  }
}
