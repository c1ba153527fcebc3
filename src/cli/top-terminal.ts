import type { Readable } from 'node:stream';
import type { Io, OutputStream } from './io.js';

/** What a person may press. */
export type Key = 'quit' | 'pause' | 'sort' | 'up' | 'down' | 'page_up' | 'page_down' | 'top' | 'end' | 'interrupt';

const KEYS: Readonly<Record<string, Key>> = {
  q: 'quit',
  Q: 'quit',
  p: 'pause',
  s: 'sort',
  k: 'up',
  j: 'down',
  '\u001b[A': 'up',
  '\u001bOA': 'up',
  '\u001b[B': 'down',
  '\u001bOB': 'down',
  '\u001b[5~': 'page_up',
  '\u001b[6~': 'page_down',
  '\u001b[H': 'top',
  '\u001b[F': 'end',
  '\u0003': 'interrupt',
};
const ESC = '\u001b';
const KEY = new RegExp(`${ESC}(?:\\[\\d*[~A-Z]|O[A-Z])|[^${ESC}]`, 'g');

/** The alternate screen, without its cursor, and lines that are not wrapped; and all of it as it was. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';

type Terminal = Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };

/** A terminal that is ours until `leave`, which is sure to be called however this process ends but by SIGKILL. */
export class TopTerminal {
  readonly #in: Terminal;
  readonly #out: OutputStream & { rows?: number };
  readonly #onKey: (key: Key) => void;
  readonly #onResize: () => void;
  readonly #leave = () => this.leave();
  readonly #data = (bytes: Buffer) => {
    for (const [key] of bytes.toString().matchAll(KEY)) {
      const known = KEYS[key];
      if (known) this.#onKey(known);
    }
  };
  #isOurs = false;

  constructor({ stdin, stdout }: Pick<Io, 'stdin' | 'stdout'>, onKey: (key: Key) => void, onResize: () => void) {
    this.#in = stdin;
    this.#out = stdout;
    this.#onKey = onKey;
    this.#onResize = onResize;
  }

  get columns(): number {
    return this.#out.columns || 80;
  }

  get rows(): number {
    return this.#out.rows || 24;
  }

  /** Keys can be read. */
  get hasKeys(): boolean {
    return this.#in.isTTY === true;
  }

  enter(): void {
    this.#isOurs = true;
    process.on('exit', this.#leave);
    this.#out.write(ENTER);
    this.#out.on('resize', this.#onResize);
    if (!this.hasKeys) return;
    this.#in.setRawMode?.(true);
    this.#in.on('data', this.#data);
    this.#in.resume();
  }

  /** Nothing is shown where the terminal has not taken what was shown before: it is slow, or stopped. */
  show(lines: readonly string[]): void {
    if (!this.#isOurs || this.#out.writableNeedDrain) return;
    this.#out.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
  }

  leave(): void {
    if (!this.#isOurs) return;
    this.#isOurs = false;
    process.off('exit', this.#leave);
    this.#out.off('resize', this.#onResize);
    this.#out.write(LEAVE);
    if (!this.hasKeys) return;
    this.#in.off('data', this.#data);
    this.#in.pause();
    this.#in.setRawMode?.(false);
  }
}
