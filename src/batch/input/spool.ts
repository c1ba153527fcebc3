import { randomUUID } from 'node:crypto';
import { existsSync, rmdirSync } from 'node:fs';
import { type FileHandle, link, open, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { InputIdentity } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import { privateDirectory } from '../../store/directory.js';
import { storeError } from '../../store/trouble.js';

/** A copy of what cannot be read twice, in the directory of its batch. */
export class Spool {
  #path: string;
  readonly #dir: string;
  readonly #made: boolean;
  readonly #file: FileHandle;

  private constructor(dir: string, made: boolean, path: string, file: FileHandle) {
    this.#dir = dir;
    this.#made = made;
    this.#path = path;
    this.#file = file;
  }

  /** Makes the directory, if it is not there. Throws `ERR_EXISTS` where it has an input already: that is another batch's. */
  static async open(asked: string): Promise<Spool> {
    const dir = resolve(asked);
    const there = FORMATS.map((format) => join(dir, `input.${format}`)).find((path) => existsSync(path));
    if (there !== undefined) throw exists(there);
    const made = !existsSync(dir);
    privateDirectory(dir);
    const path = join(dir, `input-${randomUUID()}.part`);
    try {
      return new Spool(dir, made, path, await open(path, 'wx', 0o600));
    } catch (error) {
      throw storeError(error, dir);
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Copies all of it. Whatever it fails with is passed on. */
  async fill(from: AsyncIterable<unknown>): Promise<void> {
    for await (const piece of from) {
      const bytes = piece instanceof Uint8Array ? piece : Buffer.from(String(piece));
      try {
        // Until all of it is written: a disk that becomes full takes a part first.
        for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
      } catch (error) {
        throw storeError(error, this.#path);
      }
    }
  }

  /** Ends it: durable, and by the name that it is found under. */
  async keep(format: InputIdentity['format']): Promise<void> {
    const path = join(this.#dir, `input.${format}`);
    try {
      await this.#file.sync();
      await this.#file.close();
      // Not renamed: that would take the place of another's.
      await link(this.#path, path).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? exists(path) : error;
      });
      await rm(this.#path);
      this.#path = path;
      const dir = await open(this.#dir);
      await dir.sync().finally(() => dir.close());
    } catch (error) {
      throw storeError(error, path);
    }
  }

  /** Leaves no trace. */
  async remove(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#path, { force: true });
    if (!this.#made) return;
    try {
      rmdirSync(this.#dir);
    } catch {
      // Somebody else has put something there.
    }
  }
}

const FORMATS = ['ndjson', 'csv', 'json'] as const satisfies InputIdentity['format'][];

function exists(path: string): KeylaneError {
  return new KeylaneError(
    'ERR_EXISTS',
    `${path} is there: a batch of this id exists; go on with it by \`resume\`, remove it (\`keylane batch rm\`), or give another id`,
  );
}
