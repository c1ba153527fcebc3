import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CopyOrder } from '../../../../src/specs/ssh.js';
import type { ExecuteContext } from '../../../../src/types.js';
import { systemClock } from '../../../../src/util/clock.js';
import { type SftpClient, SftpRefusal } from './client.js';
import { localError, Progress, temporaryName } from './copy.js';
import { type Attributes, FLAGS } from './packets.js';

/** Bytes of READs that are not yet answered, or answered and not yet written. */
const IN_FLIGHT = 2 << 20;
const DIRECTORY = 0o040000;
const TYPE = 0o170000;

/**
 * Fetches a file: to a hidden name beside its own, written down, then renamed; or to the reader of the stream, as fast as
 * that reads. Nothing on the host changes, so whatever goes wrong is `not_started`. Resolves with its bytes.
 */
export async function get(client: SftpClient, order: CopyOrder, context: ExecuteContext): Promise<number> {
  const handle = await client.open(order.remote, FLAGS.read);
  const attributes = await client.fstat(handle);
  if (((attributes.mode ?? 0) & TYPE) === DIRECTORY) throw new SftpRefusal(4, 'it is a directory; name a file');
  const size = attributes.size ?? Number.POSITIVE_INFINITY;
  if (order.local === undefined) {
    const send = async (data: Buffer) => {
      await context.chunk('stdout', data);
    };
    return fetchAll(client, handle, { start: 0, size, take: send });
  }
  const source = { size, mtimeMs: (attributes.mtime ?? 0) * 1000 };
  const target = await Target.open(order.local, order, source, client.key);
  try {
    const progress = new Progress(context, attributes.size);
    const take = (data: Buffer, at: number) => {
      progress.at(at, systemClock.now());
      return target.write(data, at);
    };
    const bytes = await fetchAll(client, handle, { start: target.start, size, take });
    await target.finish(order, attributes);
    return bytes;
  } catch (error) {
    await target.leave(order.resume === true && !(error instanceof SftpRefusal));
    throw error;
  }
}

interface Fetch {
  start: number;
  size: number;
  /** Called in the order of the file; reading goes on when it has resolved. */
  take(data: Buffer, at: number): Promise<void>;
}

async function fetchAll(client: SftpClient, handle: Buffer, { start, size, take }: Fetch): Promise<number> {
  const piece = client.readPiece;
  const most = Math.max(1, Math.floor(IN_FLIGHT / piece));
  // In the order of the file. A read may be answered short: what is missing is asked for when its turn comes.
  const asked: { at: number; length: number; data: Promise<Buffer | undefined> }[] = [];
  let next = start;
  let at = start;
  const ask = () => {
    const data = client.read(handle, next, piece);
    data.catch(() => undefined);
    asked.push({ at: next, length: piece, data });
    next += piece;
  };
  for (;;) {
    // One beyond the size: a file may have grown, or (in /proc) have none.
    while (asked.length < most && (next <= size || asked.length === 0)) ask();
    const first = asked.shift() as (typeof asked)[number];
    let data = await first.data;
    for (let left = first.length; data; ) {
      await take(data, at);
      at += data.length;
      left -= data.length;
      if (left === 0) break;
      data = await client.read(handle, at, left);
    }
    if (!data) return at;
  }
}

/** The file of this machine that is being made. */
class Target {
  /** Where to go on. */
  readonly start: number;
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;

  static async open(
    local: string,
    order: CopyOrder,
    source: { size: number; mtimeMs: number },
    host: string,
  ): Promise<Target> {
    try {
      const there = await stat(local).catch(() => undefined);
      const path = local.endsWith('/') || there?.isDirectory() ? join(local, basename(order.remote)) : local;
      if (order.parents) await mkdir(dirname(path), { recursive: true });
      const temporary = temporaryName(path, order, source, host);
      const had = order.resume ? ((await stat(temporary).catch(() => undefined))?.size ?? 0) : 0;
      // Written in order, so all of it is good.
      const start = had <= source.size ? had : 0;
      return new Target(
        path,
        temporary,
        await open(temporary, start > 0 ? 'r+' : order.resume ? 'w' : 'wx', 0o600),
        start,
      );
    } catch (error) {
      throw localError(local, error);
    }
  }

  private constructor(path: string, temporary: string, file: FileHandle, start: number) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.start = start;
  }

  async write(data: Buffer, at: number): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#file.write(data, done, data.length - done, at + done).catch((error) => {
        throw localError(this.#path, error);
      });
      done += bytesWritten;
    }
  }

  async finish({ mode, preserve }: CopyOrder, attributes: Attributes): Promise<void> {
    try {
      // Whose file it becomes here is for us to say, not for the host: no set-user-ID of its.
      const theirs = preserve && attributes.mode !== undefined ? attributes.mode & 0o777 : 0o644;
      await this.#file.chmod(mode ?? theirs);
      if (preserve && attributes.mtime !== undefined) await this.#file.utimes(attributes.mtime, attributes.mtime);
      await this.#file.sync();
      await this.#file.close();
      await rename(this.#temporary, this.#path);
    } catch (error) {
      throw localError(this.#path, error);
    }
  }

  /** It did not work out. */
  async leave(keep: boolean): Promise<void> {
    await this.#file.close().catch(() => undefined);
    if (!keep) await rm(this.#temporary, { force: true }).catch(() => undefined);
  }
}
