import { constants, rmdirSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { KeylaneError } from '../../errors.js';
import { storeError } from '../../store/trouble.js';

/** A copy of what cannot be read twice, in the directory of its batch. */
export class Spool {
  #path: string;
  readonly #dir: string;
  readonly #made: boolean;
  readonly #file: FileHandle;

  private constructor(dir: string, made: boolean, file: FileHandle) {
    this.#dir = dir;
    this.#made = made;
    this.#path = partOf(dir);
    this.#file = file;
  }

  /** Makes the directory, if it is not there. */
  static async open(asked: string): Promise<Spool> {
    const dir = resolve(asked);
    try {
      const made = (await mkdir(dir, { recursive: true, mode: 0o700 })) !== undefined;
      const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
      const file = await open(partOf(dir), O_CREAT | O_NOFOLLOW | O_TRUNC | O_WRONLY, 0o600);
      return new Spool(dir, made, file);
    } catch (error) {
      throw storeError(error, dir);
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Copies all of it. `name` is what messages call it. */
  async fill(from: AsyncIterable<unknown>, name: string): Promise<void> {
    for await (const piece of named(from, name)) {
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
  async keep(format: string): Promise<void> {
    const path = join(this.#dir, `input.${format}`);
    try {
      await this.#file.sync();
      await this.#file.close();
      await rename(this.#path, path);
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

function partOf(dir: string): string {
  return join(dir, 'input.part');
}

async function* named(from: AsyncIterable<unknown>, name: string): AsyncGenerator<unknown> {
  try {
    yield* from;
  } catch (error) {
    if (error instanceof KeylaneError) throw error;
    throw new KeylaneError('ERR_INPUT', `${name} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
