import { closeSync, constants, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import type { Logger } from 'pino';
import { type Clock, KeylaneError } from '../index.js';
import type { Audited } from './parts.js';

/** How often it is looked whether the file has been moved away. */
const LOOK_MS = 1_000;
const MOST_PENDING = 65_536;

/**
 * Who ran what for whom, and what became of it: a line of JSON each. Never what was run, which may hold secrets.
 *
 * To a file, the lines of a turn of the event loop are written together, at its end: a death of the process loses that
 * turn's, a death of the machine what the kernel had not written. Without a file they go to the log, at `info`.
 */
export class Audit {
  readonly #file: AuditFile | undefined;
  readonly #log: Logger;
  #pending = '';

  /** Throws `ERR_CONFIG` where the file cannot be written. */
  constructor(path: string | undefined, log: Logger, clock: Clock) {
    this.#log = log.child({ audit: true });
    this.#file = path === undefined ? undefined : new AuditFile(path, log, clock);
  }

  readonly add = (line: Audited): void => {
    if (!this.#file) {
      if (this.#log.isLevelEnabled('info')) this.#log.info(line);
      return;
    }
    if (this.#pending === '') setImmediate(this.flush);
    this.#pending += textOf(line);
    if (this.#pending.length > MOST_PENDING) this.flush();
  };

  readonly flush = (): void => {
    const text = this.#pending;
    this.#pending = '';
    if (text !== '') this.#file?.write(text);
  };

  /** What comes after it is lost. */
  close(): void {
    this.flush();
    this.#file?.close();
  }
}

/** What is appended to, for its owner alone. A program that rotates logs may move it away at any time. */
class AuditFile {
  readonly #path: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  #handle: number;
  #inode: number;
  #lookedAt: number;
  #lost = 0;

  constructor(path: string, log: Logger, clock: Clock) {
    this.#path = path;
    this.#log = log;
    this.#clock = clock;
    const { handle, inode } = open(path);
    this.#handle = handle;
    this.#inode = inode;
    this.#lookedAt = clock.now();
  }

  /** A service that cannot write it goes on: the log says so, and how much was lost. */
  write(text: string): void {
    if (this.#handle < 0) return;
    try {
      this.#follow();
      writeSync(this.#handle, text);
      if (this.#lost > 0) this.#log.error({ lost: this.#lost }, 'the audit is written again; lines were lost');
      this.#lost = 0;
    } catch (error) {
      if (this.#lost === 0) this.#log.error({ err: error, file: this.#path }, 'the audit cannot be written');
      this.#lost += text.split('\n').length - 1;
    }
  }

  close(): void {
    if (this.#handle >= 0) closeSync(this.#handle);
    this.#handle = -1;
  }

  #follow(): void {
    const now = this.#clock.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode) return;
    const { handle, inode } = open(this.#path);
    closeSync(this.#handle);
    this.#handle = handle;
    this.#inode = inode;
  }
}

function open(path: string): { handle: number; inode: number } {
  const refuse = (why: string, cause?: unknown) =>
    new KeylaneError('ERR_CONFIG', `createService.audit: ${path} ${why}`, { cause });
  let handle: number;
  try {
    const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    handle = openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    throw refuse(`cannot be opened: ${(error as NodeJS.ErrnoException).code}`, error);
  }
  const found = fstatSync(handle);
  if (found.isFile() && (found.mode & 0o022) === 0) return { handle, inode: found.ino };
  closeSync(handle);
  throw refuse(found.isFile() ? 'can be changed by others; `chmod 600` it' : 'is no file');
}

/** Names are ours; what the client has given is quoted. */
function textOf({ principal, address, route, driver, key, batch, outcome, code, ms }: Audited): string {
  let text = `{"time":"${now()}","principal":"${principal}","address":"${address}","route":"${route}"`;
  if (driver !== undefined) text += `,"driver":${JSON.stringify(driver)}`;
  if (key !== undefined) text += `,"key":${JSON.stringify(key)}`;
  if (batch !== undefined) text += `,"batch":${JSON.stringify(batch)}`;
  text += `,"outcome":"${outcome}"`;
  if (code !== undefined) text += `,"code":"${code}"`;
  return `${text},"ms":${Math.round(ms * 1_000) / 1_000}}\n`;
}

let lastMs = 0;
let lastText = '';

/** Made once for all lines of one millisecond. */
function now(): string {
  const ms = Date.now();
  if (ms !== lastMs) {
    lastMs = ms;
    lastText = new Date(ms).toISOString();
  }
  return lastText;
}
