import { createWriteStream, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Io, type OutputStream, UsageError } from './io.js';

export type Stream = 'out' | 'err';

/**
 * Where a command writes: results to `out` (stdout, or a file), the rest to `err`, and on a terminal one status line
 * below everything, which steps aside for what is written.
 */
export class Screen {
  /** How writing to `out` failed: `closed` where the reader has gone, as `head` does. */
  failure: 'closed' | Error | undefined = undefined;
  readonly #streams: Record<Stream, OutputStream>;
  readonly #toFile: boolean;
  readonly #onFailure: (error: NodeJS.ErrnoException) => void;
  #statusShown = false;

  /**
   * `file`: its name, or what is open already and is ended with the screen. `onFailure` is called once, when `out` takes no
   * more. Throws a UsageError if the file cannot be written.
   */
  constructor(io: Io, file: string | OutputStream | undefined, onFailure: () => void) {
    const opened = typeof file === 'string' ? openFile(file) : file;
    this.#streams = { out: opened ?? io.stdout, err: io.stderr };
    this.#toFile = file !== undefined;
    this.#onFailure = (error) => {
      if (this.failure !== undefined) return;
      this.failure = error.code === 'EPIPE' ? 'closed' : error;
      onFailure();
    };
    this.#streams.out.on('error', this.#onFailure);
    // Nobody reads our messages: no reason to stop.
    this.#streams.err.on('error', () => {});
  }

  isTerminal(stream: Stream): boolean {
    return this.#streams[stream].isTTY === true;
  }

  /** Columns of the terminal that shows the status. */
  get columns(): number {
    return this.#streams.err.columns ?? 80;
  }

  write(stream: Stream, data: string | Uint8Array): void {
    if (data.length === 0 || (stream === 'out' && this.failure !== undefined)) return;
    if (this.#statusShown && this.isTerminal(stream)) this.status('');
    this.#streams[stream].write(data);
  }

  /** Shows a line in the place of the last one; an empty one clears it. */
  status(line: string): void {
    if (line === '' && !this.#statusShown) return;
    this.#statusShown = line !== '';
    this.#streams.err.write(`\r\u001b[2K${line}`);
  }

  /** Resolves when `out` has taken what was written, or never will: a slow reader slows down whoever awaits it. */
  async ready(): Promise<void> {
    const { out } = this.#streams;
    if (!out.writableNeedDrain || this.failure !== undefined) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ['drain', 'error', 'close']) out.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'error', 'close']) out.on(event, done);
    });
  }

  /** Resolves when everything is written and a file is closed. Error listeners stay: a late EPIPE must not be thrown. */
  async end(): Promise<void> {
    this.status('');
    const { out } = this.#streams;
    if (this.#toFile && this.failure === undefined) {
      out.end();
      await finished(out).catch(this.#onFailure);
    }
    await this.ready();
  }
}

function openFile(file: string): OutputStream {
  try {
    // Made for the owner alone: what hosts say may be confidential.
    return createWriteStream(file, { fd: openSync(file, 'w', 0o600) });
  } catch (error) {
    throw new UsageError(`--out ${file}: ${(error as Error).message}`);
  }
}
