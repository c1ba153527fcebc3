/** Steps for each character, of pattern and text, until it is looked at in the other way. */
const PLENTY = 4;
/** Patterns that are kept as they were taken apart. */
const MOST_KEPT = 128;

/**
 * Does the whole text match? `*` is any characters, `?` one. Patterns come from clients, and a shard looks at thousands of
 * keys for one of them: `*xxx…q` over `xxx…` must take no product of both lengths, as going back after each `*` does.
 */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  /** Where the last `*` stands, and up to where it reaches so far. */
  let star = -1;
  let reach = 0;
  let left = PLENTY * (pattern.length + text.length);
  while (t < text.length) {
    if (left-- === 0) return matchesInParts(pattern, text);
    const wanted = pattern[p];
    if (wanted === '*') {
      star = p++;
      reach = t;
    } else if (wanted === '?' || wanted === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++reach;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Of a pattern with a `*`: its parts, each where it is found first. */
function matchesInParts(pattern: string, text: string): boolean {
  const { first, middle, last } = takenApart(pattern);
  const end = text.length - last.length;
  if (end < first.length || !isAt(first, text, 0) || !isAt(last, text, end)) return false;
  let at = first.length;
  for (const part of middle) {
    const found = part.find(text, at, end);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}

interface TakenApart {
  first: string;
  middle: Part[];
  last: string;
}

const kept = new Map<string, TakenApart>();

function takenApart(pattern: string): TakenApart {
  const known = kept.get(pattern);
  if (known) return known;
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  const made = { first, middle: rest.filter((part) => part !== '').map((part) => new Part(part)), last };
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(pattern, made);
  return made;
}

function isAt(part: string, text: string, at: number): boolean {
  for (let i = 0; i < part.length; i++) if (part[i] !== '?' && part[i] !== text[at + i]) return false;
  return true;
}

/** What stands between two `*`. */
class Part {
  readonly length: number;
  readonly #part: string;
  /** By character the places where it may stand, a bit each; undefined where there is no `?`. */
  readonly #places: Map<string, Uint32Array> | undefined;
  /** Where any may stand. */
  readonly #any: Uint32Array;

  constructor(part: string) {
    this.#part = part;
    this.length = part.length;
    this.#any = new Uint32Array(Math.ceil(part.length / 32));
    if (!part.includes('?')) return;
    this.#places = new Map();
    for (let i = 0; i < part.length; i++) if (part[i] === '?') setBit(this.#any, i);
    for (let i = 0; i < part.length; i++) {
      const char = part[i] as string;
      if (char === '?') continue;
      const places = this.#places.get(char) ?? this.#any.slice();
      setBit(places, i);
      this.#places.set(char, places);
    }
  }

  /** Where it stands first, from `from`, and ends at `end` at the latest; −1: nowhere. */
  find(text: string, from: number, end: number): number {
    if (this.#places) return this.#findBits(this.#places, text, from, end);
    const found = text.indexOf(this.#part, from);
    return found + this.length <= end ? found : -1;
  }

  /** Shift-And (Baeza-Yates and Gonnet, 1992): all begun matches at once, a bit each, 32 at a step. */
  #findBits(places: Map<string, Uint32Array>, text: string, from: number, end: number): number {
    const begun = new Uint32Array(this.#any.length);
    const top = begun.length - 1;
    const whole = 1 << ((this.length - 1) & 31);
    for (let at = from; at < end; at++) {
      const here = places.get(text[at] as string) ?? this.#any;
      let carry = 1;
      for (let i = 0; i <= top; i++) {
        const word = begun[i] as number;
        begun[i] = ((word << 1) | carry) & (here[i] as number);
        carry = word >>> 31;
      }
      if (((begun[top] as number) & whole) !== 0) return at - this.length + 1;
    }
    return -1;
  }
}

function setBit(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] as number) | (1 << (at & 31));
}
