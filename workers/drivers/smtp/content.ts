import { isAscii } from 'node:buffer';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { KeylaneError } from '../../../src/errors.js';
import type { SmtpOrder } from '../../../src/specs/smtp.js';
import { compose } from './compose.js';

/** What a message is: bytes, or a file that is read as it is sent. */
export interface Content {
  /** As it was given; line ends may add to it. */
  bytes: number;
  /** It has bytes above 127, or may have. */
  eightBit: boolean;
  source: Uint8Array | FileHandle;
}

/** Of a raw message at once, else a promise. */
export function contentOf(order: SmtpOrder): Content | Promise<Content> {
  const { raw, file, mail, messageId } = order;
  if (typeof raw === 'string') {
    const source = Buffer.from(raw);
    return { bytes: source.length, eightBit: source.length !== raw.length, source };
  }
  if (raw !== undefined) return { bytes: raw.length, eightBit: !isAscii(raw), source: raw };
  if (file !== undefined) return ofFile(file);
  if (mail !== undefined) return ofMail(mail, messageId);
  throw new KeylaneError('ERR_INPUT', 'smtp: expected a message: `raw`, or fields such as `from`, `to` and `text`');
}

/** It is sent, or is not going to be. */
export function letGo({ source }: Content): void {
  if (!(source instanceof Uint8Array)) source.close().catch(() => undefined);
}

async function ofMail(mail: NonNullable<SmtpOrder['mail']>, messageId: string | undefined): Promise<Content> {
  let source: Buffer;
  try {
    source = await compose(mail, messageId);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KeylaneError('ERR_INPUT', `smtp: the message could not be composed: ${why}`, { cause });
  }
  return { bytes: source.length, eightBit: !isAscii(source), source };
}

async function ofFile(path: string): Promise<Content> {
  let source: FileHandle | undefined;
  try {
    // A pipe that nobody writes to would keep a thread of the process's few until somebody does: not even a close ends that.
    source = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await source.stat();
    if (!stat.isFile()) throw new Error('not a file');
    // Not looked at before: nothing is wrong with a 7-bit message that is sent as one of 8.
    return { bytes: stat.size, eightBit: true, source };
  } catch (cause) {
    await source?.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KeylaneError('ERR_INPUT', `smtp.raw.file: ${path} cannot be read: ${why}`, { cause, local: true });
  }
}
