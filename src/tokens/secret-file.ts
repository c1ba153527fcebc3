import { type FileHandle, mkdir, open, readFile, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeylaneError } from '../errors.js';

const DRAFT_BYTES = 4_096;
/** Where the group may do nothing it does not matter which group that is, and not everybody may give a file to any. */
const GROUP = 0o070;

/**
 * The file behind a `file:` reference, about to get a new secret. The place is made before the server is asked: a folder
 * that cannot be written or a full disk is then found out while nothing is lost. One process at a time may do this for
 * one file (the lock), so the draft has one name and what a crash left of it is overwritten.
 *
 *     open() ──▶ draft beside it, 4 KB on the disk ──▶ put(secret) ──▶ fsync, rename over it, fsync of the folder
 *                                                 └──▶ drop() where there is nothing to put
 */
export class SecretFile {
  readonly #path: string;
  readonly #draft: string;
  readonly #file: FileHandle;
  /** What was in it: its line end stays, and whoever wrote something else meanwhile is not overwritten. */
  readonly #was: string | undefined;

  private constructor(path: string, draft: string, file: FileHandle, was: string | undefined) {
    this.#path = path;
    this.#draft = draft;
    this.#file = file;
    this.#was = was;
  }

  /** Rejects with the file's error. A link is followed: what it leads to is replaced, it stays. */
  static async open(named: string): Promise<SecretFile> {
    const path = await placeOf(named);
    const old = await owned(path);
    const draft = join(dirname(path), `.${basename(path)}.keylane-new`);
    await unlink(draft).catch(() => undefined);
    const file = await open(draft, 'wx', 0o600);
    const opened = new SecretFile(path, draft, file, old?.content);
    try {
      await file.chmod(old?.mode ?? 0o600);
      const own = await file.stat();
      if (old && (old.uid !== own.uid || (old.gid !== own.gid && (old.mode & GROUP) !== 0))) {
        await file.chown(old.uid, old.gid);
      }
      await file.write(Buffer.alloc(DRAFT_BYTES));
      await file.sync();
      return opened;
    } catch (error) {
      await opened.drop();
      throw error;
    }
  }

  /** False where somebody else has put something there since: that is newer than ours, and stays. */
  async put(secret: string): Promise<boolean> {
    try {
      const is = (await owned(this.#path))?.content;
      if (is !== this.#was) return false;
      const bytes = Buffer.from(this.#was === undefined || this.#was.endsWith('\n') ? `${secret}\n` : secret);
      // Over the blocks that are there already, then cut: a disk that has filled up meanwhile does not matter.
      await this.#file.write(bytes, 0, bytes.length, 0);
      await this.#file.truncate(bytes.length);
      await this.#file.sync();
      await rename(this.#draft, this.#path);
      await syncFolder(dirname(this.#path));
      return true;
    } finally {
      await this.drop();
    }
  }

  /** Never rejects. */
  async drop(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#draft).catch(() => undefined);
  }
}

/** Where a `file:` reference's file is; its folder is made if nothing is there yet. */
export async function placeOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return join(await realpath(dirname(path)), basename(path));
  }
}

async function owned(path: string) {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, uid, gid } = await file.stat();
      return { mode: mode & 0o7777, uid, gid, content: await readFile(file, 'utf8') };
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The rename itself must outlive a power cut. Not every file system lets a folder be synced; then it does so itself. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

export function cannotStore(reference: string, cause: unknown): KeylaneError {
  const why = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new KeylaneError('ERR_CONFIG', `${reference} cannot be written: ${why}`, { cause });
}
