/** Colours say nothing here, and would only hide the words. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins them
const COLOURS = /\u001b\[[0-9;:]*m/g;
/** Control characters but tab and line end, and marks that hide text or turn the direction of writing. */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/**
 * Text of a peer as it can only be read: no escape does anything, and none is hidden. Colours are dropped, the rest is shown
 * as the command line shows it: `^[`, `\x9b`, `\u202e`.
 */
export function visible(text: string): string {
  return text.replace(COLOURS, '').replace(HIDDEN, show);
}

function show(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
  if (code === 0x7f) return '^?';
  return code < 0x100 ? `\\x${code.toString(16)}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** A line that is longer is cut: a browser lays out one line of a megabyte for seconds. */
const LONGEST_LINE = 4_000;

/** Pieces of output, cut anywhere, to lines that can be shown. */
export class Lines {
  #rest = '';
  #dropped = 0;

  /** The lines that this piece ends. */
  push(piece: string): string[] {
    // A piece may end between the two characters of a line end: the first waits for the other.
    const lines = (this.#rest + piece).split(/\r*\n/);
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > 2 * LONGEST_LINE) {
      this.#dropped += this.#rest.length - LONGEST_LINE;
      this.#rest = this.#rest.slice(0, LONGEST_LINE);
    }
    return lines.map((line, i) => this.#shown(line, i === 0 ? this.#takeDropped() : 0));
  }

  /** What of a line there is so far. */
  get open(): string {
    return visible(this.#rest.slice(0, LONGEST_LINE).replace(/\r+$/, ''));
  }

  /** The last line, where it has no end. */
  end(): string[] {
    const line = this.#rest;
    this.#rest = '';
    return line === '' ? [] : [this.#shown(line, this.#takeDropped())];
  }

  #takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #shown(line: string, dropped: number): string {
    const cut = Math.max(0, line.length - LONGEST_LINE) + dropped;
    const shown = visible(line.slice(0, LONGEST_LINE));
    return cut > 0 ? `${shown}… (${cut.toLocaleString('en-US')} more characters)` : shown;
  }
}
