import { type FileHandle, open } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { CopyOrder } from '../../../../src/specs/ssh.js';
import type { ExecuteContext } from '../../../../src/types.js';
import { systemClock } from '../../../../src/util/clock.js';
import { type SftpClient, SftpRefusal } from './client.js';
import { localError, Progress, temporaryName } from './copy.js';
import { type Attributes, FLAGS } from './packets.js';

/** Bytes of WRITEs that are not yet answered. */
const IN_FLIGHT = 2 << 20;
const DIRECTORY = 0o040000;
const TYPE = 0o170000;

/**
 * Sends a file: to a hidden name beside its own, written down, then renamed. Until the rename is asked for, the file on the
 * host is what it was, and the outcome of whatever goes wrong is `not_started`. Resolves with its bytes.
 */
export async function put(client: SftpClient, order: CopyOrder, context: ExecuteContext): Promise<number> {
  const source = await openSource(order, context);
  try {
    const path = await placeOf(client, order);
    if (order.parents) await makeParents(client, posix.dirname(path));
    const temporary = temporaryName(path, order, source, client.key);
    const start = order.resume && source.file ? await resumeAt(client, temporary, source.size) : 0;
    const flags = FLAGS.write | FLAGS.create | (start > 0 ? 0 : order.resume ? FLAGS.truncate : FLAGS.exclusive);
    // Readable by nobody else until it is whole, whatever the umask there.
    const handle = await client.open(temporary, flags, { mode: 0o600 }).catch(async (error: unknown) => {
      // Called off while the server was at it: it makes the file all the same.
      if (!(error instanceof SftpRefusal) && !order.resume) await client.cleanUp(temporary);
      throw error;
    });
    try {
      const bytes = await sendAll(client, handle, source, start, context);
      await client.setAttributes(handle, attributesOf(order, source));
      await client.sync(handle);
      const { size } = await client.fstat(handle);
      if (size !== bytes) throw new SftpRefusal(4, `it has ${size} bytes after ${bytes} were written`);
      await client.close(handle);
      context.sent();
      await client.rename(temporary, path).catch(renameLost);
      return bytes;
    } catch (error) {
      const goesOn = order.resume && error instanceof KeylaneError && error.code !== 'ERR_INPUT';
      if (!goesOn) await client.cleanUp(temporary);
      throw error;
    }
  } finally {
    await source.file?.close();
  }
}

interface Source {
  /** Undefined: the bytes are the caller's. */
  file: FileHandle | undefined;
  path: string;
  size: number;
  mtimeMs: number;
  mode: number | undefined;
  input: AsyncIterable<Uint8Array> | undefined;
}

async function openSource({ local }: CopyOrder, { input }: ExecuteContext): Promise<Source> {
  if (local === undefined) {
    if (!input) throw new KeylaneError('ERR_INPUT', 'ssh.local: expected a file to send, or a stream to write to');
    return { file: undefined, path: '', size: 0, mtimeMs: 0, mode: undefined, input };
  }
  let file: FileHandle | undefined;
  try {
    file = await open(local, 'r');
    const { size, mtimeMs, mode } = await file.stat();
    if ((mode & TYPE) === DIRECTORY) throw new Error('it is a directory; name a file');
    return { file, path: local, size, mtimeMs, mode: mode & 0o7777, input: undefined };
  } catch (error) {
    await file?.close();
    throw localError(local, error);
  }
}

/** The file's own path: below a directory that was named, and where a symbolic link leads. */
async function placeOf(client: SftpClient, { remote, local }: CopyOrder): Promise<string> {
  const name = local === undefined ? undefined : basename(local);
  if (remote.endsWith('/') && name !== undefined) return posix.join(remote, name);
  const there = await client.stat(remote).catch(missing);
  if (!there) return remote;
  if (((there.mode ?? 0) & TYPE) === DIRECTORY) {
    if (name === undefined) throw new SftpRefusal(4, 'it is a directory; name a file in it');
    return posix.join(remote, name);
  }
  return client.realPath(remote);
}

