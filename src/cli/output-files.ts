import { createHash } from 'node:crypto';
import { constants, mkdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Chunk } from '../index.js';
import { UsageError } from './io.js';
import type { HostResult, Item } from './item.js';
import type { Output } from './output.js';

/** A file name of at most 255 bytes leaves this for the host; `.out` follows. */
const LONGEST_NAME = 240;

/** `HOST.out` and `HOST.err` for each host that answered; what else is asked for goes on beside it. */
export class OutputFiles implements Output {
  readonly live: boolean;
  readonly #dir: string;
  readonly #beside: Output | undefined;

  /** Throws a UsageError if the folder cannot be made. */
  constructor(dir: string, beside: Output | undefined) {
    this.#dir = dir;
    this.#beside = beside;
    this.live = beside?.live ?? false;
    try {
      makeDir(dir);
    } catch (error) {
      throw new UsageError(`--out-dir ${dir}: ${(error as Error).message}`);
    }
  }

  chunk(item: Item, chunk: Chunk): void {
    this.#beside?.chunk(item, chunk);
  }

  async result(item: Item, result: HostResult): Promise<void> {
    const { response } = result;
    if (response !== undefined) {
      const path = join(this.#dir, fileName(item.id));
      await write(`${path}.out`, response.stdout);
      await write(`${path}.err`, response.stderr);
    }
    await this.#beside?.result(item, result);
  }

  end(): void {
    this.#beside?.end();
  }
}

/** A file name for a host: what is not plain is written as %XX, so two hosts never share a name and none leaves the folder. */
function fileName(host: string): string {
  const name = host.replace(/[^A-Za-z0-9@:_.+-]/gu, (char) => {
    return [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  });
  if (name.length <= LONGEST_NAME) return name;
  const digest = createHash('sha256').update(host).digest('hex').slice(0, 16);
  return `${name.slice(0, LONGEST_NAME - 17)}~${digest}`;
}

/** Makes a folder and those above it. Node's own `recursive` never returns where the system says ENOENT for good, as in /proc. */
function makeDir(dir: string): void {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(dir) !== dir) makeDir(dirname(dir));
  mkdirSync(dir, { mode: 0o700 });
}

/** No link is followed, and an older file's permissions are closed before the bytes are in it. */
async function write(path: string, data: string | Buffer): Promise<void> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(data);
  } finally {
    await file.close();
  }
}
