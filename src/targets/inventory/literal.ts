/** Deeper ones stay text. */
const DEEPEST = 32;

/**
 * The value of a variable in an INI file. Ansible takes it for a literal of Python where it is one, else for the text that
 * it is: `8080` is a number, `"8080"` a text, `[1, 2]` and `1, 2` are lists, `{'a': True}` an object, `8080 # the port` a
 * number with a comment behind it. (Ansible's documentation of the `ini` inventory; Python reference, "Lexical analysis")
 *
 * What JavaScript has no value for stays text: whole numbers beyond 2^53, infinite and complex ones, keys that are lists.
 */
export function readLiteral(text: string): unknown {
  const first = text.replace(/^[ \t]+/, '');
  // Most values are words. Only what can begin a literal is looked at.
  if (!/^(?:[\d.+\-([{'"]|[bBrRuU]{1,2}['"]|True|False|None)/.test(first)) return text;
  const reader = new Literals(first);
  try {
    return reader.whole();
  } catch (error) {
    if (error instanceof NotLiteral) return text;
    throw error;
  }
}

class NotLiteral extends Error {}
const NOT = new NotLiteral();

const NUMBER =
  /(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*)?\.\d(?:_?\d)*(?:[eE][+-]?\d(?:_?\d)*)?|\d(?:_?\d)*\.?(?:[eE][+-]?\d(?:_?\d)*)?)/y;
const WORD = /[\p{L}_][\p{L}\p{N}_]*/uy;
const PREFIX = /(?:[uU]|[bB]|[rR]|[bB][rR]|[rR][bB])?(?='|")/y;

class Literals {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** Whether the number that was read last has a point or an exponent: 1 and 1.0 are one key, but have two names. */
  #float = false;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    const value = this.#listOrOne('');
    if (this.#at < this.#text.length) throw NOT;
    return value;
  }

  /** One value, or a list where a comma follows; up to what closes it. */
  #listOrOne(close: string): unknown {
    const first = this.#value();
    if (this.#next() !== ',') return first;
    const values = [first];
    while (this.#next() === ',') {
      this.#at++;
      if (this.#next() === close) break;
      values.push(this.#value());
    }
    return values;
  }

  #value(): unknown {
    if (++this.#depth > DEEPEST) throw NOT;
    const value = this.#any(this.#next());
    this.#depth--;
    return value;
  }

  #any(char: string): unknown {
    if (char === '(') return this.#tuple();
    if (char === '[') return this.#items(']');
    if (char === '{') return this.#braces();
    if (char === '-' || char === '+') {
      this.#at++;
      const number = this.#unsigned();
      return char === '-' && (number !== 0 || this.#float) ? -number : number;
    }
    if (/[\d.]/.test(char) && char !== '') return this.#number();
    PREFIX.lastIndex = this.#at;
    if (PREFIX.test(this.#text)) return this.#strings();
    const word = this.#match(WORD);
    if (word === 'True') return true;
    if (word === 'False') return false;
    if (word === 'None') return null;
    throw NOT;
  }

  /** What a sign may stand before: a number, also in brackets. */
  #unsigned(): number {
    if (this.#next() !== '(') return this.#number();
    if (++this.#depth > DEEPEST) throw NOT;
    this.#at++;
    const number = this.#unsigned();
    this.#expect(')');
    this.#depth--;
    return number;
  }

  #tuple(): unknown {
    this.#at++;
    if (this.#next() === ')') {
      this.#at++;
      return [];
    }
    const value = this.#listOrOne(')');
    this.#expect(')');
    return value;
  }

  #items(close: string): unknown[] {
    this.#at++;
    const values: unknown[] = [];
    while (this.#next() !== close) {
      values.push(this.#value());
      if (this.#next() !== close) this.#expect(',');
    }
    this.#at++;
    return values;
  }

  /** An object, or a set, which becomes a list. The first value tells: to read it twice would be 2^depth steps. */
  #braces(): unknown {
    this.#at++;
    if (this.#next() === '}') {
      this.#at++;
      return {};
    }
    const first = this.#value();
    if (this.#next() === ':') return this.#object(first);
    const values = new Map([[sameIn(first), first]]);
    while (this.#next() !== '}') {
      this.#expect(',');
      if (this.#next() === '}') break;
      const value = this.#value();
      if (!values.has(sameIn(value))) values.set(sameIn(value), value);
    }
    this.#at++;
    return [...values.values()];
  }

  /**
   * As Python has it in memory and prints it as JSON: of keys that are equal the first gives the name and the place, the last
   * the value; of names that are equal, as of 1 and '1', the one whose place is behind the other's counts.
   */
  #object(first: unknown): Record<string, unknown> {
    const entries = new Map<unknown, { name: string; value: unknown }>();
    for (let key = first; ; key = this.#value()) {
      const name = this.#nameOf(key);
      this.#expect(':');
      const value = this.#value();
      const entry = entries.get(sameIn(key));
      if (entry) entry.value = value;
      else entries.set(sameIn(key), { name, value });
      if (this.#next() !== '}') this.#expect(',');
      if (this.#next() === '}') break;
    }
    this.#at++;
    const object: Record<string, unknown> = {};
    for (const { name, value } of entries.values())
      Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
    return object;
  }

  /** What a key, just read, is called in JSON by Python's `json`: `1.0` for 1., `1e-05` for 1e-5, `true` for True. */
  #nameOf(key: unknown): string {
    if (typeof key === 'number') return this.#float ? floatName(key) : String(key);
    if (typeof key === 'string' || typeof key === 'boolean' || key === null) return String(key);
    throw NOT;
  }

  #number(): number {
    const digits = this.#match(NUMBER);
    // A letter behind it makes it a name, a second dot an address; a zero in front of others is no number in Python 3.
    const next = this.#text[this.#at] ?? '';
    if (digits === '' || /[\p{L}\p{N}_.]/u.test(next)) throw NOT;
    const plain = digits.replaceAll('_', '');
    const whole = /^(?:\d+|0[xXoObB].+)$/.test(plain);
    if (whole && /^0\d*[1-9]/.test(plain)) throw NOT;
    const number = Number(plain);
    this.#float = !whole;
    if (!Number.isFinite(number) || (whole && !Number.isSafeInteger(number))) throw NOT;
    return number;
  }

  /** Strings that stand side by side are one. */
  #strings(): string {
    let all = '';
    let kind: boolean | undefined;
    for (;;) {
      this.#next();
      PREFIX.lastIndex = this.#at;
      if (!PREFIX.test(this.#text)) return all;
      const prefix = this.#match(PREFIX).toLowerCase();
      const bytes = prefix.includes('b');
      if (kind !== undefined && kind !== bytes) throw NOT;
      kind = bytes;
      all += this.#string(prefix.includes('r'), bytes);
    }
  }

  #string(raw: boolean, bytes: boolean): string {
    const text = this.#text;
    const one = text[this.#at]!;
    const quote = text.startsWith(one.repeat(3), this.#at) ? one.repeat(3) : one;
    this.#at += quote.length;
    const pieces: string[] = [];
    for (let from = this.#at; ; ) {
      const char = text[this.#at];
      if (char === undefined) throw NOT;
      if (text.startsWith(quote, this.#at)) {
        pieces.push(text.slice(from, this.#at));
        this.#at += quote.length;
        return pieces.join('');
      }
      if (bytes && char > '\x7f') throw NOT;
      if (char === '\\') {
        if (!raw) {
          pieces.push(text.slice(from, this.#at), this.#escape(bytes));
          from = this.#at;
        } else this.#at += 2;
      } else this.#at++;
    }
  }

  #escape(bytes: boolean): string {
    const rest = this.#text.slice(this.#at + 1, this.#at + 10);
    const octal = /^[0-7]{1,3}/.exec(rest);
    const coded =
      octal ?? (bytes ? /^x([0-9a-fA-F]{2})/ : /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/).exec(rest);
    if (coded !== null) {
      const code = octal ? Number.parseInt(octal[0], 8) : Number.parseInt(coded[1] ?? coded[2] ?? coded[3] ?? '', 16);
      // Bytes that are no ASCII, halves of a pair and what is beyond all characters have no text here.
      if (code > 0x10_ffff || (bytes && code > 0x7f) || (code >= 0xd800 && code <= 0xdfff)) throw NOT;
      this.#at += 1 + coded[0].length;
      return String.fromCodePoint(code);
    }
    const char = rest[0];
    if (char === undefined || (!bytes && /[NxuU]/.test(char)) || (bytes && char === 'x')) throw NOT;
    this.#at += 2;
    return SINGLE[char] ?? `\\${char}`;
  }

  /** The next character that is neither white space nor comment, and goes there. '' at the end. */
  #next(): string {
    const text = this.#text;
    while (text[this.#at] === ' ' || text[this.#at] === '\t' || text[this.#at] === '\f') this.#at++;
    if (text[this.#at] === '#') this.#at = text.length;
    return text[this.#at] ?? '';
  }

  #expect(char: string): void {
    if (this.#next() !== char) throw NOT;
    this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }
}

/** What stands for a value in a set or as a key: to Python, True is 1 and False is 0. */
function sameIn(value: unknown): unknown {
  return typeof value === 'boolean' ? Number(value) : value;
}

/** As `repr` of Python has it: the same digits as here, an exponent from 1e16 up and below 1e-4, of two digits or more. */
function floatName(float: number): string {
  const [digits = '', exponent = ''] = float.toExponential().split('e');
  const size = Number(exponent);
  if (Object.is(float, -0)) return '-0.0';
  if (size >= -4 && size < 16) return Number.isInteger(float) ? `${float}.0` : String(float);
  return `${digits}e${size < 0 ? '-' : '+'}${String(Math.abs(size)).padStart(2, '0')}`;
}

const SINGLE: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