async function makeParents(client: SftpClient, directory: string): Promise<void> {
  if (directory === '.' || directory === '/' || (await client.stat(directory).catch(missing))) return;
  await makeParents(client, posix.dirname(directory));
  // Another copy may have made it meanwhile: whether it is there decides.
  await client.makeDirectory(directory).catch(async (error: unknown) => {
    if (!(await client.stat(directory).catch(missing))) throw error;
  });
}

/**
 * Where to go on. Not at the end of what is there: a server may have written a later piece before an earlier one when the
 * connection was cut.
 */
async function resumeAt(client: SftpClient, temporary: string, size: number): Promise<number> {
  const there = await client.stat(temporary).catch(missing);
  const had = there?.size ?? 0;
  return had <= size ? Math.max(0, had - IN_FLIGHT) : 0;
}

async function sendAll(
  client: SftpClient,
  handle: Buffer,
  source: Source,
  start: number,
  context: ExecuteContext,
): Promise<number> {
  const progress = new Progress(context, source.file ? source.size : undefined);
  const room = client.writeRoom(handle);
  const most = Math.max(1, Math.floor(IN_FLIGHT / client.writePiece));
  const inFlight = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let offset = start;
  const write = async (message: Buffer, at: number): Promise<void> => {
    const writing = client.write(handle, at, message).then(
      () => void inFlight.delete(writing),
      (error: unknown) => {
        inFlight.delete(writing);
        failure ??= { error };
      },
    );
    inFlight.add(writing);
    if (inFlight.size >= most) await Promise.race(inFlight);
    progress.at(at, systemClock.now());
    if (failure) throw failure.error;
  };
  for await (const message of pieces(source, start, room, client.writePiece)) {
    const at = offset;
    offset += message.length - room;
    await write(message, at);
  }
  while (inFlight.size > 0) await Promise.all(inFlight);
  if (failure) throw (failure as { error: unknown }).error;
  return offset;
}

/** Messages with the data at its place and room before it. */
async function* pieces(source: Source, start: number, room: number, most: number): AsyncGenerator<Buffer> {
  if (source.file) {
    // The next piece is read while this one leaves.
    let next = readPiece(source, start, room, most);
    for (let at = start; at < source.size; ) {
      const message = await next;
      at += message.length - room;
      if (at < source.size) next = readPiece(source, at, room, most);
      yield message;
    }
    return;
  }
  const input = (source.input as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await input.next();
    if (done) return;
    for (let at = 0; at < value.length; at += most) {
      const data = value.subarray(at, at + most);
      const message = Buffer.allocUnsafe(room + data.length);
      message.set(data, room);
      yield message;
    }
  }
}

function readPiece({ file, path, size }: Source, at: number, room: number, most: number): Promise<Buffer> {
  const read = async (): Promise<Buffer> => {
    const length = Math.max(0, Math.min(most, size - at));
    const message = Buffer.allocUnsafe(room + length);
    if (length === 0) return message;
    const { bytesRead } = await (file as FileHandle).read(message, room, length, at).catch((error: unknown) => {
      throw localError(path, error);
    });
    if (bytesRead === 0) throw localError(path, new Error('it became shorter while it was read'));
    return message.subarray(0, room + bytesRead);
  };
  const reading = read();
  // Nobody may wait for it any more.
  reading.catch(() => undefined);
  return reading;
}

function attributesOf({ mode, preserve }: CopyOrder, source: Source): Attributes {
  const attributes: Attributes = { mode: mode ?? (preserve ? source.mode : undefined) ?? 0o644 };
  if (preserve && source.file) attributes.mtime = Math.floor(source.mtimeMs / 1000);
  return attributes;
}

function missing(error: unknown): undefined {
  if (error instanceof SftpRefusal && error.missing) return undefined;
  throw error;
}

/** The rename was asked for, and no answer came: it may have been done. */
function renameLost(error: unknown): never {
  if (!(error instanceof KeylaneError)) throw error;
  throw new KeylaneError(error.code, error.message, { outcome: 'unknown', cause: error.cause });
}
