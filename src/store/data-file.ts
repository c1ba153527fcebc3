import { closeSync, openSync, readSync } from 'node:fs';

// The parts of LMDB's data file that reading its values does not touch (mdb.c of lmdb 3.5.6; all little-endian):
//
//     page    0 own number u64 · 16 pad · 18 kind u16 · 20 bytes of places u16 · 24 places u16 …, from here on
//     head    pages 0 and 1: 24 magic u32 · 48 bytes of a page u32 · 88 root of the free list u64 · 144 last page u64
//             · 152 transaction u64
//     node    0 size, or number of a page, u48 · 4 flags u16 (of a leaf) · 6 bytes of the key u16 · 8 key, value
const HEAD = { bytes: 160, magic: 24, page: 48, root: 88, last: 144, transaction: 152 } as const;
const MAGIC = 0xbeefc0de;
const PAGE = { kind: 18, places: 20, first: 24 } as const;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
/** The value lies on pages of its own, and the node holds the first one's number. */
const BIG = 1;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
const DEEPEST = 32;

interface Head {
  readonly pageBytes: number;
  readonly root: bigint;
  readonly last: bigint;
  readonly transaction: bigint;
}

/**
 * What is wrong with the heads or the list of free pages, if anything. If the newer of the two heads is gone LMDB takes
 * the older one, and what was written last is not there. A broken list is met by whoever writes next but one.
 */
export function brokenPart(path: string): string | undefined {
  const fd = openSync(path, 'r');
  try {
    const first = headAt(fd, 0);
    const second = first && headAt(fd, first.pageBytes);
    if (!second) return 'one of its two heads is lost';
    const head = second.transaction > first.transaction ? second : first;
    return head.root === NO_ROOT || isWhole(fd, head, head.root, 0) ? undefined : 'its list of free pages is broken';
  } finally {
    closeSync(fd);
  }
}

function headAt(fd: number, at: number): Head | undefined {
  const head = Buffer.alloc(HEAD.bytes);
  if (readSync(fd, head, 0, HEAD.bytes, at) < HEAD.bytes || head.readUInt32LE(HEAD.magic) !== MAGIC) return undefined;
  return {
    pageBytes: head.readUInt32LE(HEAD.page),
    root: head.readBigUInt64LE(HEAD.root),
    last: head.readBigUInt64LE(HEAD.last),
    transaction: head.readBigUInt64LE(HEAD.transaction),
  };
}

function isWhole(fd: number, head: Head, number: bigint, depth: number): boolean {
  const page = pageOf(fd, head, number);
  if (!page || depth > DEEPEST) return false;
  const kind = page.readUInt16LE(PAGE.kind);
  if (kind !== BRANCH && kind !== LEAF) return false;
  const count = page.readUInt16LE(PAGE.places) / 2;
  for (let i = 0; i < count; i++) {
    const place = PAGE.first + 2 * i;
    const node = place + 2 <= page.length ? PAGE.first + page.readUInt16LE(place) : page.length;
    if (node + 8 > page.length) return false;
    if (kind === BRANCH) {
      if (!isWhole(fd, head, BigInt(page.readUIntLE(node, 6)), depth + 1)) return false;
    } else if (page.readUInt16LE(node + 4) & BIG) {
      const value = node + 8 + page.readUInt16LE(node + 6);
      const overflow = value + 8 <= page.length ? pageOf(fd, head, page.readBigUInt64LE(value)) : undefined;
      if (overflow?.readUInt16LE(PAGE.kind) !== OVERFLOW) return false;
    }
  }
  return count > 0;
}

/** Undefined where there is none of this number. */
function pageOf(fd: number, { pageBytes, last }: Head, number: bigint): Buffer | undefined {
  if (number > last) return undefined;
  const page = Buffer.alloc(pageBytes);
  const read = readSync(fd, page, 0, pageBytes, Number(number) * pageBytes);
  return read === pageBytes && page.readBigUInt64LE(0) === number ? page : undefined;
}
