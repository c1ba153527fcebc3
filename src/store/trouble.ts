import { readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, KeylaneError } from '../errors.js';
import { DATA_FILE } from './environment.js';

/** What LMDB (lmdb.h) and the kernel say, and what that means for the one who asked. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  '-30797': 'ERR_STORE_CORRUPT', // MDB_PAGE_NOTFOUND
  '-30796': 'ERR_STORE_CORRUPT', // MDB_CORRUPTED
  '-30795': 'ERR_STORE_CORRUPT', // MDB_PANIC
  '-30794': 'ERR_STORE_CORRUPT', // MDB_VERSION_MISMATCH
  '-30793': 'ERR_STORE_CORRUPT', // MDB_INVALID
  '-30778': 'ERR_STORE_CORRUPT', // MDB_BAD_CHECKSUM
  // What only a misuse gives, or damage that a walk does not see: flags of a page that are those of another kind.
  '-30787': 'ERR_STORE_CORRUPT', // MDB_CURSOR_FULL
  '-30786': 'ERR_STORE_CORRUPT', // MDB_PAGE_FULL
  '-30784': 'ERR_STORE_CORRUPT', // MDB_INCOMPATIBLE
  '-30782': 'ERR_STORE_CORRUPT', // MDB_BAD_TXN
  '-30779': 'ERR_STORE_CORRUPT', // MDB_PROBLEM
  '-30792': 'ERR_STORE_FULL', // MDB_MAP_FULL
  '-30790': 'ERR_STORE_BUSY', // MDB_READERS_FULL
  '-30775': 'ERR_STORE_BUSY', // MDB_LOCK_FAILURE
  EDQUOT: 'ERR_STORE_FULL',
  EFBIG: 'ERR_STORE_FULL',
  ENOSPC: 'ERR_STORE_FULL',
  EACCES: 'ERR_CONFIG',
  EEXIST: 'ERR_CONFIG',
  EISDIR: 'ERR_CONFIG',
  ELOOP: 'ERR_CONFIG',
  ENAMETOOLONG: 'ERR_CONFIG',
  ENOENT: 'ERR_CONFIG',
  ENOTDIR: 'ERR_CONFIG',
  EPERM: 'ERR_CONFIG',
  EROFS: 'ERR_CONFIG',
};

/** errno(3) of what LMDB hands on as a number. */
const ERRNO: Readonly<Record<number, string>> = {
  1: 'EPERM',
  5: 'EIO',
  2: 'ENOENT',
  13: 'EACCES',
  20: 'ENOTDIR',
  27: 'EFBIG',
  28: 'ENOSPC',
  30: 'EROFS',
  122: 'EDQUOT',
};

const FIXES: Partial<Record<ErrorCode, string>> = {
  ERR_STORE_CORRUPT: 'move the directory away (or put a backup in its place) and start again',
  ERR_STORE_FULL: 'make room on its disk, or give another `dataDir`',
  ERR_STORE_BUSY: 'too many processes use it; try again when some have ended',
  ERR_CONFIG: 'make it writable for this user, or give another `dataDir`',
};

/** What is known of the error, if anything. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (error instanceof KeylaneError) return error.code;
  const { code } = error as { code?: unknown };
  return CODES[typeof code === 'number' ? (ERRNO[code] ?? String(code)) : String(code)];
}

/** An error of the library or the file system as a KeylaneError that names the path and what to do. */
export function storeError(error: unknown, path: string): KeylaneError {
  if (error instanceof KeylaneError) return error;
  const { message } = error as { message?: unknown };
  const full = whatIsFull(error, path);
  const code = full ? 'ERR_STORE_FULL' : codeOf(error);
  const fix = full ?? (code ? FIXES[code] : 'look at what the system says');
  const text = `the store ${path} cannot be used: ${String(message)}; ${fix}`;
  return new KeylaneError(code ?? 'ERR_STORE_BUSY', text, { cause: error });
}

const FULL_BYTES = 1_048_576;
const MDB_BAD_TXN = -30_782;

/**
 * What to do about it, where there is no room: undefined else. LMDB calls it an input/output error when a part of what was
 * written was taken, which is how a disk, or a file, becomes full; what comes after it in the transaction, a bad one.
 */
function whatIsFull(error: unknown, path: string): string | undefined {
  const { code } = error as { code?: unknown };
  const longer = 'raise the longest a file may be (`ulimit -f`)';
  if (code === 27 || code === 'EFBIG') return longer;
  if (code !== 5 && code !== 'EIO' && code !== MDB_BAD_TXN) return undefined;
  try {
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize < FULL_BYTES) return FIXES.ERR_STORE_FULL;
    return statSync(join(path, DATA_FILE)).size > longestFile() - FULL_BYTES ? longer : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes that a file of this process may have. (proc(5), setrlimit(2): RLIMIT_FSIZE) */
function longestFile(): number {
  const limit = /^Max file size +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return limit ? Number(limit[1]) : Number.POSITIVE_INFINITY;
}

/** What is there is not what was written. */
export function corrupt(path: string, why: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_STORE_CORRUPT', `the store ${path} is damaged (${why}); ${FIXES.ERR_STORE_CORRUPT}`, {
    cause,
  });
}
