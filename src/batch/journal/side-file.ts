import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { corrupt, storeError } from '../../store/trouble.js';

/** Longer lines are kept here. */
export const LONGEST_LINE = 65_536;
const SIDE_FILE = 'large.ndjson';
/** Of what stands for a line in the store: where it begins u48, its bytes u32, their CRC-32 u32. */
const PLACE_BYTES = 14;

/**
 * The long lines of a batch, one after the other as they came. A place in it is taken at once; what is written there is on
 * the disk before the commit that names the place. What a crash left behind the last of those is nobody's.
 */
export class SideFile {
  readonly #path: string;
  readonly #most: number;
  #file: FileHandle | undefined;
  #pending: { at: number; line: Buffer }[] = [];
  #end: number;

  private constructor(path: string, most: number, end: number) {
    this.#path = path;
    this.#most = most;
    this.#end = end;
  }

  static async open(dir: string, mostBytes: number): Promise<SideFile> {
    const path = join(dir, SIDE_FILE);
    const side = new SideFile(path, mostBytes, 0);
    const file = await openIfThere(path);
    if (file) {
      side.#file = file;
      side.#end = (await file.stat()).size;
    }
    return side;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#end + bytes <= this.#most;
  }

  /** Takes the line; what it gives stands for it. */
  take(line: Buffer): Buffer {
    const place = Buffer.allocUnsafe(PLACE_BYTES);
    place.writeUIntLE(this.#end, 0, 6);
    place.writeUInt32LE(line.length, 6);
    place.writeUInt32LE(crc32(line), 10);
    this.#pending.push({ at: this.#end, line });
    this.#end += line.length;
    return place;
  }

  /** Resolves when what was taken is on the disk. */
  async flush(): Promise<void> {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    try {
      const isNew = !this.#file;
      this.#file ??= await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
      if (isNew) await this.#file.chmod(0o600);
      for (const { at, line } of pending) await writeAll(this.#file, line, at);
      await this.#file.datasync();
      if (isNew) await flushName(this.#path);
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close().catch(() => {});
  }
}

/** Reads long lines by what stands for them. */
export class SideReader {
  readonly #path: string;
  #fd: number | undefined;

  constructor(dir: string) {
    this.#path = join(dir, SIDE_FILE);
  }

  /** With its line end. Throws `ERR_STORE_CORRUPT` where it is not what was written. */
  line(place: Buffer): Buffer {
    const at = place.readUIntLE(0, 6);
    const line = Buffer.allocUnsafe(place.readUInt32LE(6));
    const fd = this.#open();
    for (let done = 0; done < line.length; ) {
      const read = readSync(fd, line, done, line.length - done, at + done);
      if (read === 0) throw corrupt(this.#path, 'it was cut off');
      done += read;
    }
    if (crc32(line) === place.readUInt32LE(10)) return line;
    throw corrupt(this.#path, `the line at byte ${at} does not have its checksum`);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    try {
      this.#fd ??= openSync(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
      return this.#fd;
    } catch (error) {
      throw corrupt(this.#path, (error as Error).message, error);
    }
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    // Not through a link that somebody has put there.
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storeError(error, path);
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** A new file's name is on the disk when its directory is. */
async function flushName(path: string): Promise<void> {
  const dir = await open(join(path, '..'), constants.O_RDONLY);
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}
