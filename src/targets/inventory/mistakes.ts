import { type ErrorCode, KeylaneError } from '../../errors.js';

/** An entry that cannot be taken. It costs itself alone where bad entries are skipped. */
export class BadEntry extends Error {
  readonly code: ErrorCode;

  constructor(message: string, code: ErrorCode = 'ERR_CONFIG') {
    super(message);
    this.code = code;
  }
}

const MOST_WARNINGS = 100;
/** Beyond, nobody reads what it was meant to be. */
const MOST_LEFT_OUT = 10_000;

/** What becomes of bad entries: the first is the error of all, or each is told and left out. */
export class Mistakes {
  readonly #skip: boolean;
  readonly #warnings: string[] = [];
  #more = 0;
  #leftOut = 0;

  constructor(skip: boolean) {
    this.#skip = skip;
  }

  /** Does the work of one entry. `place` is asked only if it is bad: it may be costly to tell. */
  entry(place: () => string, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof BadEntry)) throw error;
      const text = onOneLine(`${place()}: ${error.message}`);
      if (!this.#skip) throw new KeylaneError(error.code, text);
      if (++this.#leftOut > MOST_LEFT_OUT)
        throw new KeylaneError('ERR_CONFIG', `${text}; and so are 10,000 before it: is it another format?`);
      this.warn(`${text}; left out`);
    }
  }

  warn(text: string): void {
    if (this.#warnings.length < MOST_WARNINGS) this.#warnings.push(text);
    else this.#more++;
  }

  /** Entries that were left out. */
  get leftOut(): number {
    return this.#leftOut;
  }

  get warnings(): readonly string[] {
    return this.#more === 0 ? [...this.#warnings] : [...this.#warnings, `and ${this.#more} more like these`];
  }
}

/** Without what would move a cursor or begin a line of its own: JSON.stringify leaves some of it as it is. */
function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As it may stand in a message: short and in quotes. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

export function tooManyHosts(): KeylaneError {
  return new KeylaneError('ERR_CONFIG', 'the inventory comes to more than 1,000,000 hosts: split it');
}
