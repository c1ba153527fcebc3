/** Where an id was met before. */
const EMPTY = -1;

/**
 * Which ids there were, in 20 to 40 bytes each, whatever their length. An id is known by 64 bits of a hash with a seed of its own:
 * who finds it again makes sure, and where two ids only look alike begins again with another seed.
 */
export class IdTable {
  /** By place: both halves of the hash, and the mark of the record. */
  #high = new Uint32Array(1_024);
  #low = new Uint32Array(1_024);
  #marks = new Int32Array(1_024);
  /** By hash: places. At most half are taken. */
  #slots = new Int32Array(2_048).fill(EMPTY);
  #size = 0;
  readonly #seed = Math.floor(Math.random() * 2 ** 32);

  get size(): number {
    return this.#size;
  }

  /** The place of the id if it was there, else undefined: it has the next place from then on. */
  add(id: string, mark: number): number | undefined {
    const slot = this.#slotOf(id);
    const place = this.#slots[slot] as number;
    if (place !== EMPTY) return place;
    this.#slots[slot] = this.#size;
    this.#high[this.#size] = high;
    this.#low[this.#size] = low;
    this.#marks[this.#size++] = mark;
    if (this.#size === this.#high.length) this.#grow();
    return undefined;
  }

  placeOf(id: string): number | undefined {
    const place = this.#slots[this.#slotOf(id)] as number;
    return place === EMPTY ? undefined : place;
  }

  markOf(place: number): number {
    return this.#marks[place] as number;
  }

  #slotOf(id: string): number {
    hash(id, this.#seed);
    const mask = this.#slots.length - 1;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      const place = this.#slots[slot] as number;
      if (place === EMPTY || (this.#high[place] === high && this.#low[place] === low)) return slot;
    }
  }

  #grow(): void {
    this.#high = twice(this.#high, new Uint32Array(2 * this.#size));
    this.#low = twice(this.#low, new Uint32Array(2 * this.#size));
    this.#marks = twice(this.#marks, new Int32Array(2 * this.#size));
    const mask = 4 * this.#size - 1;
    this.#slots = new Int32Array(mask + 1).fill(EMPTY);
    for (let place = 0; place < this.#size; place++) {
      let slot = (this.#high[place] as number) & mask;
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = place;
    }
  }
}

// What `hash` gives: two numbers without an object for each of a million ids.
let high = 0;
let low = 0;

/** 64 bits. Two chains of multiplications with odd numbers, and at the end each mixed into the other. */
function hash(id: string, seed: number): void {
  let a = seed ^ 0x2545f491;
  let b = Math.imul(seed, 0x9e3779b1) ^ id.length;
  for (let at = 0; at < id.length; at++) {
    const unit = id.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x85ebca6b);
    a ^= a >>> 15;
    b = Math.imul(b ^ unit, 0xc2b2ae35);
    b ^= b >>> 13;
  }
  a = Math.imul(a ^ (b >>> 16), 0x27d4eb2f);
  b = Math.imul(b ^ (a >>> 14), 0x165667b1);
  high = (a ^ (a >>> 15)) >>> 0;
  low = (b ^ (b >>> 13)) >>> 0;
}

function twice<T extends Uint32Array | Int32Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
