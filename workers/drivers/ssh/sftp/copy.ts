import { createHash, randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { CopyOrder } from '../../../../src/specs/ssh.js';
import type { SshResponse } from '../../../../src/ssh-types.js';
import type { ExecuteContext } from '../../../../src/types.js';
import type { SshConnection } from '../connection.js';
import { SftpClient, SftpRefusal } from './client.js';
import { get } from './get.js';
import { put } from './put.js';

/** One file, there or back. What the server refuses is its answer (`code: 1`, its words on `stderr`), not an error. */
export async function copy(connection: SshConnection, order: CopyOrder, context: ExecuteContext): Promise<SshResponse> {
  const { signal } = context;
  signal.throwIfAborted();
  const client = await SftpClient.start(connection);
  const abandon = () => client.abandon(reasonOf(signal));
  signal.addEventListener('abort', abandon);
  if (signal.aborted) abandon();
  try {
    const bytes = await (order.op === 'put' ? put : get)(client, order, context);
    return { code: 0, signal: null, stdout: '', stderr: '', truncated: false, bytes };
  } catch (error) {
    if (!(error instanceof SftpRefusal)) throw error;
    const stderr = `${order.op} ${order.remote}: ${error.message}\n`;
    return { code: 1, signal: null, stdout: '', stderr, truncated: false };
  } finally {
    signal.removeEventListener('abort', abandon);
    await client.end();
  }
}

/**
 * Where a file is made before it takes its place: beside it, hidden. With `resume` the name follows from the source, so
 * that the next try finds what this one left, and only if the source is still the same; and from the host, because many
 * hosts may share one disk.
 */
export function temporaryName(
  path: string,
  order: CopyOrder,
  source: { size: number; mtimeMs: number },
  host: string,
): string {
  const tag = order.resume
    ? createHash('sha256')
        .update(`${source.size} ${Math.floor(source.mtimeMs / 1000)} ${host}`)
        .digest('hex')
        .slice(0, 16)
    : randomBytes(8).toString('hex');
  return posix.join(posix.dirname(path), `.${posix.basename(path).slice(0, 200)}.${tag}.keylane`);
}

/** Tells a reader how far it is: JSON on the channel `message`, a few times a second at most. */
export class Progress {
  readonly #context: ExecuteContext;
  readonly #total: number | undefined;
  #told = Number.NEGATIVE_INFINITY;

  constructor(context: ExecuteContext, total: number | undefined) {
    this.#context = context;
    this.#total = total;
  }

  at(bytes: number, now: number): void {
    if (!this.#context.live || now - this.#told < 200) return;
    this.#told = now;
    void this.#context.chunk('message', Buffer.from(JSON.stringify({ bytes, total: this.#total ?? null })));
  }
}

/** A file of this machine that is not as it must be. */
export function localError(path: string, cause: unknown): KeylaneError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'there is no such file or directory' : `${message}`;
  return new KeylaneError('ERR_INPUT', `ssh.local: ${path}: ${why}`, { cause });
}

function reasonOf(signal: AbortSignal): KeylaneError {
  const { reason } = signal;
  return reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason });
}
