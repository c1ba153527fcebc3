import type { Random } from './seed.js';

/** Lengths and counts that parsers stumble over. */
const NUMBERS = [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
/** Bytes that mean something somewhere. */
const MARKS = Buffer.from('\0\t\n\r "\'\\,;:=@#!?*|%$~^+-./[](){}<>&09azAZ=\x7f\x80\xff', 'latin1');
/** No input grows beyond this. */
const LONGEST = 64 << 10;

/** One of the good inputs, damaged in 1 to 5 ways. */
export function mutated(random: Random, corpus: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(random.pick(corpus));
  for (let left = 1 + random.below(5); left > 0; left--) bytes = random.pick(WAYS)(random, bytes, corpus);
  return bytes.subarray(0, LONGEST);
}

type Way = (random: Random, bytes: Buffer<ArrayBuffer>, corpus: readonly Buffer[]) => Buffer<ArrayBuffer>;

const WAYS: readonly Way[] = [
  // A bit, a byte, a number.
  (random, bytes) => flip(bytes, random.below(8 * bytes.length)),
  (random, bytes) => put(bytes, random.below(bytes.length), [random.below(256)]),
  (random, bytes) => put(bytes, random.below(bytes.length), [random.pick([...MARKS])]),
  (random, bytes) => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(
      random.pick([...NUMBERS, bytes.length, bytes.length - 4, bytes.length + 1].map((n) => n >>> 0)),
    );
    return put(bytes, random.below(bytes.length), [...number]);
  },
  // Something that comes in, goes out, or stands there several times.
  (random, bytes) => joined(bytes, random.below(bytes.length + 1), noise(random), 0),
  (random, bytes) => joined(bytes, random.below(bytes.length + 1), Buffer.alloc(0), random.below(20)),
  (random, bytes) => Buffer.from(bytes.subarray(0, random.below(bytes.length + 1))),
  (random, bytes) => {
    const from = random.below(bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + random.below(random.pick([2, 20, 200])));
    const times = 1 + random.below(random.pick([2, 20, 1_000]));
    return joined(bytes, from, Buffer.concat(Array.from({ length: times }, () => piece)).subarray(0, LONGEST), 0);
  },
  // The start of one and the end of another.
  (random, bytes, corpus) => {
    const other = random.pick(corpus);
    const [head, tail] = [random.below(bytes.length + 1), random.below(other.length + 1)];
    return Buffer.concat([bytes.subarray(0, head), other.subarray(tail)]);
  },
];

function noise(random: Random): Buffer {
  const marks = random.below(2) === 0;
  const length = 1 + random.below(random.pick([2, 10, 100]));
  return Buffer.from(Array.from({ length }, () => (marks ? random.pick([...MARKS]) : random.below(256))));
}

function put(bytes: Buffer<ArrayBuffer>, at: number, values: readonly number[]): Buffer<ArrayBuffer> {
  bytes.set(values.slice(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
  return bytes;
}

function joined(bytes: Buffer, at: number, piece: Buffer, without: number): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + without)]);
}

function flip(bytes: Buffer<ArrayBuffer>, bit: number): Buffer<ArrayBuffer> {
  const at = bit >> 3;
  return put(bytes, at, [(bytes[at] ?? 0) ^ (1 << (bit & 7))]);
}
